package provider

import (
	"context"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// EnvKubeconfig is the environment variable that names the kubeconfig of a cluster to use as it is.
const EnvKubeconfig = "E2E_KUBECONFIG"

// External is a cluster that someone else operates: it is read, never started, filled or removed.
type External struct {
	Path     string // of its kubeconfig
	Progress io.Writer
}

// Kubeconfig is the file that the caller named.
func (e External) Kubeconfig() string { return e.Path }

// Up makes sure that the cluster answers.
func (e External) Up(ctx context.Context) error {
	status, err := e.Status(ctx)
	if err != nil {
		return err
	}
	if !status.Up {
		return fmt.Errorf("the cluster of %s=%s does not answer: %s", EnvKubeconfig, e.Path, status.Detail)
	}
	return nil
}

// Down leaves the cluster to whoever keeps it.
func (e External) Down(context.Context) error {
	fmt.Fprintf(e.Progress, "the cluster of %s is not ours to take down\n", EnvKubeconfig)
	return nil
}

// Load loads nothing: only the API of the cluster is known, not its nodes.
func (e External) Load(_ context.Context, archive string) error {
	fmt.Fprintf(e.Progress,
		"%s is not loaded: the cluster of %s must be able to pull its images, or have them\n", archive,
		EnvKubeconfig)
	return nil
}

// Status asks the cluster for its nodes.
func (e External) Status(ctx context.Context) (Status, error) {
	status := Status{Provider: "external", Kubeconfig: e.Path}
	if err := answers(ctx, e.Path); err != nil {
		status.Detail = err.Error()
		return status, nil
	}
	status.Up = true
	return status, nil
}

// answers asks the cluster that the kubeconfig leads to for its nodes.
func answers(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	if len(nodes.Items) == 0 {
		return fmt.Errorf("the cluster has no nodes")
	}
	return nil
}
