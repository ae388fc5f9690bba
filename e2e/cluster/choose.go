package main

import (
	"context"
	"errors"
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

// choose returns the cluster to start.
func choose(ctx context.Context, nodes int, args map[string][]string) (cluster, error) {
	dir, err := state.Default()
	if err != nil {
		return nil, err
	}
	builder, err := newBuilder()
	if err != nil {
		return nil, err
	}
	return &local.Cluster{Dir: dir, Builder: builder, Progress: os.Stderr, NodeCount: nodes, Args: args}, nil
}

// present returns the cluster that was started, or would be.
func present(ctx context.Context) (cluster, error) { return choose(ctx, 1, nil) }

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
	return nil, errors.New("start this program in e2e/cluster or in the repository's root: it builds from the sources there")
}

// usageError marks a command line that makes no sense.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }
