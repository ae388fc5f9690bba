package pool

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/server/api"
)

func templateSetCommand(app *cli.App) *cobra.Command {
	var file, comment string
	var edited int32
	var unbroken bool
	cmd := &cobra.Command{
		Use:   "set POOL -f FILE",
		Short: "Save a new version of the template; a template with errors is not saved",
		Long: `Save a new version of the template. A template with errors is not saved.

The file is kept byte for byte: comments, order, quotes and block texts come back with
berth pool template get. A file that differs in these alone is a new version whose Jobs are the same.`,
		Example: `  berth pool template set default -f template.yaml -m "room for the larger joins"`,
		Args:    cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	cmd.Flags().
		StringVarP(&file, "file", "f", "", "YAML or JSON file with the template; - for standard input")
	cmd.Flags().StringVarP(&comment, "message", "m", "", "what the version is for, shown in the list of versions")
	cmd.Flags().BoolVar(&unbroken, "require-unbroken", false, "fail if the change breaks a deployment")
	cmd.Flags().Int32Var(&edited, "if-version", 0, "fail unless this is still the newest version")
	cli.Required(cmd, "file")
	reason := cli.BreakGlassFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		given, err := templatefile.Read(app, file)
		if err != nil {
			return err
		}
		params := &api.SetTemplateParams{BreakGlass: cli.StringOrNil(*reason)}
		if cmd.Flags().Changed("if-version") {
			etag := fmt.Sprintf("%q", fmt.Sprint(edited))
			params.IfMatch = &etag
		}
		if unbroken {
			params.RequireUnbroken = &unbroken
		}
		version, err := cli.Value(client.SetTemplateWithResponse(ctx, args[0], params,
			api.TemplateSave{Source: given.Text, Comment: comment}))
		if err != nil {
			return given.PrintRejection(err)
		}
		return printSaved(given, *format, version)
	})
	return cmd
}
