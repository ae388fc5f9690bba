package pool

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func templateGetCommand(app *cli.App) *cobra.Command {
	var number int32
	cmd := &cobra.Command{
		Use:   "get POOL",
		Short: "Print the template as it was saved, with its comments",
		Long: `Print the template as it was saved, byte for byte. With -o json or -o yaml, print what it stands for:
without comments, with anchors resolved.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	cmd.Flags().Int32Var(&number, "version", 0, "version to print (default: the newest)")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		params := &api.GetTemplateParams{}
		if cmd.Flags().Changed("version") {
			params.Version = &number
		}
		version, err := cli.Value(client.GetTemplateWithResponse(ctx, args[0], params))
		if err != nil {
			return err
		}
		if *format == cli.Table { // a template has no form as a table: it is shown as it was written
			return app.WriteRaw(version.Source)
		}
		return app.PrintDocument(*format, version.Document)
	})
	return cmd
}
