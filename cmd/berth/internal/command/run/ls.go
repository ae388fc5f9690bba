package run

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func lsCommand(app *cli.App) *cobra.Command {
	var filter runFilter
	var sort string
	var limit int
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List runs, newest first",
		Args:    cobra.NoArgs,
	}
	filter.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&sort, "sort", "-created",
		"sort order: -created, created, -scheduled or scheduled; - is newest first")
	flags.IntVarP(&limit, "limit", "n", 50, "maximum number of items; 0 for all")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		params, err := filter.list(app.Now())
		if err != nil {
			return err
		}
		order := api.ListRunsParamsSort(sort)
		if !order.Valid() {
			return cli.Usagef("--sort %q: must be -created, created, -scheduled or scheduled", sort)
		}
		params.Sort = &order
		if limit < 0 {
			return cli.Usagef("--limit %d: must not be negative", limit)
		}
		runs, err := lookup.ListRuns(ctx, client, limit, params)
		if err != nil {
			return err
		}
		style := app.Style(app.Out)
		return cli.PrintList(app, *format, runs, []cli.Column[api.Run]{
			{
				Title: "state",
				Cell:  func(r api.Run) string { return style.State(r.State.Type, cli.StateText(r.State)) },
			},
			{Title: "name", Cell: func(r api.Run) string { return r.Name }},
			{Title: "deployment", Cell: func(r api.Run) string { return r.Deployment }},
			{Title: "due", Cell: func(r api.Run) string { return app.Ago(r.ScheduledTime) }},
			{Title: "took", Cell: func(r api.Run) string { return duration(app, r) }},
			{Title: "id", Cell: func(r api.Run) string { return r.ID.String() }},
		})
	})
	return cmd
}
