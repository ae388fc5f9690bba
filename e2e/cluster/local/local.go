// Package local is the source-built cluster as seen from the machine: it starts the cluster's first process
// in new namespaces, loads images and add-ons, reports its status, and removes it. Package node runs inside.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/berth-dev/berth/e2e/cluster/binary"
	"github.com/berth-dev/berth/e2e/cluster/debian"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// A Cluster is the source-built cluster in one directory, whether it runs or not.
type Cluster struct {
	Dir      state.Dir
	Builder  *binary.Builder
	Progress io.Writer
	// NodeCount and Args are what a start asks for; none means one node, no arguments, or whatever runs
	// already.
	NodeCount int
	Args      map[string][]string
}

// Up starts the cluster, or finds that it runs already, and returns when it can take work. What is left of
// one that was interrupted or has lost its processes is removed first.
func (c *Cluster) Up(ctx context.Context) error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return errors.New(
			"a cluster built from source needs root on Linux: become root, or start a Docker engine for kind, or name a cluster in E2E_KUBECONFIG")
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	running, err := c.running()
	if err != nil {
		return err
	}
	if running {
		err := c.finish(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		fmt.Fprintf(c.Progress, "the cluster runs but does not work, starting it anew: %v\n", err)
	}
	if err := clean(c.Dir); err != nil {
		return err
	}
	if err := debian.Require(ctx, c.Progress); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	return c.finish(ctx)
}

// Down removes the cluster and every trace of it but the programs that were built. There need not be one.
func (c *Cluster) Down(ctx context.Context) error {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return clean(c.Dir)
}

// Kubeconfig is where the cluster's kubeconfig is, or would be.
func (c *Cluster) Kubeconfig() string { return c.Dir.Kubeconfig() }

// lock keeps two of these programs from working on the same directory.
func (c *Cluster) lock(ctx context.Context) (unlock func(), err error) {
	return state.Lock(ctx, string(c.Dir)+".lock", c.Progress)
}

// running tells whether the cluster's first process runs, and refuses one that was started otherwise than is
// asked now.
func (c *Cluster) running() (bool, error) {
	first, err := findInit(c.Dir)
	if err != nil || first == nil {
		return false, err
	}
	first.Close()
	config, err := state.ReadConfig(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	asked := c.NodeCount != 0 || len(c.Args) != 0
	if asked && !state.SameShape(config, c.wanted()) {
		return false, fmt.Errorf(
			"the cluster in %s runs with other nodes or arguments: take it down first, or keep another one in another %s",
			c.Dir,
			state.EnvDir,
		)
	}
	return true, nil
}

// wanted is the configuration that a start asks for, as far as it is asked for.
func (c *Cluster) wanted() state.Config {
	return state.Config{Provider: "source", NodeCount: c.NodeCount, Args: c.Args}
}
