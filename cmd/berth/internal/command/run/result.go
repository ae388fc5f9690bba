package run

import (
	"encoding/json"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

func resultCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "result RUN", Short: "Print what a run says has come out of it; a string without quotes",
		Args: lookup.OneRun, ValidArgsFunction: lookup.RunNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *apiclient.ClientWithResponses, id uuid.UUID) error {
		r, err := client.GetRunResultWithResponse(cmd.Context(), id)
		result, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.Document(*format, result)
		}
		var text string
		if json.Unmarshal(result.Value, &text) == nil { // not a string: as it is
			return app.Printf("%s\n", text)
		}
		return app.Document(cli.JSON, result.Value)
	})
	return cmd
}
