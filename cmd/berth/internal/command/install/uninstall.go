package install

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/charts/release"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func uninstallCommand(app *cli.App) *cobra.Command {
	var flags releaseFlags
	var options release.UninstallOptions
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove an installation from the cluster",
		Long: `Remove an installation from the cluster: stop its workers, end and finalize its Jobs, then delete the
Helm release. The Secret with the API keys, the volume with the database and the namespace of the
Jobs are kept unless --purge is set.`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd)
	cmd.Flags().
		BoolVar(&options.SkipDrain, "skip-drain", false, "do not end and finalize the Jobs; remaining Jobs keep Berth's finalizer")
	cmd.Flags().BoolVar(&options.Purge, "purge", false, "also delete the API keys, the database, and the namespace of the Jobs with everything in it")
	yes := cli.YesFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := flags.client(app)
		if err != nil {
			return err
		}
		destruction := cli.Destruction{What: uninstalls(flags.name, client.Namespace(), options), Yes: *yes}
		if options.Purge {
			destruction.Name = flags.name
		}
		if err := app.Destroy(cmd.Context(), cmd, nil, cli.Table, destruction); err != nil {
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
				"kept for a later install of the same name: the volume with the database, the Secret with the API keys and the namespace of the Jobs; the chart's README says how to delete them")
		}
		return nil
	}
	return cmd
}

// uninstalls says what an uninstall takes away, as the rest of a question.
func uninstalls(name, namespace string, o release.UninstallOptions) string {
	what := fmt.Sprintf("uninstall %s from namespace %s", name, namespace)
	if !o.SkipDrain {
		what += ", with its Jobs that are running"
	}
	if o.Purge {
		what += ", its API keys, its database, and the namespace of its Jobs with everything in it"
	}
	return what
}
