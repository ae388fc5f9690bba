package queue

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/spf13/cobra"
)

func createCommand(app *cli.App, pool *string) *cobra.Command {
	var priority, limit int32
	cmd := &cobra.Command{
		Use:   "create NAME --pool POOL",
		Short: "Add a queue to a pool",
		Args:  cobra.ExactArgs(1),
	}
	cmd.Flags().Int32Var(&priority, "priority", 0, "1 is served first (default: after those that are there)")
	cmd.Flags().
		Int32Var(&limit, "concurrency-limit", 0, "how many attempts at once; 0 is none at all (default: no limit)")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := api.WorkQueueCreate{Name: args[0]}
		if cmd.Flags().Changed("priority") {
			body.Priority = &priority
		}
		if cmd.Flags().Changed("concurrency-limit") {
			body.ConcurrencyLimit = &limit
		}
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.CreateWorkQueueWithResponse(cmd.Context(), *pool, body)
		queue, err := cli.Value(cli.ResultOf(r, err).JSON201, r, err)
		if err != nil {
			return err
		}
		return cli.PrintDone(app, *format, queue, "queue %q of pool %q created", queue.Name, queue.Pool)
	}
	return cmd
}
