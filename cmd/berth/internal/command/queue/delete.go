package queue

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/undo"
	"github.com/berth-dev/berth/server/api"
)

func deleteCommand(app *cli.App, pool *string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME --pool POOL", Short: "Delete a queue that no deployment uses", Args: cobra.ExactArgs(1),
		ValidArgsFunction: queueNames(app, pool),
	}
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		what := fmt.Sprintf("delete queue %q of pool %q, with its limit and priority", args[0], *pool)
		if err := app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Yes: *yes}); err != nil {
			return err
		}
		gone, err := cli.Value(client.DeleteWorkQueueWithResponse(ctx, *pool, args[0]))
		if err != nil {
			return undo.Refused(app, cmd, args, *format, err)
		}
		return undo.Done(app, *format, undo.Object{
			Name: args[0], Pool: *pool, Text: fmt.Sprintf("queue %q of pool %q", args[0], *pool),
			Restore: cli.CommandLine("berth queue restore", args[0], "--pool", *pool),
		}, gone)
	})
	return cmd
}

func restoreCommand(app *cli.App, pool *string) *cobra.Command {
	return undo.RestoreCommand(app, "restore NAME --pool POOL", api.DeletedQueue, cobra.ExactArgs(1),
		func(args []string) api.RestoreRequest { return api.RestoreRequest{Name: &args[0], Pool: pool} })
}
