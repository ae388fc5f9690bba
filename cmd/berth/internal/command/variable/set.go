package variable

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
	"github.com/spf13/cobra"
)

func setCommand(app *cli.App) *cobra.Command {
	var asString bool
	var file string
	cmd := &cobra.Command{
		Use:   "set NAME VALUE",
		Short: "Store a variable: JSON where it parses as JSON, otherwise a string",
		Args:  cobra.RangeArgs(1, 2), ValidArgsFunction: lookup.VariableNames(app),
	}
	cmd.Flags().BoolVar(&asString, "string", false, "keep the value a string, whatever it looks like")
	cmd.Flags().
		StringVarP(&file, "file", "f", "", "take the value from a YAML or JSON file, - for standard input")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		value, err := cli.VariableValue(app, args[1:], file, asString)
		if err != nil {
			return err
		}
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.SetVariableWithResponse(cmd.Context(), args[0], api.VariableSet{Value: value})
		variable, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return cli.PrintDone(app, *format, variable, "variable %q set", variable.Name)
	}
	return cmd
}
