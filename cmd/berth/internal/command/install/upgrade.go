package install

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/charts/release"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func upgradeCommand(app *cli.App) *cobra.Command {
	var flags releaseFlags
	var reset, install bool
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Upgrade an installation to this version or change its values",
		Long: `Upgrade an installation to the Helm chart in this binary and wait until it is ready. The values of
the installation are kept; --values and --set override them.`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd)
	flags.addValues(cmd)
	cmd.Flags().BoolVar(&reset, "reset-values", false, "discard the current values of the installation")
	cmd.Flags().BoolVar(&install, "install", false, "install if the release does not exist")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		values, err := flags.values()
		if err != nil {
			return err
		}
		client, err := flags.client(app)
		if err != nil {
			return err
		}
		status, err := client.Upgrade(cmd.Context(),
			release.UpgradeOptions{Values: values, ResetValues: reset})
		if install && errors.Is(err, release.ErrNotInstalled) {
			status, err = client.Install(cmd.Context(), values)
		}
		if err != nil {
			return installError(err)
		}
		return app.Printf("%s is at revision %d: %s, Berth %s\n", status.Name, status.Revision, status.Chart,
			status.AppVersion)
	}
	return cmd
}
