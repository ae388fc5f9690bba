package run

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

// abandonCommand ends a run whose worker or cluster is gone. A retry that follows may still complete it, which is
// what --watch waits for.
func abandonCommand(app *cli.App) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:               "abandon RUN",
		Short:             "End the attempt of a run whose worker or cluster is lost, so that the run can be retried",
		Args:              lookup.RunArg,
		ValidArgsFunction: lookup.RunNames(app),
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false,
		"follow the run; exit with 0 if it reached the requested state, 1 otherwise")
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *cli.Client, id uuid.UUID) error {
		what := fmt.Sprintf("abandon run %s: its Job may still run in its cluster, and is not watched any longer", id)
		destruction := cli.Destruction{What: what, Yes: *yes}
		if err := app.Destroy(cmd.Context(), cmd, []string{id.String()}, *format, destruction); err != nil {
			return err
		}
		run, err := cli.Value(client.AbandonRunWithResponse(cmd.Context(), id))
		if err != nil {
			return err
		}
		if watch {
			return Watch(cmd.Context(), app, client, WatchOptions{id, *format, api.COMPLETED})
		}
		return cli.PrintConfirmation(app, *format, run, "run %s abandoned; state: %s", run.ID, cli.StateText(run.State))
	})
	return cmd
}
