package deployment

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
)

func schemaCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "schema NAME", Short: "Show what a run of a deployment may be given, as JSON Schema", Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.DeploymentNames(app),
		Long: "Show what a run of a deployment may be given, as JSON Schema. Values of the deployment are the defaults; what is frozen is marked readOnly.",
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		schema, err := cli.Value(client.GetRunSchemaWithResponse(ctx, args[0]))
		if err != nil {
			return err
		}
		return cli.PrintObject(app, *format, schema, []cli.Field{
			{
				Name:  "Parameters",
				Value: cli.FormatYAML(schema.Parameters),
			}, {Name: "Job variables", Value: cli.FormatYAML(schema.JobVariables)},
		})
	})
	return cmd
}
