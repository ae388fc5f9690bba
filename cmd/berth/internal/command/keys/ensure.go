package keys

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/seal"
)

// The data keys of the Secret that the chart's server and worker read.
const (
	adminKeyName  = "admin"
	workerKeyName = "worker"
	// identityKeyName encrypts the keys that sign run tokens.
	identityKeyName = "identity"
)

func ensureCommand(app *cli.App) *cobra.Command {
	var secret string
	var cluster ChartCluster
	var log flagset.Log
	cmd := &cobra.Command{
		Use:   "ensure --secret NAME",
		Short: "Add missing API keys to a Secret",
		Long: `Add the missing API keys "admin" and "worker" to a Secret, and the key "identity", which encrypts the
keys that sign run tokens.

The Secret is created if it does not exist. Existing keys never change, so the command is safe to run
at every install and upgrade. The hook of the Helm chart does so.`,
		Args: cobra.NoArgs,
	}
	cluster.Add(cmd, "")
	log.AddFormat(cmd)
	cmd.Flags().StringVar(&secret, "secret", "", "name of the Secret")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if secret == "" {
			return cli.Usagef("keys ensure needs --secret, the name of the Secret")
		}
		config, err := cluster.Connect()
		if err != nil {
			return err
		}
		written, err := config.EnsureSecretKeys(cmd.Context(),
			cluster.Namespace,
			secret,
			map[string]func() (string, error){
				adminKeyName: newKeyText, workerKeyName: newKeyText, identityKeyName: seal.NewText,
			},
		)
		if err != nil {
			return err
		}
		if len(written) == 0 {
			return log.Say(app, "secret %s/%s has all keys", config.Namespace, secret)
		}
		return log.Say(app, "secret %s/%s: wrote %s", config.Namespace, secret, strings.Join(written, ", "))
	}
	return cmd
}

func newKeyText() (string, error) {
	key, err := apikey.New()
	return key.Text, err
}
