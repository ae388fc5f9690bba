package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/berth-dev/berth/charts/release"
)

// statusTestsEveryLink with a job from a pod in the cluster.
func statusTestsEveryLink(t *testing.T, s *installed) {
	args := []string{"status", "--kubeconfig", s.kubeconfig, "-n", s.namespace}
	out := s.run(t, append(args, "--test")...)
	contains(t, "the links", out.stderr, "server  answers", "worker  pool default has 1 live worker", "job     runs", "log     has", "passed in")
	if out.code != 0 || !strings.HasSuffix(out.stdout, "passed\n") {
		t.Errorf("exit code %d\n%s", out.code, out)
	}

	s.scale(t, s.namespace, "berth-worker", 0)
	gone := s.run(t, args...)
	contains(t, "the reason", gone.stderr, "deployment berth-worker is scaled to 0: runs wait",
		"scale deployment/berth-worker --replicas=1")
	if gone.code != 1 {
		t.Errorf("exit code %d without a worker\n%s", gone.code, gone)
	}
	s.scale(t, s.namespace, "berth-worker", 1)
	s.readyPods(t, s.namespace, workerSelector, 1)
}

// scale sets the replicas of a Deployment.
func (c *cluster) scale(t *testing.T, namespace, name string, replicas int) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := c.client.AppsV1().Deployments(namespace).Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		t.Fatalf("scale %s: %v", name, err)
	}
}

// restricted makes the API server refuse any pod that does not pass the restricted Pod Security Standard.
var restricted = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}

// installed is a release of the chart in a new namespace.
type installed struct {
	site
	namespace string
	whole     *testing.T // the test that the installation lives in, while its parts come and go
}

const (
	releaseName    = "berth"
	serverSelector = "app.kubernetes.io/instance=berth,app.kubernetes.io/component=server"
	workerSelector = "app.kubernetes.io/instance=berth,app.kubernetes.io/component=worker"
)

// install installs the chart with default values but for the image and those given; it is gone when the test
// ends.
func install(t *testing.T, namespace string, values map[string]any) *installed {
	t.Helper()
	c := connect(t)
	all := map[string]any{
		"image": map[string]any{"tag": imageTag, "pullPolicy": "IfNotPresent"},
		"jobs":  map[string]any{"podSecurity": "restricted"},
	}
	for k, v := range values {
		all[k] = v
	}
	s := &installed{namespace: namespace, whole: t}
	s.cluster, s.jobs, s.pool = c, namespace+"-jobs", "default"
	t.Cleanup(func() { c.removeNamespace(t, s.jobs) }) // an uninstall keeps it
	if _, err := s.release(t).Install(t.Context(), all); err != nil {
		t.Fatalf("install: %v\n%s", err, c.leftIn(t.Context(), namespace))
	}
	s.cli = cli{dir: t.TempDir(), key: c.secret(t, namespace, "berth-keys", "admin")}
	s.reconnect()
	return s
}

// release is the chart's release through the Helm SDK.
func (s *installed) release(t *testing.T) *release.Client {
	t.Helper()
	client, err := release.New(release.Options{
		Target:  release.Target{Kubeconfig: s.kubeconfig, Namespace: s.namespace, Name: releaseName},
		Timeout: 4 * time.Minute, Progress: func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// reconnect reaches the server anew, after a pod of it went.
func (s *installed) reconnect() {
	s.whole.Helper()
	s.url = "http://" + s.tunnel(s.whole, s.namespace, serverSelector, 4200)
}

// uninstallLeavesNothing uninstalls while a run is under way, and demands that no Job, pod or finalizer is
// left.
func uninstallLeavesNothing(t *testing.T, s *installed) {
	s.deploy(t, "endless", gated)
	id := s.start(t, "endless")
	s.runningPod(t, s.jobs, id)
	if err := s.release(t).Uninstall(t.Context(), release.UninstallOptions{}); err != nil {
		t.Fatalf("uninstall: %v", err)
	}
	eventually(t, "all Jobs and pods to go",
		func() (bool, error) {
			return s.leftIn(t.Context(), s.namespace)+s.leftIn(t.Context(), s.jobs) == "", nil
		})
}

// setTemplate gives the pool that the chart made the template of the scenarios.
func (s *installed) setTemplate(t *testing.T) {
	t.Helper()
	s.write(t, "template.yaml", lightTemplate)
	s.ok(t, "pool", "template", "set", s.pool, "-f", "template.yaml")
}

func bothSidesCount(t *testing.T, s *installed, servers int) {
	server := s.scrape(t, s.namespace, serverSelector, servers)
	contains(t, "the servers' metrics", server,
		fmt.Sprintf(`berth_attempts_total{category="",outcome="succeeded",pool=%q}`, s.pool))
	worker := s.scrape(t, s.namespace, workerSelector, 1)
	contains(t, "the worker's metrics", worker, "berth_worker_active_attempts",
		"berth_template_render_seconds_count{engine=\"gotemplate\"}",
		`berth_finalizer_removals_total{result="released"}`)
}

func TestFirstLight(t *testing.T) {
	t.Parallel()
	c := connect(t)
	s := install(t, c.namespace(t, "berth-light", restricted), nil)
	t.Run("status tests every link, and sees that the worker is gone", func(t *testing.T) { statusTestsEveryLink(t, s) })
	t.Run("the examples run", func(t *testing.T) { examplesRun(t, s.site) })
	s.setTemplate(t)
	t.Run("a run from template to output", func(t *testing.T) { firstLight(t, s.site) })
	t.Run("both sides count it", func(t *testing.T) { bothSidesCount(t, s, 1) })
	t.Run("an exit code is kept", func(t *testing.T) { exitCodeIsKept(t, s.site) })
	t.Run("an image that does not exist is said while the run waits",
		func(t *testing.T) { missingImageIsSaidWhileItWaits(t, s.site) })
	t.Run("a template that can not be valid is refused with the place",
		func(t *testing.T) { impossibleTemplateIsRefused(t, s.site) })
	t.Run("no job reaches the keys of the installation", func(t *testing.T) { keysAreOutOfReach(t, s) })
	t.Run("the server's pod is killed and nothing is lost", func(t *testing.T) { serverPodIsKilled(t, s) })
	t.Run("uninstalling leaves nothing", func(t *testing.T) { uninstallLeavesNothing(t, s) })
}

func TestFirstLightOnPostgreSQLWithTwoServers(t *testing.T) {
	t.Parallel()
	c := connect(t)
	namespace := c.namespace(t, "berth-postgres", restricted)
	startPostgres(t, c, namespace)
	s := install(t, namespace, map[string]any{
		"server":   map[string]any{"replicas": 2},
		"database": map[string]any{"external": map[string]any{"existingSecret": "database"}},
	})
	s.setTemplate(t)
	c.readyPods(t, namespace, serverSelector, 2)
	t.Run("a run from template to output", func(t *testing.T) { firstLight(t, s.site) })
	t.Run("both sides count it", func(t *testing.T) { bothSidesCount(t, s, 2) })
	t.Run("a server's pod is killed and nothing is lost", func(t *testing.T) { serverPodIsKilled(t, s) })
	t.Run("uninstalling leaves nothing", func(t *testing.T) { uninstallLeavesNothing(t, s) })
}

// serverPodIsKilled kills the pod that the tunnel leads to while a run is under way.
func serverPodIsKilled(t *testing.T, s *installed) {
	s.deploy(t, "gated", gated)
	id := s.start(t, "gated")
	pod := s.runningPod(t, s.jobs, id)
	if err := s.killPod(t.Context(), s.namespace, s.readyPod(t, s.namespace, serverSelector)); err != nil {
		t.Fatal(err)
	}
	s.exec(t, pod, "touch", "/tmp/gate")
	s.reconnect()
	s.end(t, id, "COMPLETED")
	s.recordedOnce(t, id)
	s.onePod(t, id)
	s.logsHave(t, id, "waiting", "through")
}

// keysAreOutOfReach tries to read the admin key, the worker's token and Helm's values from a job.
func keysAreOutOfReach(t *testing.T, s *installed) {
	s.write(t, "open.yaml", `
variables: {type: object, properties: {env: {type: object}, service_account_name: {type: string}, namespace: {type: string}}}
job_configuration:
  env: "{{ env }}"
  namespace: "{{ namespace }}"
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          serviceAccountName: "{{ service_account_name }}"
          containers: [{name: job, image: "busybox:1.36", args: [env]}]
`)
	s.ok(t, "pool", "template", "set", s.pool, "-f", "open.yaml")
	defer s.setTemplate(t)
	s.write(t, "open-deploy.yaml", "deployments: [{name: open, pool: "+s.pool+"}]\n")
	s.ok(t, "deploy", "-f", "open-deploy.yaml")
	reference := func(name, key string) string {
		return fmt.Sprintf(`env={"X":{"valueFrom":{"secretKeyRef":{"name":%q,"key":%q}}}}`, name, key)
	}
	for variable, want := range map[string]string{
		reference("berth-keys", "admin"):                    "belongs to this installation",
		reference("sh.helm.release.v1.berth.v1", "release"): "Helm release",
		"service_account_name=berth-worker":                 "belongs to this installation",
		"namespace=" + s.namespace:                          "holds the Secrets of this installation",
	} {
		out := s.cli.run(t, "deployment", "run", "open", "--job-variable", variable, "--watch")
		if out.code == 0 || !strings.Contains(out.stdout+out.stderr, want) {
			t.Errorf("%s: exit code %d, want a refusal with %q\n%s", variable, out.code, want, out)
		}
		if strings.Contains(out.stdout+out.stderr, s.cli.key) {
			t.Errorf("%s: prints the admin key", variable)
		}
	}
}

// startPostgres runs PostgreSQL in the namespace and stores its URL in the Secret "database".
func startPostgres(t *testing.T, c *cluster, namespace string) {
	t.Helper()
	const password = "for-this-test-only"
	labels := map[string]string{"app": "postgres", testPod: ""}
	yes, no, user := true, false, int64(65532)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "postgres", Labels: labels},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user, FSGroup: &user,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "postgres", Image: "docker.io/library/postgres:15", ImagePullPolicy: corev1.PullIfNotPresent,
				Env: []corev1.EnvVar{
					{Name: "POSTGRES_PASSWORD", Value: password}, {Name: "PGDATA", Value: "/data/pg"},
				},
				ReadinessProbe: &corev1.Probe{
					ProbeHandler: corev1.ProbeHandler{
						TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(5432)},
					},
					PeriodSeconds: 1,
				},
				VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no,
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
			Volumes: []corev1.Volume{
				{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		},
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "postgres"},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 5432}}},
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "database"},
		StringData: map[string]string{
			"url": "postgres://postgres:" + password + "@postgres." + namespace + ".svc:5432/postgres?sslmode=disable",
		},
	}
	ctx := context.WithoutCancel(t.Context())
	if _, err := c.client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.client.CoreV1().Services(namespace).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.client.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.readyPod(t, namespace, "app=postgres")
}

// repository is the path of a file of the repository.
func repository(t *testing.T, parts ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{".."}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// examplesRun deploys and runs the examples for Kubernetes as their README says.
func examplesRun(t *testing.T, s site) {
	for _, example := range []struct{ name, param, prints string }{
		{"hello", "name=cluster", "cluster"},
		{"etl", "date=2026-01-01", "2026-01-01"},
	} {
		s.ok(t, "deploy", "-f", repository(t, "examples", example.name, "berth.yaml"))
		watched := s.cli.run(t, "deployment", "run", example.name, "--param", example.param, "--watch")
		if watched.code != 0 || !strings.Contains(watched.stdout, example.prints) {
			t.Errorf("example %s: exit code %d\n%s", example.name, watched.code, watched)
		}
	}
}

// TestANamespaceThatDoesNotExistIsRefusedBeforeAnythingIsMade: an installation that fails half way is worse than none.
// With the flag, it is created.
func TestANamespaceThatDoesNotExistIsRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	c := connect(t)
	namespace := fmt.Sprintf("berth-absent-%d", time.Now().UnixNano())
	team := namespace + "-team"
	berth := cli{dir: t.TempDir()}
	release := []string{"--kubeconfig", c.kubeconfig, "-n", namespace}
	install := append([]string{"install", "--set", "worker.namespaces={" + team + "}", "--set", "image.tag=none", "--timeout", "5s"},
		release...)

	refused := berth.run(t, install...)
	if refused.code != 2 || !strings.Contains(refused.stderr, team) || !strings.Contains(refused.stderr, "--create-namespaces") {
		t.Errorf("exit code %d, want a refusal that names %s\n%s", refused.code, team, refused)
	}
	for _, name := range []string{namespace, namespace + "-jobs", team} {
		if _, err := c.client.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("namespace %s was made: %v", name, err)
		}
		t.Cleanup(func() { c.removeNamespace(t, name) })
	}

	defer func() { berth.run(t, append([]string{"uninstall", "--skip-drain", "--yes"}, release...)...) }()
	created := berth.run(t, append(install, "--create-namespaces")...) // whose image does not exist
	if _, err := c.client.RbacV1().Roles(team).List(t.Context(), metav1.ListOptions{}); created.code != 1 || err != nil {
		t.Errorf("exit code %d, %v\n%s", created.code, err, created)
	}
	if _, err := c.client.CoreV1().Namespaces().Get(t.Context(), team, metav1.GetOptions{}); err != nil {
		t.Errorf("namespace %s is not created: %v\n%s", team, err, created)
	}
}
