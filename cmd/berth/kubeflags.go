package main

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
	"github.com/berth-dev/berth/worker/kube/finalizer"
)

// kubeFlags say in which cluster and namespaces a worker runs its Jobs.
type kubeFlags struct {
	kubeconfig, context, namespace, clusterID string
	watched, legacyFinalizers                 []string
	gated                                     bool
}

func (k *kubeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&k.kubeconfig, "kubeconfig", "", "kubeconfig file (default: the cluster around, or kubectl's)")
	flags.StringVar(&k.context, "kube-context", "", "context of the kubeconfig (default: its current one)")
	flags.StringVarP(&k.namespace, "namespace", "n", "", "namespace of Jobs whose template names none (default: the pod's, or the context's)")
	flags.StringSliceVar(&k.watched, "watch-namespace", nil, "namespace that Jobs may be in (repeatable; * for all; default: just --namespace)")
	flags.StringSliceVar(&k.legacyFinalizers, "legacy-finalizer", nil, "finalizer that an older release held Jobs with: it is swept, never written (repeatable)")
	flags.StringVar(&k.clusterID, "cluster-id", "", "name of the cluster; workers with the same one take over from each other (default: a hash of its authority)")
}

func (k *kubeFlags) connect() (kube.Config, error) {
	config, err := kube.Connect(kube.ConnectOptions{
		Kubeconfig: k.kubeconfig, Context: k.context, Namespace: k.namespace, ClusterID: k.clusterID, UserAgent: "berth/" + buildVersion(),
	})
	if err != nil {
		return config, fmt.Errorf("connect to the cluster: %w", err)
	}
	return config, nil
}

func (k *kubeFlags) runtime(logger *slog.Logger, registry *prometheus.Registry) (job.Runtime, error) {
	if _, err := finalizer.New(k.legacyFinalizers...); err != nil {
		return nil, cli.Usagef("--legacy-finalizer: %v", err)
	}
	config, err := k.connect()
	if err != nil {
		return nil, err
	}
	return kube.New(config, kube.Options{
		Namespaces: k.watched, LegacyFinalizers: k.legacyFinalizers, Gated: k.gated, Log: logger, Registerer: registry,
	})
}
