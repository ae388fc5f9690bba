package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/e2e/cluster/local"
	"github.com/berth-dev/berth/e2e/cluster/provider"
)

const namespace = "workload"

// restricted is what the strictest Pod Security Standard asks of a container.
func restricted(user int64) *corev1.SecurityContext {
	return &corev1.SecurityContext{
		RunAsNonRoot: ptr.To(true), RunAsUser: &user,
		AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func runsWorkload(t *testing.T, cluster *local.Cluster) {
	client := client(t, cluster)
	labels := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	_, err := client.CoreV1().
		Namespaces().
		Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")},
			},
		},
	}
	if _, err := client.CoreV1().PersistentVolumeClaims(namespace).Create(t.Context(), claim, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	const script = `set -e
nslookup -type=a kubernetes.default.svc.cluster.local
wget -q -O - --no-check-certificate https://kubernetes.default.svc/version
echo written >/data/file
cat /data/file`
	output := runJob(t, client, "workload", corev1.PodSpec{
		Containers: []corev1.Container{{
			Name: "main", Image: "busybox:1.36", Command: []string{"sh", "-c", script}, SecurityContext: restricted(1000),
			VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
		}},
		Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
		}}},
	})
	for _, want := range []string{"Address: 10.96.0.1", `"gitVersion": "v1.`, "written"} {
		if !strings.Contains(output, want) {
			t.Errorf("the container did not print %q:\n%s", want, output)
		}
	}
}

func runsProduct(t *testing.T, cluster *local.Cluster) {
	loadProduct(t, cluster)
	output := runJob(t, client(t, cluster), "product", corev1.PodSpec{Containers: []corev1.Container{{
		Name: "main", Image: "ghcr.io/berth-dev/berth:test", Args: []string{"--version"}, SecurityContext: restricted(65532),
	}}})
	if !strings.Contains(output, "etcd Version") {
		t.Errorf("the container printed:\n%s", output)
	}
}

func runsPostgres(t *testing.T, cluster *local.Cluster) {
	const script = `docker-entrypoint.sh postgres &
until PGPASSWORD=secret psql -h 127.0.0.1 -U berth -d things -t -c "SELECT 'it is ' || (40 + 2)" 2>/dev/null; do kill -0 $! || exit 1; sleep 0.1; done
kill -INT $!
wait`
	output := runJob(t, client(t, cluster), "postgres", corev1.PodSpec{
		Containers: []corev1.Container{{
			Name: "main", Image: "postgres:15", Command: []string{"sh", "-c", script}, SecurityContext: restricted(999),
			Env: []corev1.EnvVar{
				{
					Name: "POSTGRES_USER", Value: "berth",
				}, {Name: "POSTGRES_PASSWORD", Value: "secret"}, {Name: "POSTGRES_DB", Value: "things"},
			},
			VolumeMounts: []corev1.VolumeMount{
				{Name: "data", MountPath: "/var/lib/postgresql/data"}, {Name: "data", MountPath: "/tmp"},
			},
		}},
		Volumes: []corev1.Volume{
			{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	})
	if !strings.Contains(output, "it is 42") {
		t.Errorf("the container printed:\n%s", output)
	}
}

// runJob runs a pod as a Job to its good end and returns what it printed.
func runJob(t *testing.T, client kubernetes.Interface, name string, pod corev1.PodSpec) string {
	t.Helper()
	pod.RestartPolicy = corev1.RestartPolicyNever
	pod.AutomountServiceAccountToken = ptr.To(false)
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: batchv1.JobSpec{
		BackoffLimit: ptr.To(int32(0)), Template: corev1.PodTemplateSpec{Spec: pod},
	}}
	if _, err := client.BatchV1().Jobs(namespace).Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	succeeded := false
	await(t, "Job "+name, func(ctx context.Context) (bool, error) {
		job, err := client.BatchV1().Jobs(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, condition := range job.Status.Conditions {
			if condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed {
				succeeded = condition.Type == batchv1.JobComplete
				return true, nil
			}
		}
		return false, nil
	})
	output := logs(t, client, name)
	if !succeeded {
		t.Fatalf("Job %s failed; its pod printed:\n%s", name, output)
	}
	return output
}

func logs(t *testing.T, client kubernetes.Interface, job string) string {
	t.Helper()
	pods, err := client.CoreV1().
		Pods(namespace).
		List(t.Context(), metav1.ListOptions{LabelSelector: "job-name=" + job})
	if err != nil || len(pods.Items) != 1 {
		t.Fatalf("the pods of Job %s are %d, %v", job, len(pods.Items), err)
	}
	stream, err := client.CoreV1().
		Pods(namespace).
		GetLogs(pods.Items[0].Name, &corev1.PodLogOptions{}).
		Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	output, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	return string(output)
}

func status(t *testing.T, cluster *local.Cluster) provider.Status {
	t.Helper()
	status, err := cluster.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func await(t *testing.T, what string, condition wait.ConditionWithContextFunc) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, condition); err != nil {
		t.Fatalf("wait for %s: %v", what, err)
	}
}
