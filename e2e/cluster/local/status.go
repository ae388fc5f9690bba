package local

import (
	"context"
	"errors"
	"io/fs"

	"k8s.io/client-go/kubernetes"

	"github.com/berth-dev/berth/e2e/cluster/node"
	"github.com/berth-dev/berth/e2e/cluster/provider"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// Status looks at the cluster. The process numbers it returns are the machine's.
func (c *Cluster) Status(ctx context.Context) (provider.Status, error) {
	status := provider.Status{Provider: "source", Dir: string(c.Dir)}
	first, err := findInit(c.Dir)
	if err != nil {
		return status, err
	}
	if first == nil {
		status.Detail = "no cluster runs here"
		return status, nil
	}
	defer first.Close()
	status.PID, status.Kubeconfig = first.pid, c.Dir.Kubeconfig()
	if status.Components, err = node.ReadStatus(ctx, c.Dir); err != nil {
		status.Detail = err.Error()
		return status, nil
	}
	numbers := first.hostPIDs()
	status.Up = true
	for i, component := range status.Components {
		status.Components[i].PID = numbers[component.PID]
		if !component.Healthy {
			status.Up, status.Detail = false, component.Name+" is not healthy"
		}
	}
	if status.Up {
		if err := c.ready(ctx); err != nil {
			status.Up, status.Detail = false, err.Error()
		}
	}
	return status, nil
}

// ready asks the cluster itself, once.
func (c *Cluster) ready(ctx context.Context) error {
	config, err := state.ReadConfig(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("the cluster has only begun to start")
	}
	if err != nil {
		return err
	}
	rest, err := restConfig(c.Dir)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return err
	}
	return readyNow(ctx, client, config)
}
