package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/internal/testenv"
)

// chartDir is the chart as an operator has it in a directory.
func chartDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../charts/berth")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// siteOf is an installation in a namespace, however it came there.
func siteOf(t *testing.T, c *cluster, namespace string) *installed {
	t.Helper()
	s := &installed{namespace: namespace, whole: t}
	s.cluster, s.jobs, s.pool = c, namespace+"-jobs", "default"
	s.readyPod(t, namespace, workerSelector)
	s.cli = cli{dir: t.TempDir(), key: c.secret(t, namespace, "berth-keys", "admin")}
	s.reconnect()
	return s
}

// TestOperatorsUseTheChartInTheirWay: with Helm 3 and Helm 4, with a user of their cluster's choice (as OpenShift has it),
// with hooks applied as ordinary objects, and with an uninstall when the server is gone.
func TestOperatorsUseTheChartInTheirWay(t *testing.T) {
	t.Parallel()
	c := connect(t)
	namespace := c.namespace(t, "berth-habits", restricted)
	t.Cleanup(func() { c.removeNamespace(t, namespace+"-jobs") })
	const user = 1000660000
	values := valuesFile(t, map[string]any{
		"image": map[string]any{"tag": imageTag}, "jobs": map[string]any{"podSecurity": "restricted"},
		"podSecurityContext": map[string]any{"runAsUser": user, "runAsGroup": 0, "fsGroup": user},
	})
	release := []string{"berth", chartDir(t), "-n", namespace, "-f", values}
	helm3.ok(t, c, append([]string{"install", "--wait", "--timeout", "3m"}, release...)...)
	s := siteOf(t, c, namespace)

	for name, h := range map[string]helm{"Helm 3": helm3, "Helm 4": helm4} {
		t.Run("a test shows its log in "+name, func(t *testing.T) {
			contains(t, "the log", h.ok(t, c, "test", "berth", "-n", namespace, "--logs"),
				"worker  pool default has 1 live worker", "job     runs", "log     has", "passed in")
		})
	}
	s.setTemplate(t)
	s.deploy(t, "gated", gated)
	id := s.start(t, "gated")
	pod := s.runningPod(t, s.jobs, id)
	t.Run("a rendered chart that is applied ends no job", func(t *testing.T) {
		c.apply(t, helm4.ok(t, c, append([]string{"template"}, release...)...))
		said := c.hookLog(t, namespace, "drain")
		contains(t, "the log of the drain", said, "nothing is drained: ", "berth is deployed, so that no uninstall is under way")
		s.lives(t, pod)
	})
	t.Run("a test without a worker fails and says so", func(t *testing.T) {
		s.scale(t, namespace, "berth-worker", 0)
		eventually(t, "the worker to go", func() (bool, error) {
			pods, err := c.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: workerSelector})
			return err == nil && len(pods.Items) == 0, err
		})
		out := helm4.run(t, c, "test", "berth", "-n", namespace, "--logs")
		if out.code == 0 {
			t.Error("the test passes")
		}
		contains(t, "the log", out.stdout, `broken: worker: pool "default" has no live worker`)
		s.scale(t, namespace, "berth-worker", 1)
		s.readyPod(t, namespace, workerSelector)
	})
	t.Run("an uninstall without the server ends the jobs", func(t *testing.T) {
		s.lives(t, pod)
		if err := c.client.AppsV1().StatefulSets(namespace).Delete(t.Context(), "berth-server", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the server to go", func() (bool, error) {
			pods, err := c.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: serverSelector})
			return err == nil && len(pods.Items) == 0, err
		})
		helm4.ok(t, c, "uninstall", "berth", "-n", namespace, "--wait")
		if left := c.leftIn(t.Context(), s.jobs); left != "" {
			t.Errorf("left: %s", left)
		}
		pods, err := c.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{
			LabelSelector: "app.kubernetes.io/component notin (keys)"}) // which was applied
		if err != nil || len(pods.Items) > 0 {
			t.Errorf("%d pods are left: %v", len(pods.Items), err)
		}
	})
}

// hookLog waits until the Job of a hook has succeeded and returns its log.
func (c *cluster) hookLog(t *testing.T, namespace, component string) string {
	t.Helper()
	var name string
	eventually(t, "the hook "+component+" to succeed", func() (bool, error) {
		pods, err := c.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{
			LabelSelector: "app.kubernetes.io/component=" + component})
		if err != nil {
			return false, err
		}
		for _, pod := range pods.Items {
			if pod.Status.Phase == corev1.PodSucceeded {
				name = pod.Name
			}
		}
		return name != "", nil
	})
	log, err := c.client.CoreV1().Pods(namespace).GetLogs(name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

// lives demands that the pod of a run still runs.
func (s *installed) lives(t *testing.T, pod corev1.Pod) {
	t.Helper()
	now, err := s.client.CoreV1().Pods(pod.Namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
	if err != nil || now.Status.Phase != corev1.PodRunning || now.DeletionTimestamp != nil {
		t.Fatalf("pod %s of the run is %s: %v", pod.Name, now.Status.Phase, err)
	}
}

// TestAChartWithoutHelmKeepsItsWorkers: kubectl applies what Helm rendered, hooks included; then the server is away for
// longer than any liveness probe waits, and the worker is not restarted.
func TestAChartWithoutHelmKeepsItsWorkers(t *testing.T) {
	t.Parallel()
	c := connect(t)
	namespace := c.namespace(t, "berth-applied", restricted)
	t.Cleanup(func() { c.removeNamespace(t, namespace+"-jobs") })
	c.apply(t, helm4.ok(t, c, "template", "berth", chartDir(t), "-n", namespace, "--set", "image.tag="+imageTag,
		"--set", "jobs.podSecurity=restricted"))
	said := c.hookLog(t, namespace, "drain")
	contains(t, "the log of the drain", said, "nothing is drained: ", "was not installed by Helm")
	s := siteOf(t, c, namespace)
	s.setTemplate(t)
	s.deploy(t, "gated", gated)
	id := s.start(t, "gated")
	pod := s.runningPod(t, s.jobs, id)

	workers, err := c.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: workerSelector})
	if err != nil || len(workers.Items) != 1 {
		t.Fatalf("%d workers: %v", len(workers.Items), err)
	}
	before := workers.Items[0]
	server := c.client.AppsV1().StatefulSets(namespace)
	replicas := func(n int32) {
		scale, err := server.GetScale(t.Context(), "berth-server", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		scale.Spec.Replicas = n
		if _, err := server.UpdateScale(t.Context(), "berth-server", scale, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	replicas(0)
	const away = 130 * time.Second // startup and liveness probes give up after 120 and 60 s
	gone := time.Now()
	unready := false
	for time.Since(gone) < away {
		now, err := c.client.CoreV1().Pods(namespace).Get(t.Context(), before.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if restarts := now.Status.ContainerStatuses[0].RestartCount; restarts > 0 {
			t.Fatalf("the worker was restarted %d times, %s after the server went", restarts, time.Since(gone))
		}
		unready = unready || !ready(*now)
		<-time.After(time.Second)
	}
	if !unready {
		t.Error("a worker without a server says that it is ready")
	}
	s.lives(t, pod)
	replicas(1)
	s.readyPod(t, namespace, serverSelector)
	s.readyPod(t, namespace, workerSelector)
	s.reconnect()
	s.exec(t, pod, "touch", "/tmp/gate")
	s.end(t, id, "COMPLETED")
	s.onePod(t, id)
}

// TestAParentChartSwitchesBerthOff by the condition of its dependency, in both Helms.
func TestAParentChartSwitchesBerthOff(t *testing.T) {
	t.Parallel()
	c := connect(t)
	parent := t.TempDir()
	writeFile(t, filepath.Join(parent, "Chart.yaml"),
		"{apiVersion: v2, name: platform, version: 1.0.0, dependencies: [{name: berth, condition: berth.enabled}]}")
	if err := os.CopyFS(filepath.Join(parent, "charts", "berth"), os.DirFS(chartDir(t))); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]helm{"Helm 3": helm3, "Helm 4": helm4} {
		for enabled, want := range map[string]bool{"true": true, "false": false} {
			out := h.ok(t, c, "template", "rel", parent, "--set", "berth.enabled="+enabled)
			if strings.Contains(out, "kind: StatefulSet") != want {
				t.Errorf("%s with berth.enabled=%s:\n%s", name, enabled, out)
			}
		}
	}
}

// TestAnUpgradeReusesTheValuesOfAnOlderChart, the oldest whose values this chart still takes. Its Deployments have no pods:
// the hooks run.
func TestAnUpgradeReusesTheValuesOfAnOlderChart(t *testing.T) {
	t.Parallel()
	c := connect(t)
	const older = "f549d1c~1"
	archive := exec.CommandContext(t.Context(), "git", "-C", "..", "archive", "--format=tar", older, "charts/berth")
	dir := t.TempDir()
	archive.Stderr = os.Stderr
	tar, err := archive.Output()
	if err != nil {
		testenv.Missing(t, "the history of the repository")
	}
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", dir)
	unpack.Stdin = strings.NewReader(string(tar))
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	namespace := c.namespace(t, "berth-older", restricted)
	t.Cleanup(func() { c.removeNamespace(t, namespace+"-jobs") })
	c.secretWith(t, namespace, "database", "url", "postgres://nowhere.invalid/x")
	helm3.ok(t, c, "install", "berth", filepath.Join(dir, "charts", "berth"), "-n", namespace, "--set", "image.tag="+imageTag,
		"--set", "worker.replicas=0,server.replicas=0,database.external.existingSecret=database,jobs.podSecurity=restricted")
	for name, h := range map[string]helm{"Helm 3": helm3, "Helm 4": helm4} {
		out := h.run(t, c, "upgrade", "berth", chartDir(t), "-n", namespace, "--reuse-values")
		if out.code != 0 {
			t.Errorf("%s: exit code %d\n%s", name, out.code, out)
		}
	}
	helm4.ok(t, c, "uninstall", "berth", "-n", namespace)
}

// TestTwoReleasesOfOneNameServeOneNamespace and neither takes objects of the other.
func TestTwoReleasesOfOneNameServeOneNamespace(t *testing.T) {
	t.Parallel()
	c := connect(t)
	shared := c.namespace(t, "berth-shared", restricted)
	var release []string
	for range 2 {
		namespace := c.namespace(t, "berth-team", restricted)
		helm4.ok(t, c, "install", "berth", chartDir(t), "-n", namespace, "--set", "image.tag="+imageTag, "--set",
			"worker.replicas=0,server.replicas=0,keys.existingSecret=none,jobs.createNamespace=false,jobs.namespace="+shared)
		release = append(release, namespace)
	}
	roles := func() int {
		list, err := c.client.RbacV1().Roles(shared).List(t.Context(), metav1.ListOptions{LabelSelector: "berth.dev/release=berth"})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Items)
	}
	if n := roles(); n != 2 {
		t.Errorf("%d Roles in the shared namespace, want one for each release", n)
	}
	helm4.ok(t, c, "uninstall", "berth", "-n", release[0], "--no-hooks")
	if n := roles(); n != 1 {
		t.Errorf("an uninstall leaves %d Roles, want that of the other release", n)
	}
	helm4.ok(t, c, "uninstall", "berth", "-n", release[1], "--no-hooks")
}

// secretWith makes a Secret with one key.
func (c *cluster) secretWith(t *testing.T, namespace, name, key, value string) {
	t.Helper()
	_, err := c.client.CoreV1().Secrets(namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{key: value},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(fmt.Errorf("create secret %s: %w", name, err))
	}
}
