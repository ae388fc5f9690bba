// Package kubetest helps tests on a real cluster: it finds the cluster, creates a namespace per test, and
// forwards ports of pods and services.
package kubetest

import (
	"context"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// Image is a workload image that every node of the test cluster has: a shell and the usual tools.
const Image = "docker.io/library/busybox:1.36"

// Cluster returns the cluster of E2E_KUBECONFIG; without it the test is reported as not run.
func Cluster(t testing.TB) cluster.Config {
	t.Helper()
	path := os.Getenv("E2E_KUBECONFIG")
	if path == "" {
		testenv.Missing(t, "no cluster: set E2E_KUBECONFIG to a kubeconfig (make cluster-up prints one)")
	}
	config, err := cluster.Connect(cluster.ConnectOptions{Kubeconfig: path})
	if err != nil {
		t.Fatalf("connect to the cluster of E2E_KUBECONFIG: %v", err)
	}
	return config
}

// Client returns a client for the cluster.
func Client(t testing.TB, config cluster.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config.REST)
	if err != nil {
		t.Fatalf("make a client: %v", err)
	}
	return client
}

// Namespace creates a namespace that is deleted with the test, and waits until Jobs can run in it.
func Namespace(t testing.TB, config cluster.Config) string {
	t.Helper()
	client := Client(t, config)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	created, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "berth-test-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("create a namespace: %v", err)
	}
	name := created.Name
	t.Cleanup(func() { deleteNamespace(t, client, name) })
	const interval = 50 * time.Millisecond
	err = wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatalf("wait for the ServiceAccount of namespace %s: %v", name, err)
	}
	return name
}

// deleteNamespace deletes the namespace and everything in it. A finalizer that is left on a Job would keep
// the namespace for ever, so the finalizers of Jobs are taken off first. Tests check theirs before they end.
func deleteNamespace(t testing.TB, client kubernetes.Interface, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	jobs, err := client.BatchV1().Jobs(name).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Errorf("list jobs of namespace %s: %v", name, err)
		return
	}
	for _, j := range jobs.Items {
		if len(j.Finalizers) == 0 {
			continue
		}
		patch := []byte(`{"metadata":{"finalizers":null}}`)
		options := metav1.PatchOptions{}
		_, err := client.BatchV1().Jobs(name).Patch(ctx, j.Name, types.MergePatchType, patch, options)
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("take finalizers off job %s/%s: %v", name, j.Name, err)
		}
	}
	err = client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Errorf("delete namespace %s: %v", name, err)
	}
}
