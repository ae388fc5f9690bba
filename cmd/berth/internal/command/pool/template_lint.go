package pool

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/server/api"
)

func templateLintCommand(app *cli.App) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "lint POOL -f FILE",
		Short: "Check a template without saving it; exit with 1 if it has errors",
		Long: `Check a template as a save does, without saving it. The command exits with 1 if the template has
errors.` + aboutOnCluster + `
The Job is that of the template's defaults, with an example value for each required variable without
one.`,
		Example: `  berth pool template lint etl -f template.yaml
  berth pool template lint etl -f template.yaml --on-cluster`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	cmd.Flags().
		StringVarP(&file, "file", "f", "", "YAML or JSON file with the template; - for standard input")
	cli.Required(cmd, "file")
	cluster := onClusterFlags(cmd, "the Job that the template makes")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		seconds, err := cluster.seconds(cmd)
		if err != nil {
			return err
		}
		given, err := templatefile.Read(app, file)
		if err != nil {
			return err
		}
		report, err := cli.Value(client.LintTemplateWithResponse(ctx, args[0], given.Document))
		if err != nil {
			return err
		}
		if !cluster.ask || len(report.Errors) > 0 {
			return given.PrintLint(*format, report)
		}
		answer, err := cli.Value(client.DryRunTemplateWithResponse(ctx, args[0], api.TemplateDryRunRequest{
			Document: given.Document, TimeoutSeconds: seconds,
		}))
		if err != nil {
			return given.PrintRejection(err)
		}
		return given.PrintLintOnCluster(*format, templatefile.LintOnCluster{LintReport: report, OnCluster: answer})
	})
	return cmd
}
