package queue

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func createCommand(app *cli.App, pool *string) *cobra.Command {
	var priority, limit int32
	var objective string
	cmd := &cobra.Command{
		Use:   "create NAME --pool POOL",
		Short: "Create a queue in a pool",
		Args:  cobra.ExactArgs(1),
	}
	cmd.Flags().
		Int32Var(&priority, "priority", 0, "priority; 1 is served first (default: after the existing queues)")
	cmd.Flags().
		Int32Var(&limit, "concurrency-limit", 0, "maximum number of concurrent attempts; 0 for none (default: no limit)")
	cmd.Flags().StringVar(&objective, "objective", "", "longest that a due run is to wait, such as 30s, 5m, 2h or 1d, for alerts")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		body := api.WorkQueueCreate{Name: args[0]}
		if cmd.Flags().Changed("priority") {
			body.Priority = &priority
		}
		if cmd.Flags().Changed("concurrency-limit") {
			body.ConcurrencyLimit = &limit
		}
		if cmd.Flags().Changed("objective") {
			body.Objective = &objective
		}
		queue, err := cli.Created(client.CreateWorkQueueWithResponse(ctx, *pool, body))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, queue, "queue %q of pool %q created", queue.Name,
			queue.Pool)
	})
	return cmd
}
