package queue

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
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
		if err := cli.Check(client.DeleteWorkQueueWithResponse(ctx, *pool, args[0])); err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, map[string]string{"deleted": args[0], "pool": *pool},
			"queue %q of pool %q deleted", args[0], *pool)
	})
	return cmd
}
