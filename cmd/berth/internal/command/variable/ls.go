package variable

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func lsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List stored variables",
		Args:    cobra.NoArgs,
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		variables, err := lookup.ListVariables(ctx, client)
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, variables, []cli.Column[api.Variable]{
			{Title: "name", Cell: func(v api.Variable) string { return v.Name }},
			{Title: "value", Cell: func(v api.Variable) string { return cli.Truncate(string(v.Value), 60) }},
			{Title: "updated", Cell: func(v api.Variable) string { return app.Ago(v.UpdatedAt) }},
		})
	})
	return cmd
}
