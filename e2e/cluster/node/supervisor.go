package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/e2e/cluster/provision"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// Supervise runs every component of the cluster until it is told to end. It is the only child of Init.
func Supervise(ctx context.Context, dir state.Dir, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := state.ReadConfig(dir)
	if err != nil {
		return err
	}
	listener, err := inheritedListener()
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := writeFiles(dir, config); err != nil {
		return err
	}
	return run(ctx, dir, config, listener, log)
}

func run(
	ctx context.Context, dir state.Dir, config state.Config, listener net.Listener, log *slog.Logger,
) error {
	group, ctx := errgroup.WithContext(ctx)
	keepers := newKeepers(dir, components(dir, config), log)
	for _, keeper := range keepers {
		group.Go(func() error { return keeper.Run(ctx) })
	}
	group.Go(
		func() error { return newForwarder(fmt.Sprintf("127.0.0.1:%d", state.APIPort), log).Run(ctx, listener) })
	group.Go(func() error { return serveStatus(ctx, dir.SupervisorSocket(), keepers) })
	group.Go(func() error {
		if !keepers.await(ctx, "kube-apiserver") {
			return nil
		}
		return provision.Run(ctx, dir.Path("pki", "admin.kubeconfig"), dir.Path("volumes"))
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("supervise the cluster: %w", err)
	}
	return nil
}

// inheritedListener returns the socket on the machine's 127.0.0.1 that up opened.
func inheritedListener() (net.Listener, error) {
	file := os.NewFile(ListenerFD, "listener")
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("take over the listening socket: %w", err)
	}
	return listener, nil
}

// writeFiles writes what the components read, keys and kubeconfigs excepted, which up made.
func writeFiles(dir state.Dir, config state.Config) error {
	for _, path := range []string{"log", "volumes"} {
		if err := os.MkdirAll(dir.Path(path), 0o755); err != nil {
			return fmt.Errorf("prepare directories: %w", err)
		}
	}
	for _, component := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"} {
		link := dir.Path("bin", component)
		if err := os.Symlink(config.Binaries["kube"], link); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("link %s: %w", component, err)
		}
	}
	for _, node := range config.Nodes() {
		if err := os.MkdirAll(filepath.Join(dir.Path(node.Name), "cni"), 0o755); err != nil {
			return fmt.Errorf("prepare directories: %w", err)
		}
		if err := writeNodeFiles(dir, node); err != nil {
			return err
		}
	}
	return nil
}
