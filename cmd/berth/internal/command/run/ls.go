package run

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

const (
	// shortPages is after how many pages, of some thousand runs each, a search says how far it has come.
	shortPages = 50
	// maxShortPages is after how many it ends.
	maxShortPages = 500
)

// searchOn says how far a search has come, and whether it goes on.
func searchOn(app *cli.App, order api.ListRunsParamsSort, to time.Time, pages int) bool {
	at := to.UTC().Format(time.RFC3339)
	switch {
	case pages < maxShortPages:
		if pages%shortPages == 0 {
			app.Notef("searched to %s …", at)
		}
		return true
	case order == api.MinusCreated:
		app.Notef("searched to %s, there may be more: search on with --until %s", at, at)
	case order == api.Created:
		app.Notef("searched to %s, there may be more: search on with --since %s", at, at)
	default:
		app.Notef("searched to %s, there may be more: narrow the search with --since, --until or --deployment", at)
	}
	return false
}

func lsCommand(app *cli.App) *cobra.Command {
	var filter runFilter
	var sort string
	var limit int
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List runs, newest first",
		Long: `List runs, newest first.

The last column says why: what a run waits for, or what it ended with. --sort -duration shows which of
the newest 2,000 ended runs that match took longest.

A filter that few runs match, such as a text or a tag, takes a search through all runs. It ends after
a million runs, and says how to search on. Narrow it with --since, --until, --pool or --deployment.`,
		Args: cobra.NoArgs,
	}
	filter.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&sort, "sort", "-created",
		"sort order: created, scheduled or duration; with - before it, newest or longest first")
	flags.IntVarP(&limit, "limit", "n", 50, "maximum number of items; 0 for all")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		params, err := filter.list(app.Now())
		if err != nil {
			return err
		}
		order := api.ListRunsParamsSort(sort)
		if !order.Valid() {
			return cli.Usagef("--sort %q: must be created, scheduled or duration, or one of these with - before it", sort)
		}
		params.Sort = &order
		if limit < 0 {
			return cli.Usagef("--limit %d: must not be negative", limit)
		}
		runs, err := lookup.SearchRuns(ctx, client, limit, params, func(to time.Time, pages int) bool {
			return searchOn(app, order, to, pages)
		})
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
			{Title: "why", Cell: why},
		})
	})
	return cmd
}

// why a run waits, or did not succeed: the category, and the first line of the message.
func why(r api.Run) string {
	if r.Category == nil {
		return cli.Text(r.Waits)
	}
	text := string(*r.Category)
	line, _, _ := strings.Cut(strings.TrimSpace(cli.Text(r.State.Message)), "\n")
	if line == text || strings.HasPrefix(line, text+", ") {
		return line // where the program has said nothing, the message is the category itself
	}
	return strings.TrimSuffix(text+": "+line, ": ")
}
