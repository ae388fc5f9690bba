package pool

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
)

func templateLintCommand(app *cli.App) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "lint POOL -f FILE",
		Short: "Check a template without saving it; exit with 1 if it has errors",
		Args:  cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	cmd.Flags().
		StringVarP(&file, "file", "f", "", "YAML or JSON file with the template; - for standard input")
	cli.Required(cmd, "file")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		given, err := templatefile.Read(app, file)
		if err != nil {
			return err
		}
		report, err := cli.Value(client.LintTemplateWithResponse(ctx, args[0], given.Document))
		if err != nil {
			return err
		}
		return given.PrintLint(*format, report)
	})
	return cmd
}
