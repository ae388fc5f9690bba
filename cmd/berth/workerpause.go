package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func workerPauseCommand(app *cli.App, verb, short string, paused bool) *cobra.Command {
	var pool string
	cmd := &cobra.Command{
		Use: verb + " NAME --pool POOL", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: workerNames(app, &pool),
	}
	cmd.Flags().StringVarP(&pool, "pool", "p", "", "the worker's pool")
	required(cmd, "pool")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.UpdateWorkerWithResponse(
			cmd.Context(),
			pool,
			args[0],
			api.WorkerUpdate{Paused: paused},
		)
		worker, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return printDone(app, *format, worker, "worker %q of pool %q %sd", worker.Name, worker.Pool, verb)
	}
	return cmd
}

// workerNames completes workers of the pool that --pool names.
func workerNames(app *cli.App, pool *string) completer {
	return names(app, func(ctx context.Context, client *apiclient.ClientWithResponses) ([]string, error) {
		workers, err := listWorkers(ctx, client, given(*pool))
		return mapped(workers, func(w api.Worker) string { return w.Name }), err
	})
}
