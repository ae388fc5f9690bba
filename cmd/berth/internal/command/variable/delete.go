package variable

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
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a stored variable; it can be restored for a time",
		Long: "Delete a stored variable. The server refuses, with a list, while deployments, schedules or templates\n" +
			"use it, unless --force is set. Its value is kept where no command reads it, so that it can be restored;\n" +
			"--permanently keeps nothing.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.VariableNames(app),
	}
	force := cmd.Flags().Bool("force", false, "delete even if deployments, schedules or templates use it")
	permanently := undo.PermanentlyFlag(cmd)
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		if _, err := cli.Value(client.GetVariableWithResponse(ctx, args[0])); err != nil {
			return err
		}
		what := fmt.Sprintf("delete variable %q", args[0])
		if *force {
			what += ", even if deployments, schedules or templates use it"
		}
		what += undo.Permanence(*permanently)
		if err := app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Yes: *yes}); err != nil {
			return err
		}
		gone, err := cli.Value(client.DeleteVariableWithResponse(ctx, args[0],
			&api.DeleteVariableParams{Force: force, Permanently: permanently}))
		if err != nil {
			return undo.Refused(app, cmd, args, *format, err)
		}
		return undo.Done(app, *format, undo.Object{
			Name: args[0], Text: fmt.Sprintf("variable %q", args[0]),
			Restore: cli.CommandLine("berth variable restore", args[0]),
		}, gone)
	})
	return cmd
}

func restoreCommand(app *cli.App) *cobra.Command {
	return undo.RestoreCommand(app, "restore NAME", api.DeletedVariable, cobra.ExactArgs(1),
		func(args []string) api.RestoreRequest {
			return api.RestoreRequest{Name: &args[0]}
		})
}
