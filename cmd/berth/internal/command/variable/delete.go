package variable

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
)

func deleteCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a stored variable", Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.VariableNames(app),
	}
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		if err := cli.Check(client.DeleteVariableWithResponse(ctx, args[0])); err != nil {
			return err
		}
		return app.Printf("variable %q deleted\n", args[0])
	})
	return cmd
}
