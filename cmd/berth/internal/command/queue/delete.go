package queue

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func deleteCommand(app *cli.App, pool *string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME --pool POOL", Short: "Delete a queue that no deployment uses", Args: cobra.ExactArgs(1),
		ValidArgsFunction: queueNames(app, pool),
	}
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		if err := cli.Check(client.DeleteWorkQueueWithResponse(ctx, *pool, args[0])); err != nil {
			return err
		}
		return app.Printf("queue %q of pool %q deleted\n", args[0], *pool)
	})
	return cmd
}
