package queue

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/spf13/cobra"
)

func deleteCommand(app *cli.App, pool *string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME --pool POOL", Short: "Delete a queue that no deployment uses", Args: cobra.ExactArgs(1),
		ValidArgsFunction: queueNames(app, pool),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.DeleteWorkQueueWithResponse(cmd.Context(), *pool, args[0])
		if err := cli.Check(r, err); err != nil {
			return err
		}
		return app.Printf("queue %q of pool %q deleted\n", args[0], *pool)
	}
	return cmd
}
