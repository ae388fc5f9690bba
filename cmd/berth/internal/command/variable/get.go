package variable

import (
	"encoding/json"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/spf13/cobra"
)

func getCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "get NAME", Short: "Print the value of a variable; a string without quotes",
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.VariableNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.GetVariableWithResponse(cmd.Context(), args[0])
		variable, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.Document(*format, variable)
		}
		var text string
		if json.Unmarshal(variable.Value, &text) != nil {
			text = string(variable.Value)
		}
		return app.Printf("%s\n", text)
	}
	return cmd
}
