package deployment

import (
	"context"
	"fmt"

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
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		what, err := contents(ctx, client, args[0])
		if err != nil {
			return err
		}
		err = app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Yes: *yes})
		if err != nil {
			return err
		}
		if err := cli.Check(client.DeleteDeploymentWithResponse(ctx, args[0],
			&api.DeleteDeploymentParams{Force: &force})); err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, map[string]string{"deleted": args[0]},
			"deployment %q deleted", args[0])
	})
	return cmd
}

// contents says what a deployment takes along.
func contents(ctx context.Context, client *cli.Client, name string) (string, error) {
	d, err := cli.Value(client.GetDeploymentWithResponse(ctx, name))
	if err != nil {
		return "", err
	}
	schedules := 0
	if d.Schedules != nil {
		schedules = len(*d.Schedules)
	}
	live, err := cli.Value(client.CountRunsWithResponse(ctx, &api.CountRunsParams{
		Deployment: &name,
		State:      &[]api.StateType{api.SCHEDULED, api.PENDING, api.RUNNING, api.CANCELLING},
	}))
	if err != nil {
		return "", err
	}
	all, err := cli.Value(client.CountRunsWithResponse(ctx, &api.CountRunsParams{Deployment: &name}))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("delete deployment %q, with %s and %s (%d active)", name,
		cli.Plural(schedules, "schedule"), cli.Plural(int(all.Total), "run"), live.Total), nil
}
