package worker

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func pauseCommand(app *cli.App, verb, short string, paused bool) *cobra.Command {
	var pool string
	cmd := &cobra.Command{
		Use: verb + " NAME --pool POOL", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.WorkerNames(app, &pool),
	}
	cmd.Flags().StringVarP(&pool, "pool", "p", "", "work pool of the worker")
	cli.Required(cmd, "pool")
	var reason string
	if paused {
		cli.PauseReasonVar(cmd, &reason)
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		worker, err := cli.Value(client.UpdateWorkerWithResponse(ctx, pool, args[0],
			api.WorkerUpdate{Paused: paused, PauseReason: cli.StringOrNil(reason)}))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, worker, "worker %q of pool %q %sd", worker.Name,
			worker.Pool, verb)
	})
	return cmd
}
