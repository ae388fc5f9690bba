package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/e2e/cluster/addon"
	"github.com/berth-dev/berth/e2e/cluster/node"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// patience is how long a started cluster has until everything in it works.
const patience = 2 * time.Minute

// finish waits until the components work, brings images and add-ons in where they are not there yet, and
// waits until the cluster can take work. For one that is finished it only looks.
func (c *Cluster) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	config, err := state.ReadConfig(c.Dir)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.loadStock(groupCtx, config) })
	group.Go(func() error {
		if err := c.awaitComponents(groupCtx); err != nil {
			return err
		}
		client, err := restConfig(c.Dir)
		if err != nil {
			return err
		}
		return addon.Apply(groupCtx, client)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return awaitReady(ctx, c.Dir, config)
}

// awaitComponents waits until every component is healthy. It gives up as soon as the cluster's first process
// is gone.
func (c *Cluster) awaitComponents(ctx context.Context) error {
	return poll(ctx, func(ctx context.Context) error {
		first, err := findInit(c.Dir)
		if err != nil {
			return err
		}
		if first == nil {
			return fatal{fmt.Errorf("the cluster's first process has ended: see %s", c.Dir.Log("supervisor"))}
		}
		first.Close()
		components, err := node.ReadStatus(ctx, c.Dir)
		if err != nil {
			return err
		}
		var sick []string
		for _, component := range components {
			if !component.Healthy {
				sick = append(sick, component.Name+": "+component.Detail)
			}
		}
		if len(sick) > 0 {
			return fmt.Errorf("not healthy (logs are in %s): %s", c.Dir.Path("log"), strings.Join(sick, "; "))
		}
		return nil
	})
}

// awaitReady waits until a pod could be made, would start and would find names.
func awaitReady(ctx context.Context, dir state.Dir, config state.Config) error {
	rest, err := restConfig(dir)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	return poll(ctx, func(ctx context.Context) error { return readyNow(ctx, client, config) })
}

// readyNow returns why the cluster cannot take work, or nil.
func readyNow(ctx context.Context, client kubernetes.Interface, config state.Config) error {
	for _, node := range config.Nodes() {
		if err := nodeReady(ctx, client, node.Name); err != nil {
			return err
		}
	}
	if _, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
		return fmt.Errorf("default service account: %w", err)
	}
	dns, err := client.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("name server: %w", err)
	}
	if !available(dns) {
		return errors.New("the name server is not available yet")
	}
	return nil
}

func nodeReady(ctx context.Context, client kubernetes.Interface, name string) error {
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			if condition.Status == corev1.ConditionTrue {
				return nil
			}
			return fmt.Errorf("node %s is not ready: %s", name, condition.Message)
		}
	}
	return fmt.Errorf("node %s has not reported yet", name)
}

// available tells whether the deployment's present generation serves.
func available(deployment *appsv1.Deployment) bool {
	return deployment.Status.ObservedGeneration >= deployment.Generation &&
		deployment.Status.AvailableReplicas > 0
}

// restConfig is how this program talks to the cluster: as the administrator, without holding itself back.
func restConfig(dir state.Dir) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", dir.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	return config, nil
}

// fatal marks an error that waiting does not cure.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// poll asks until it gets no error, a fatal one, or ctx ends; then it returns what it was told last.
func poll(ctx context.Context, ask func(context.Context) error) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var last error
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		var final fatal
		if errors.As(err, &final) {
			return err
		}
		if ctx.Err() == nil || last == nil {
			last = err // after the end, an answer only says that the end has come
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the cluster: %w: %w", context.Cause(ctx), last)
		case <-ticker.C:
		}
	}
}
