package deploy

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func schemaCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of berth.yaml, for editors",
		Long: `Print the JSON Schema of berth.yaml (draft 2020-12). Editors use it to complete and validate the file:

  berth deploy schema > berth.schema.json
  # then, as the first line of berth.yaml:
  # yaml-language-server: $schema=berth.schema.json`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		schema, err := berthfile.Schema()
		if err != nil {
			return err
		}
		return app.Printf("%s", schema)
	}
	return cmd
}
