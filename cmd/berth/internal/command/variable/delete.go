package variable

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/spf13/cobra"
)

func deleteCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a stored variable", Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.VariableNames(app),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.DeleteVariableWithResponse(cmd.Context(), args[0])
		if err := cli.Check(r, err); err != nil {
			return err
		}
		return app.Printf("variable %q deleted\n", args[0])
	}
	return cmd
}
