package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/e2e/cluster/addon"
	"github.com/berth-dev/berth/e2e/cluster/image"
	"github.com/berth-dev/berth/e2e/cluster/provider"
)

// kueueBuild bounds the build of Kueue, which takes about seven minutes of processor time on a machine that has built nothing.
const kueueBuild = 15 * time.Minute

// kueuePatience is how long Kueue has until it is ready, once its image is loaded.
const kueuePatience = 2 * time.Minute

// kueueCommand is for a controller that not every use of the cluster needs.
func kueueCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kueue",
		Short: "Run Kueue in the cluster unless it runs there",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cluster, err := present(cmd.Context())
			if err != nil {
				return err
			}
			if external, ok := cluster.(provider.External); ok {
				fmt.Fprintf(external.Progress, "Kueue is not installed: the cluster of %s is never changed\n",
					provider.EnvKubeconfig)
				return nil
			}
			return runKueue(cmd.Context(), cluster)
		},
	}
}

func runKueue(ctx context.Context, cluster cluster) error {
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig())
	if err != nil {
		return fmt.Errorf("the cluster is not up: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	switch ready, err := kueueReady(ctx, client); {
	case ready:
		return nil
	case err != nil && !apierrors.IsNotFound(err):
		return err
	}

	builder, err := newBuilder()
	if err != nil {
		return err
	}
	build, cancel := context.WithTimeoutCause(ctx, kueueBuild, fmt.Errorf("not built within %s", kueueBuild))
	defer cancel()
	program, err := builder.Build(build, "kueue")
	if err != nil {
		if cause := context.Cause(build); cause != nil {
			return fmt.Errorf("%w: %w", cause, err)
		}
		return err
	}
	directory, err := builder.ModuleSource(ctx, "kueue", "sigs.k8s.io/kueue")
	if err != nil {
		return err
	}
	if err := loadProgram(ctx, cluster, addon.KueueImage, "kueue", program); err != nil {
		return err
	}
	source := os.DirFS(directory)
	if err := addon.ApplyKueueTypes(ctx, config, source); err != nil {
		return err
	}
	if err := addon.ApplyKueue(ctx, config, source); err != nil {
		return err
	}
	return awaitKueue(ctx, client)
}

// loadProgram packs a program as an image and loads it into the cluster.
func loadProgram(ctx context.Context, cluster cluster, reference, name, program string) error {
	spec, err := image.Program(reference, name, program)
	if err != nil {
		return err
	}
	directory, err := os.MkdirTemp("", "cluster-image-")
	if err != nil {
		return fmt.Errorf("pack %s: %w", reference, err)
	}
	defer os.RemoveAll(directory)
	archive := filepath.Join(directory, name+".tar")
	file, err := os.Create(archive)
	if err != nil {
		return fmt.Errorf("pack %s: %w", reference, err)
	}
	_, err = spec.Write(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("pack %s: %w", reference, err)
	}
	return cluster.Load(ctx, archive)
}

func awaitKueue(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, kueuePatience)
	defer cancel()
	var last error
	err := wait.PollUntilContextCancel(ctx, 200*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		ready, err := kueueReady(ctx, client)
		last = err
		return ready, nil
	})
	if err != nil {
		return fmt.Errorf("wait for Kueue: %w", errors.Join(err, last))
	}
	return nil
}

// kueueReady tells whether the manager serves.
func kueueReady(ctx context.Context, client kubernetes.Interface) (bool, error) {
	deployment, err := client.AppsV1().Deployments(addon.KueueNamespace).
		Get(ctx, addon.KueueDeployment, metav1.GetOptions{})
	if err != nil {
		return false, err
	}
	return served(deployment), nil
}

func served(deployment *appsv1.Deployment) bool {
	return deployment.Status.ObservedGeneration >= deployment.Generation &&
		deployment.Status.ReadyReplicas > 0
}
