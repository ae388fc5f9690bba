package variable

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
)

func getCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "get NAME", Short: "Print the value of a variable; a string without quotes",
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.VariableNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		variable, err := cli.Value(client.GetVariableWithResponse(ctx, args[0]))
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, variable)
		}
		var text string
		if json.Unmarshal(variable.Value, &text) != nil {
			text = string(variable.Value)
		}
		return app.Printf("%s\n", text)
	})
	return cmd
}
