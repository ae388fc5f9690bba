package pool

import (
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
	"github.com/spf13/cobra"
)

func templateGetCommand(app *cli.App) *cobra.Command {
	var number int32
	cmd := &cobra.Command{
		Use:   "get POOL",
		Short: "Print the template as YAML, ready to be edited and set again",
		Args:  cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	cmd.Flags().Int32Var(&number, "version", 0, "an earlier version (default: the newest)")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		params := &api.GetTemplateParams{}
		if cmd.Flags().Changed("version") {
			params.Version = &number
		}
		r, err := client.GetTemplateWithResponse(cmd.Context(), args[0], params)
		version, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		// A template has no form as a table: it is shown as people write it.
		if *format == cli.Table {
			*format = cli.YAML
		}
		return app.Document(*format, version.Document)
	}
	return cmd
}
