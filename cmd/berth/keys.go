package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// The data keys of the Secret that the chart's server and worker read.
const (
	adminKeyName  = "admin"
	workerKeyName = "worker"
)

func keysCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "The API keys of an installation, in its Secret"}
	return cli.Group(cmd, keysEnsureCommand(app))
}

func keysEnsureCommand(app *cli.App) *cobra.Command {
	var secret string
	var cluster chartCluster
	cmd := &cobra.Command{
		Use:   "ensure --secret NAME",
		Short: "Write the API keys that are missing into a Secret",
		Long: `Write the API keys that are missing into a Secret: "admin" and "worker".

The Secret is made where it is not there. A key that is there is never changed, so it is safe to run this at every install
and upgrade, which is what the chart's hook does.`,
		Args: cobra.NoArgs,
	}
	cluster.add(cmd, "")
	cmd.Flags().StringVar(&secret, "secret", "", "name of the Secret")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if secret == "" {
			return cli.Usagef("keys ensure needs --secret, the name of the Secret")
		}
		config, err := cluster.connect()
		if err != nil {
			return err
		}
		written, err := config.EnsureSecretKeys(
			cmd.Context(),
			cluster.namespace,
			secret,
			map[string]func() (string, error){
				adminKeyName: newKeyText, workerKeyName: newKeyText,
			},
		)
		if err != nil {
			return err
		}
		if len(written) == 0 {
			return app.Printf("secret %s/%s has all keys\n", config.Namespace, secret)
		}
		return app.Printf("secret %s/%s: wrote %s\n", config.Namespace, secret, strings.Join(written, ", "))
	}
	return cmd
}

func newKeyText() (string, error) {
	key, err := apikey.New()
	return key.Text, err
}

// chartCluster are the flags that say which cluster and namespace a command works on.
type chartCluster struct {
	kubeconfig, context, namespace string
}

func (f *chartCluster) add(cmd *cobra.Command, namespace string) {
	flags := cmd.Flags()
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "path of a kubeconfig (default: as kubectl)")
	flags.StringVar(&f.context, "kube-context", "", "context of the kubeconfig (default: its current one)")
	usage := "namespace (default: the pod's, or that of the context)"
	if namespace != "" {
		usage = "namespace of the release"
	}
	flags.StringVarP(&f.namespace, "namespace", "n", namespace, usage)
}

func (f *chartCluster) connect() (cluster.Config, error) {
	config, err := cluster.Connect(cluster.ConnectOptions{
		Kubeconfig: f.kubeconfig, Context: f.context, Namespace: f.namespace, UserAgent: "berth/" + buildVersion(),
	})
	if err != nil {
		return cluster.Config{}, fmt.Errorf("connect to the cluster: %w", err)
	}
	return config, nil
}
