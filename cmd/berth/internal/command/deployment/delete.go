package deployment

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
	"github.com/spf13/cobra"
)

func deleteCommand(app *cli.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a deployment with its finished runs",
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.DeploymentNames(app),
	}
	cmd.Flags().
		BoolVar(&force, "force", false, "even with runs that are not finished; they are cancelled first")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.DeleteDeploymentWithResponse(cmd.Context(), args[0],
			&api.DeleteDeploymentParams{Force: &force})
		if err := cli.Check(r, err); err != nil {
			return err
		}
		return app.Printf("deployment %q deleted\n", args[0])
	}
	return cmd
}
