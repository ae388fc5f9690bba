package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"

	"github.com/berth-dev/berth/e2e/cluster/addon"
	"github.com/berth-dev/berth/e2e/cluster/image"
	"github.com/berth-dev/berth/e2e/cluster/node"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// Load brings the images of an archive into every node of the running cluster.
func (c *Cluster) Load(ctx context.Context, archive string) error {
	config, err := state.ReadConfig(c.Dir)
	if err != nil {
		return fmt.Errorf("load %s: the cluster is not up: %w", archive, err)
	}
	for _, machine := range config.Nodes() {
		command := exec.CommandContext(ctx, "ctr", "--address", c.Dir.ContainerdSocket(machine),
			"--namespace", "k8s.io", "images", "import", "--snapshotter", node.Snapshotter(c.Dir), archive)
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("load %s into %s: %w\n%s", archive, machine.Name, err, bytes.TrimSpace(output))
		}
	}
	return nil
}

// A stockImage is an image that the cluster or its tests need and that is packed on this machine.
type stockImage struct {
	reference string
	describe  func(context.Context) (image.Spec, error)
}

// stock returns them in the order in which they are missed.
func stock(config state.Config) []stockImage {
	program := func(reference, name string) stockImage {
		return stockImage{reference, func(context.Context) (image.Spec, error) {
			return image.Program(reference, name, config.Binaries[name])
		}}
	}
	return []stockImage{
		program(node.PauseImage, "pause"),
		program(addon.CoreDNSImage, "coredns"),
		{image.BusyboxReference, image.Busybox},
		{image.PostgresReference, image.Postgres},
	}
}

// loadStock packs and loads the stock images that are not in the cluster yet.
func (c *Cluster) loadStock(ctx context.Context, config state.Config) error {
	record := c.Dir.Path("loaded.json")
	loaded, err := readLoaded(record)
	if err != nil {
		return err
	}
	for _, machine := range config.Nodes() {
		if err := poll(ctx, func(ctx context.Context) error { return dial(ctx, c.Dir.ContainerdSocket(machine)) }); err != nil {
			return err
		}
	}
	for _, item := range stock(config) {
		if loaded[item.reference] {
			continue
		}
		if err := c.loadOne(ctx, item); err != nil {
			return err
		}
		loaded[item.reference] = true
		data, err := json.Marshal(loaded)
		if err != nil {
			return fmt.Errorf("note loaded images: %w", err)
		}
		if err := state.WriteFile(record, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) loadOne(ctx context.Context, item stockImage) error {
	spec, err := item.describe(ctx)
	if err != nil {
		return err
	}
	archive, err := os.CreateTemp(string(c.Dir), "image-*.tar")
	if err != nil {
		return fmt.Errorf("pack %s: %w", item.reference, err)
	}
	defer os.Remove(archive.Name())
	defer archive.Close()
	if _, err := spec.Write(archive); err != nil {
		return err
	}
	return c.Load(ctx, archive.Name())
}

// readLoaded returns the references of the stock images that this cluster has been given.
func readLoaded(path string) (map[string]bool, error) {
	loaded := map[string]bool{}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return loaded, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read loaded images: %w", err)
	}
	if err := json.Unmarshal(data, &loaded); err != nil {
		return nil, fmt.Errorf("read loaded images: %w", err)
	}
	return loaded, nil
}

func dial(ctx context.Context, socket string) error {
	connection, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	return connection.Close()
}
