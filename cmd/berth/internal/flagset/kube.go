package flagset

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/build"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/finalizer"
)

// Kube say in which cluster and namespaces a worker runs its Jobs.
type Kube struct {
	Kubeconfig, Context, Namespace, ClusterID string
	watched, legacyFinalizers                 []string
	// Protected is what no Job may refer to.
	Protected reference.Protected
	// shareNamespace lets Jobs be created in a namespace that holds the Secrets of an installation.
	shareNamespace bool
	// clusterConfig is SECRET/KEY with the kubeconfig of another cluster; set by those commands that add the
	// flag.
	clusterConfig string
}

func (k *Kube) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&k.Kubeconfig, "kubeconfig", "",
		"kubeconfig file (default: the cluster of the pod, or the file that kubectl uses)")
	flags.StringVar(&k.Context, "kube-context", "",
		"context of the kubeconfig (default: the current context)")
	flags.StringVarP(&k.Namespace, "namespace", "n", "",
		"namespace of Jobs whose template sets none (default: the namespace of the pod or of the context)")
	flags.StringSliceVar(&k.watched, "watch-namespace", nil,
		"namespace in which Jobs are observed (repeatable; * for all; default: --namespace)")
	flags.StringSliceVar(&k.legacyFinalizers, "legacy-finalizer", nil,
		"finalizer of an older release to remove from Jobs (repeatable)")
	flags.StringVar(
		&k.ClusterID,
		"cluster-id",
		"",
		"name of the cluster; workers with the same name take over each other's Jobs (default: the UID of an object in it)",
	)
}

// AddShareNamespace is for commands that create Jobs.
func (k *Kube) AddShareNamespace(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&k.shareNamespace, "share-namespace", false,
		"create Jobs also in a namespace that holds Berth's own Secrets; anything there that creates pods can read them")
}

// AddClusterConfig is for commands that may work on the cluster that a template's cluster_config names.
func (k *Kube) AddClusterConfig(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.clusterConfig, "cluster-config", "",
		"Secret and key, as SECRET/KEY, with the kubeconfig of the cluster for Jobs; must equal cluster_config of the templates")
}

// Reference is the Secret that --cluster-config names; nil where it does not.
func (k *Kube) Reference() (*manifest.SecretReference, error) {
	if k.clusterConfig == "" {
		return nil, nil
	}
	name, key, ok := strings.Cut(k.clusterConfig, "/")
	if !ok || name == "" || key == "" || strings.Contains(key, "/") {
		return nil, cli.Usagef(
			"--cluster-config %q: must be the name of a Secret, a slash, and one of its data keys",
			k.clusterConfig)
	}
	return &manifest.SecretReference{Name: name, Key: key}, nil
}

// Home is the cluster that this process runs in, also where the Jobs are in another; an empty namespace means the pod's.
func (k *Kube) Home(namespace string) (cluster.Config, error) {
	config, err := cluster.Connect(cluster.ConnectOptions{
		Kubeconfig: k.Kubeconfig, Context: k.Context, Namespace: namespace, UserAgent: "berth/" + build.Version(),
	})
	if err != nil {
		return config, fmt.Errorf("connect to the cluster: %w", err)
	}
	return config, nil
}

func (k *Kube) Connect(ctx context.Context) (cluster.Config, error) {
	through, err := k.Reference()
	if err != nil {
		return cluster.Config{}, err
	}
	options := cluster.ConnectOptions{
		Kubeconfig: k.Kubeconfig,
		Context:    k.Context,
		Namespace:  k.Namespace,
		ClusterID:  k.ClusterID,
		UserAgent:  "berth/" + build.Version(),
	}
	if through != nil {
		options.Namespace, options.ClusterID = "", "" // these are said of the other cluster
	}
	config, err := cluster.Connect(options)
	if err == nil && through != nil {
		options.Namespace, options.ClusterID = k.Namespace, k.ClusterID
		config, err = config.ConnectBySecret(ctx, through.Name, through.Key, options)
	}
	if err != nil {
		return config, fmt.Errorf("connect to the cluster: %w", err)
	}
	return config, nil
}

func (k *Kube) Runtime(
	ctx context.Context, logger *slog.Logger, registry *prometheus.Registry,
) (job.Runtime, error) {
	if _, err := finalizer.New(manifest.Finalizer, k.legacyFinalizers...); err != nil {
		return nil, cli.Usagef("--legacy-finalizer: %v", err)
	}
	config, err := k.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return kube.New(config, kube.Options{
		Namespaces: k.watched, LegacyFinalizers: k.legacyFinalizers, Log: logger, Registerer: registry,
		Protected: k.Protected, ShareNamespace: k.shareNamespace,
	})
}
