package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/berth-dev/berth/internal/testenv"
)

// patience is how long a test waits for something that takes seconds when all is well.
const patience = 90 * time.Second

// testPod is the label of pods that belong to a test and not to what it tests.
const testPod = "e2e.berth.dev/part-of-the-test"

// cluster is the cluster under the test, as kubectl would see it.
type cluster struct {
	kubeconfig string
	config     *rest.Config
	client     kubernetes.Interface
}

func connect(t testing.TB) *cluster {
	t.Helper()
	path := os.Getenv("E2E_KUBECONFIG")
	if path == "" {
		testenv.Missing(t, "no cluster: `make cluster-up` makes one, E2E_KUBECONFIG names it")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatalf("E2E_KUBECONFIG: %v", err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{kubeconfig: path, config: config, client: client}
}

// namespace makes a namespace that is gone when the test has ended.
func (c *cluster) namespace(t testing.TB, prefix string, labels map[string]string) string {
	t.Helper()
	ns, err := c.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-", Labels: labels},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("create namespace: %v", err)
	}
	t.Cleanup(func() { c.removeNamespace(t, ns.Name) })
	return ns.Name
}

func (c *cluster) removeNamespace(t testing.TB, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*patience)
	defer cancel()
	if err := c.client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil &&
		!apierrors.IsNotFound(err) {
		t.Errorf("delete namespace %s: %v", name, err)
		return
	}
	err := poll(ctx, func() (bool, error) {
		_, err := c.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
	if err != nil {
		t.Errorf("namespace %s does not go away, so something in it is held: %s", name, c.leftIn(ctx, name))
	}
}

// leftIn names the Jobs and pods of a namespace with their finalizers, but for pods that the test itself
// made.
func (c *cluster) leftIn(ctx context.Context, namespace string) string {
	var left []string
	if jobs, err := c.client.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{}); err == nil {
		for _, j := range jobs.Items {
			left = append(left, fmt.Sprintf("job %s %v", j.Name, j.Finalizers))
		}
	}
	if pods, err := c.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "!" + testPod}); err == nil {
		for _, p := range pods.Items {
			left = append(left, fmt.Sprintf("pod %s %s %v", p.Name, p.Status.Phase, p.Finalizers))
		}
	}
	return strings.Join(left, ", ")
}

// jobs are the Jobs of a run, all attempts.
func (c *cluster) jobs(t testing.TB, namespace, runID string) []batchv1.Job {
	t.Helper()
	list, err := c.client.BatchV1().
		Jobs(namespace).
		List(t.Context(), metav1.ListOptions{LabelSelector: "berth.dev/run-id=" + runID})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// pods are the pods of a run, all attempts.
func (c *cluster) pods(t testing.TB, namespace, runID string) []corev1.Pod {
	t.Helper()
	list, err := c.client.CoreV1().
		Pods(namespace).
		List(t.Context(), metav1.ListOptions{LabelSelector: "berth.dev/run-id=" + runID})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// podLog is the log of the run's only pod as the node kept it.
func (c *cluster) podLog(t testing.TB, namespace, runID string) string {
	t.Helper()
	pods := c.pods(t, namespace, runID)
	if len(pods) != 1 {
		t.Fatalf("run %s has %d pods, want 1", runID, len(pods))
	}
	log, err := c.client.CoreV1().Pods(namespace).GetLogs(pods[0].Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

// runningPod waits until the run has a pod whose containers run.
func (c *cluster) runningPod(t testing.TB, namespace, runID string) corev1.Pod {
	t.Helper()
	var found corev1.Pod
	eventually(t, "a running pod of run "+runID, func() (bool, error) {
		for _, pod := range c.pods(t, namespace, runID) {
			if pod.Status.Phase == corev1.PodRunning && len(pod.Status.ContainerStatuses) > 0 &&
				pod.Status.ContainerStatuses[0].Started != nil &&
				*pod.Status.ContainerStatuses[0].Started {
				found = pod
				return true, nil
			}
		}
		return false, nil
	})
	return found
}

// exec runs a command in the first container of a pod.
func (c *cluster) exec(t testing.TB, pod corev1.Pod, command ...string) {
	t.Helper()
	request := c.client.CoreV1().
		RESTClient().
		Post().
		Resource("pods").
		Namespace(pod.Namespace).
		Name(pod.Name).
		SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewSPDYExecutor(c.config, "POST", request.URL())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: &out, Stderr: &out}); err != nil {
		t.Fatalf("exec %v in %s: %v: %s", command, pod.Name, err, out.String())
	}
}

// secret reads one value of a Secret.
func (c *cluster) secret(t testing.TB, namespace, name, key string) string {
	t.Helper()
	secret, err := c.client.CoreV1().Secrets(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	value := string(secret.Data[key])
	if value == "" {
		t.Fatalf("secret %s/%s has no %q", namespace, name, key)
	}
	return value
}

// eventually waits until the condition holds, and fails the test when it does not within the usual patience.
func eventually(t testing.TB, what string, condition func() (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := poll(ctx, condition); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

func poll(ctx context.Context, condition func() (bool, error)) error {
	return wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true,
		func(context.Context) (bool, error) { return condition() })
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
