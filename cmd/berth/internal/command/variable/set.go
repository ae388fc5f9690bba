package variable

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func setCommand(app *cli.App) *cobra.Command {
	var asString bool
	var file string
	cmd := &cobra.Command{
		Use:   "set NAME VALUE",
		Short: "Set a stored variable; VALUE is JSON if it is valid JSON, else a string",
		Args:  cobra.RangeArgs(1, 2), ValidArgsFunction: lookup.VariableNames(app),
	}
	cmd.Flags().BoolVar(&asString, "string", false, "use the value as a string even if it is valid JSON")
	cmd.Flags().StringVarP(&file, "file", "f", "", "YAML or JSON file with the value; - for standard input")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		value, err := cli.ReadValueArg(app, args[1:], file, asString)
		if err != nil {
			return err
		}
		variable, err := cli.Value(
			client.SetVariableWithResponse(ctx, args[0], api.VariableSet{Value: value}))
		if err != nil {
			return err
		}
		return cli.PrintConfirmation(app, *format, variable, "variable %q set", variable.Name)
	})
	return cmd
}
