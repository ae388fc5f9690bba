package pool

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/templating/language"
)

func templateSchemaCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a base job template, for editors",
		Long: `Print the JSON Schema of the file of a base job template (draft 7), with every field of a Kubernetes Job.
Editors use it to complete, explain and check the file:

  berth pool template schema > template.schema.json
  # then, as the first line of the template:
  # yaml-language-server: $schema=template.schema.json

A server has it at /api/v1/language/schema. What becomes of a template, berth pool template lint shows.`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		schema, err := language.Schema()
		if err != nil {
			return err
		}
		return app.Printf("%s", schema)
	}
	return cmd
}
