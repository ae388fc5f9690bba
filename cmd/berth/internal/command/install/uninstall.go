package install

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/charts/release"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func uninstallCommand(app *cli.App) *cobra.Command {
	var flags releaseFlags
	var options release.UninstallOptions
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take an installation out of the cluster",
		Long: `Take an installation out of the cluster: stop its workers, end its Jobs and release their finalizers, then delete what
was installed. The Secret with the API keys and the volume with the database are kept unless --purge is given.`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd)
	cmd.Flags().
		BoolVar(&options.SkipDrain, "skip-drain", false, "leave the Jobs alone; what is left of them keeps our finalizer")
	cmd.Flags().BoolVar(&options.Purge, "purge", false, "delete the API keys and the database as well")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := flags.client(app)
		if err != nil {
			return err
		}
		if err := client.Uninstall(cmd.Context(), options); err != nil {
			return installError(err)
		}
		if err := app.Printf("%s is uninstalled from namespace %s\n", flags.name, client.Namespace()); err != nil {
			return err
		}
		if !options.Purge {
			app.Notef(
				"kept for a later install of the same name: the volume with the database and the Secret with the API keys; the chart's README says how to delete them")
		}
		return nil
	}
	return cmd
}
