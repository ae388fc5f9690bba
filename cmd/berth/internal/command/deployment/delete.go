package deployment

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func deleteCommand(app *cli.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a deployment and its finished runs",
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.DeploymentNames(app),
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete even with active runs; they are cancelled first")
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		if err := cli.Check(client.DeleteDeploymentWithResponse(ctx, args[0],
			&api.DeleteDeploymentParams{Force: &force})); err != nil {
			return err
		}
		return app.Printf("deployment %q deleted\n", args[0])
	})
	return cmd
}
