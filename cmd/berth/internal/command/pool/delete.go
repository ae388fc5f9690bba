package pool

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/undo"
	"github.com/berth-dev/berth/server/api"
)

func deleteCommand(app *cli.App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a pool and its queues, deployments and runs; it can be restored for a time",
		Long: `Delete a work pool with its queues, template versions and finished runs. The server refuses, with a
list, while the pool has deployments or active runs, unless --force is set.

On a terminal the command says what goes along, and asks for the name of the pool.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete the pool's deployments as well, and cancel its active runs first")
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
			return undo.InUse(cmd, args, fmt.Sprintf("pool %q", args[0]), users)
		}
		what += undo.Permanence(*permanently)
		err = app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Name: args[0], Yes: *yes})
		if err != nil {
			return err
		}
		gone, err := cli.Value(client.DeleteWorkPoolWithResponse(ctx, args[0], &api.DeleteWorkPoolParams{
			Force: &force, Permanently: permanently, BreakGlass: cli.StringOrNil(*reason),
		}))
		if err != nil {
			return undo.Refused(app, cmd, args, *format, err)
		}
		return undo.Done(app, *format, undo.Object{
			Name: args[0], Text: fmt.Sprintf("pool %q", args[0]),
			Restore: cli.CommandLine("berth pool restore", args[0]),
		}, gone)
	})
	return cmd
}

// contents says what a pool takes along, and what of it keeps it from being deleted without --force.
func contents(ctx context.Context, client *cli.Client, name string) (what, users string, _ error) {
	pool, err := cli.Value(client.GetWorkPoolWithResponse(ctx, name))
	if err != nil {
		return "", "", err
	}
	deployments, err := cli.Pages(0, func(limit int32, cursor *string) ([]api.Deployment, *string, error) {
		page, err := cli.Value(client.ListDeploymentsWithResponse(ctx,
			&api.ListDeploymentsParams{Pool: &name, Limit: &limit, Cursor: cursor}))
		return page.Items, page.NextCursor, err
	})
	if err != nil {
		return "", "", err
	}
	queues, err := cli.Value(client.ListWorkQueuesWithResponse(ctx, name))
	if err != nil {
		return "", "", err
	}
	live, err := cli.Value(client.CountRunsWithResponse(ctx, &api.CountRunsParams{
		Pool:  &name,
		State: &[]api.StateType{api.SCHEDULED, api.PENDING, api.RUNNING, api.CANCELLING},
	}))
	if err != nil {
		return "", "", err
	}
	all, err := cli.Value(client.CountRunsWithResponse(ctx, &api.CountRunsParams{Pool: &name}))
	if err != nil {
		return "", "", err
	}
	if len(deployments) > 0 || live.Total > 0 {
		users = fmt.Sprintf("%s%s and %s", cli.Plural(len(deployments), "deployment"), someNames(deployments),
			cli.Plural(int(live.Total), "active run"))
	}
	return fmt.Sprintf("delete pool %q, with %s, %s, %s, %s (%d active)", name,
		cli.Plural(len(deployments), "deployment"), cli.Plural(len(queues.Items), "queue"),
		cli.Plural(int(pool.TemplateVersion), "template version"), lookup.Counted(all),
		live.Total), users, nil
}

// someNames are the first names of a list, in brackets.
func someNames(deployments []api.Deployment) string {
	const most = 5
	var names []string
	for _, d := range deployments[:min(len(deployments), most)] {
		names = append(names, d.Name)
	}
	if more := len(deployments) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

func restoreCommand(app *cli.App) *cobra.Command {
	return undo.RestoreCommand(app, "restore NAME", api.DeletedPool, cobra.ExactArgs(1),
		func(args []string) api.RestoreRequest {
			return api.RestoreRequest{Name: &args[0]}
		})
}
