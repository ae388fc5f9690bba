package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/e2e/cluster/binary"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// Kind is a cluster that kind keeps in containers of a Docker engine.
type Kind struct {
	Dir      state.Dir
	Builder  *binary.Builder
	Progress io.Writer
	// Config is kind's configuration file.
	Config string
}

// DockerAnswers tells whether a Docker engine is there to be used.
func DockerAnswers(ctx context.Context) bool {
	if _, err := exec.LookPath("docker"); err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}").Run() == nil
}

// name is kind's name for the cluster; another directory is another cluster.
func (k Kind) name() string { return k.Dir.Cgroup() }

// Kubeconfig is where kind is told to write it.
func (k Kind) Kubeconfig() string { return k.Dir.Kubeconfig() }

// Up makes the cluster, or finds that it answers. One that does not answer is made anew.
func (k Kind) Up(ctx context.Context) error {
	unlock, err := state.Lock(ctx, string(k.Dir)+".lock", k.Progress)
	if err != nil {
		return err
	}
	defer unlock()
	there, err := k.there(ctx)
	if err != nil {
		return err
	}
	if there && answers(ctx, k.Kubeconfig()) == nil {
		return nil
	}
	if there {
		fmt.Fprintln(k.Progress, "the kind cluster is there but does not answer, making it anew")
		if _, err := k.kind(ctx, "delete", "cluster", "--name", k.name()); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(string(k.Dir), 0o755); err != nil {
		return fmt.Errorf("make the cluster's directory: %w", err)
	}
	if err := state.WriteConfig(k.Dir, state.Config{Provider: "kind"}); err != nil {
		return err
	}
	fmt.Fprintln(k.Progress, "making a kind cluster")
	_, err = k.kind(ctx, "create", "cluster", "--name", k.name(), "--config", k.Config, "--kubeconfig",
		k.Kubeconfig(), "--wait", "120s")
	return err
}

// Down removes the cluster, and of its directory what was put there.
func (k Kind) Down(ctx context.Context) error {
	unlock, err := state.Lock(ctx, string(k.Dir)+".lock", k.Progress)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := k.kind(ctx, "delete", "cluster", "--name", k.name(), "--kubeconfig", k.Kubeconfig()); err != nil {
		return err
	}
	for _, path := range []string{k.Kubeconfig(), k.Dir.Path("config.json"), string(k.Dir)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the cluster's directory: %w", err)
		}
	}
	return nil
}

// Load brings the images of an archive into every node.
func (k Kind) Load(ctx context.Context, archive string) error {
	_, err := k.kind(ctx, "load", "image-archive", archive, "--name", k.name())
	return err
}

// Status asks kind for the cluster, and the cluster for its nodes.
func (k Kind) Status(ctx context.Context) (Status, error) {
	status := Status{Provider: "kind", Dir: string(k.Dir)}
	there, err := k.there(ctx)
	if err != nil {
		return status, err
	}
	if !there {
		status.Detail = "kind has no cluster called " + k.name()
		return status, nil
	}
	status.Kubeconfig = k.Kubeconfig()
	if err := answers(ctx, k.Kubeconfig()); err != nil {
		status.Detail = err.Error()
		return status, nil
	}
	status.Up = true
	return status, nil
}

func (k Kind) there(ctx context.Context) (bool, error) {
	output, err := k.kind(ctx, "get", "clusters")
	return slices.Contains(strings.Fields(output), k.name()), err
}

// kind runs the kind of the machine or, where it has none, the pinned one, and returns what it printed.
func (k Kind) kind(ctx context.Context, args ...string) (string, error) {
	program, err := exec.LookPath("kind")
	if err != nil {
		if program, err = k.Builder.Build(ctx, "kind"); err != nil {
			return "", err
		}
	}
	var printed, complaints bytes.Buffer
	command := exec.CommandContext(ctx, program, args...)
	command.Stdout, command.Stderr = &printed, io.MultiWriter(&complaints, k.Progress)
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), args[0], err,
			bytes.TrimSpace(complaints.Bytes()))
	}
	return printed.String(), nil
}
