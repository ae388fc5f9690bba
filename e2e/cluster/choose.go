package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berth-dev/berth/e2e/cluster/binary"
	"github.com/berth-dev/berth/e2e/cluster/local"
	"github.com/berth-dev/berth/e2e/cluster/provider"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// A cluster carries the end-to-end tests.
type cluster interface {
	Up(context.Context) error
	Down(context.Context) error
	Status(context.Context) (provider.Status, error)
	Load(ctx context.Context, archive string) error
	Kubeconfig() string
}

// Kinds of clusters, in the order in which they are preferred.
const (
	external = "external"
	kind     = "kind"
	source   = "source"
)

// preferred decides which kind of cluster it is to be. A kubeconfig that the caller names comes first, unless
// it is the one that this program wrote: its cluster stays what it is. So does one that was started before.
// Otherwise kind is taken where a Docker engine answers.
func preferred(named, own, started string, docker func() bool) string {
	switch {
	case named != "" && named != own:
		return external
	case started != "":
		return started
	case docker():
		return kind
	default:
		return source
	}
}

// choose returns the cluster that there is, or that would be started with so many nodes and such arguments.
func choose(ctx context.Context, nodes int, args map[string][]string) (cluster, error) {
	dir, err := state.Default()
	if err != nil {
		return nil, err
	}
	config, err := state.ReadConfig(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	named := os.Getenv(provider.EnvKubeconfig)
	chosen := preferred(named, dir.Kubeconfig(), config.Provider,
		func() bool { return provider.DockerAnswers(ctx) })
	if chosen == external {
		return provider.External{Path: named, Progress: os.Stderr}, nil
	}
	builder, err := newBuilder()
	if err != nil {
		return nil, err
	}
	if chosen == kind {
		config := filepath.Join(builder.Source, "..", "..", "kind-config.yaml")
		return provider.Kind{Dir: dir, Builder: builder, Progress: os.Stderr, Config: config}, nil
	}
	return &local.Cluster{Dir: dir, Builder: builder, Progress: os.Stderr, NodeCount: nodes, Args: args}, nil
}

// present returns the cluster that was started, or would be.
func present(ctx context.Context) (cluster, error) { return choose(ctx, 0, nil) }

// newBuilder finds the sources: go run starts the program in their directory.
func newBuilder() (*binary.Builder, error) {
	directory, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for _, candidate := range []string{directory, filepath.Join(directory, "e2e", "cluster")} {
		if _, err := os.Stat(filepath.Join(candidate, "kube", "go.mod")); err == nil {
			return binary.NewBuilder(candidate, os.Stderr)
		}
	}
	return nil, errors.New(
		"start this program in e2e/cluster or in the repository's root: it builds from the sources there")
}

// usageError marks a command line that makes no sense.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }
