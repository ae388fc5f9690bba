package run

import (
	"encoding/json"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
)

func resultCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "result RUN", Short: "Print the result of a run; a string without quotes",
		Args: lookup.RunArg, ValidArgsFunction: lookup.RunNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *cli.Client, id uuid.UUID) error {
		result, err := cli.Value(client.GetRunResultWithResponse(cmd.Context(), id))
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, result)
		}
		var text string
		if json.Unmarshal(result.Value, &text) == nil { // not a string: as it is
			return app.Printf("%s\n", text)
		}
		return app.PrintDocument(cli.JSON, result.Value)
	})
	return cmd
}
