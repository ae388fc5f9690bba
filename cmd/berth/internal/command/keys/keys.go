// Package keys holds `berth keys`: the API keys of an installation in its Secret.
package keys

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/build"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Manage the Secret with the API keys of an installation"}
	return cli.Group(cmd, ensureCommand(app))
}

// ChartCluster are the flags that say which cluster and namespace a command works on.
type ChartCluster struct {
	Kubeconfig, Context, Namespace string
}

func (f *ChartCluster) Add(cmd *cobra.Command, namespace string) {
	flags := cmd.Flags()
	flags.StringVar(&f.Kubeconfig, "kubeconfig", "", "kubeconfig file (default: the file that kubectl uses)")
	flags.StringVar(&f.Context, "kube-context", "",
		"context of the kubeconfig (default: the current context)")
	usage := "namespace (default: the namespace of the pod or of the context)"
	if namespace != "" {
		usage = "namespace of the release"
	}
	flags.StringVarP(&f.Namespace, "namespace", "n", namespace, usage)
}

func (f *ChartCluster) Connect() (cluster.Config, error) {
	config, err := cluster.Connect(cluster.ConnectOptions{
		Kubeconfig: f.Kubeconfig, Context: f.Context, Namespace: f.Namespace, UserAgent: "berth/" + build.Version(),
	})
	if err != nil {
		return cluster.Config{}, fmt.Errorf("connect to the cluster: %w", err)
	}
	return config, nil
}
