package run

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func abandonRun(ctx context.Context, client *cli.Client, id uuid.UUID) (api.Run, error) {
	return cli.Value(client.AbandonRunWithResponse(ctx, id))
}

// abandonCommand does something to a run; wanted is the state that it shall end in where the end is
// watched.
func abandonCommand(
	app *cli.App, verb, short, done string, wanted api.StateType, act runAction,
) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: verb + " RUN", Short: short, Args: lookup.RunArg,
		ValidArgsFunction: lookup.RunNames(app),
	}
	cmd.Flags().
		BoolVarP(&watch, "watch", "w", false, "follow the run; exit with 0 if it reached the requested state, 1 otherwise")
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *cli.Client, id uuid.UUID) error {
		run, err := act(cmd.Context(), client, id)
		if err != nil {
			return err
		}
		if watch {
			return Watch(cmd.Context(), app, client, WatchOptions{id, *format, wanted})
		}
		return cli.PrintConfirmation(app, *format, run, done, run.ID, cli.StateText(run.State))
	})
	return cmd
}
