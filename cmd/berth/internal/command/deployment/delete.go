package deployment

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/undo"
	"github.com/berth-dev/berth/server/api"
)

func deleteCommand(app *cli.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a deployment and its runs; it can be restored for a time",
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.DeploymentNames(app),
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete even with active runs; they are cancelled first")
	permanently := undo.PermanentlyFlag(cmd)
	yes := cli.YesFlag(cmd)
	reason := cli.BreakGlassFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		what, users, err := contents(ctx, client, args[0])
		if err != nil {
			return err
		}
		if users != "" && !force && !*yes {
			return undo.InUse(cmd, args, fmt.Sprintf("deployment %q", args[0]), users)
		}
		what += undo.Permanence(*permanently)
		err = app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Yes: *yes})
		if err != nil {
			return err
		}
		gone, err := cli.Value(client.DeleteDeploymentWithResponse(ctx, args[0], &api.DeleteDeploymentParams{
			Force: &force, Permanently: permanently, BreakGlass: cli.StringOrNil(*reason),
		}))
		if err != nil {
			return undo.Refused(app, cmd, args, *format, err)
		}
		return undo.Done(app, *format, undo.Object{
			Name: args[0], Text: fmt.Sprintf("deployment %q", args[0]),
			Restore: cli.CommandLine("berth deployment restore", args[0]),
		}, gone)
	})
	return cmd
}

// contents says what a deployment takes along, and what of it keeps it from being deleted without --force.
func contents(ctx context.Context, client *cli.Client, name string) (what, users string, _ error) {
	d, err := lookup.GetDeployment(ctx, client, name)
	if err != nil {
		return "", "", err
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
		return "", "", err
	}
	all, err := cli.Value(client.CountRunsWithResponse(ctx, &api.CountRunsParams{Deployment: &name}))
	if err != nil {
		return "", "", err
	}
	if live.Total > 0 {
		users = cli.Plural(int(live.Total), "active run")
	}
	return fmt.Sprintf("delete deployment %q, with %s and %s (%d active)", name,
		cli.Plural(schedules, "schedule"), lookup.Counted(all), live.Total), users, nil
}

func restoreCommand(app *cli.App) *cobra.Command {
	return undo.RestoreCommand(app, "restore NAME", api.DeletedDeployment, cobra.ExactArgs(1),
		func(args []string) api.RestoreRequest {
			return api.RestoreRequest{Name: &args[0]}
		})
}
