package variable

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func deleteCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a stored variable",
		Long: "Delete a stored variable. The server refuses, with a list, while deployments, schedules or templates\n" +
			"use it, unless --force is set.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.VariableNames(app),
	}
	force := cmd.Flags().Bool("force", false, "delete even if deployments, schedules or templates use it")
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
		if err := app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Yes: *yes}); err != nil {
			return err
		}
		err := cli.Check(client.DeleteVariableWithResponse(ctx, args[0], &api.DeleteVariableParams{Force: force}))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, map[string]string{"deleted": args[0]}, "variable %q deleted", args[0])
	})
	return cmd
}
