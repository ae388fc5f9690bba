package run

import (
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func eventsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "events RUN",
		Short:             "List the events of a run, newest first",
		Args:              lookup.RunArg,
		ValidArgsFunction: lookup.RunNames(app),
	}
	var limit int
	cmd.Flags().IntVarP(&limit, "limit", "n", 50, "maximum number of items; 0 for all")
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *cli.Client, id uuid.UUID) error {
		if limit < 0 {
			return cli.Usagef("--limit %d: must not be negative", limit)
		}
		events, err := cli.Pages(limit, func(limit int32, cursor *string) ([]api.RunEvent, *string, error) {
			params := api.ListRunEventsParams{Limit: &limit, Cursor: cursor}
			page, err := cli.Value(client.ListRunEventsWithResponse(cmd.Context(), id, &params))
			return page.Items, page.NextCursor, err
		})
		if err != nil {
			return err
		}
		style := app.Style(app.Out)
		return cli.PrintList(app, *format, events, []cli.Column[api.RunEvent]{
			{Title: "when", Cell: func(e api.RunEvent) string { return app.Ago(e.At) }},
			{
				Title: "state",
				Cell:  func(e api.RunEvent) string { return style.State(e.State.Type, cli.StateText(e.State)) },
			},
			{Title: "attempt", Cell: func(e api.RunEvent) string { return cli.Number(e.Attempt) }},
			{Title: "by", Cell: func(e api.RunEvent) string { return e.Actor }},
			{Title: "message", Cell: func(e api.RunEvent) string { return e.Message }},
		})
	})
	return cmd
}
