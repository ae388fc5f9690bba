package deployment

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
)

func schemaCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "schema NAME", Short: "Show the JSON Schema of a deployment's parameters and job variables", Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.DeploymentNames(app),
		Long: "Show the JSON Schema of a deployment's parameters and job variables. The deployment's values are the\ndefaults; frozen names are marked readOnly.",
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		schema, err := cli.Value(client.GetRunSchemaWithResponse(ctx, args[0]))
		if err != nil {
			return err
		}
		return cli.PrintObject(app, *format, schema, []cli.Field{
			{Name: "Parameters", Value: cli.FormatYAML(schema.Parameters)},
			{Name: "Job variables", Value: cli.FormatYAML(schema.JobVariables)},
		})
	})
	return cmd
}
