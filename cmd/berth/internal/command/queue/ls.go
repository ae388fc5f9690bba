package queue

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func lsCommand(app *cli.App, pool *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls --pool POOL",
		Aliases: []string{"list"},
		Short:   "List the queues of a pool by priority",
		Args:    cobra.NoArgs,
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		list, err := cli.Value(client.ListWorkQueuesWithResponse(ctx, *pool))
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, list.Items, []cli.Column[api.WorkQueue]{
			{Title: "name", Cell: func(q api.WorkQueue) string { return q.Name }},
			{Title: "priority", Cell: func(q api.WorkQueue) string { return fmt.Sprint(q.Priority) }},
			{Title: "status", Cell: func(q api.WorkQueue) string { return cli.PausedText(q.Paused) + app.PausedBy(q.Pause) }},
			{
				Title: "slots",
				Cell:  func(q api.WorkQueue) string { return cli.SlotsText(q.SlotsUsed, q.ConcurrencyLimit) },
			},
			{Title: "waiting", Cell: func(q api.WorkQueue) string { return waiting(app, q) }},
			{Title: "p95 wait", Cell: usualWait},
			{Title: "objective", Cell: func(q api.WorkQueue) string {
				if q.Objective == nil {
					return "-"
				}
				return *q.Objective
			}},
		})
	})
	return cmd
}

// maxCounted is up to where the server counts.
const maxCounted = 10_000

// waiting says how many runs are due in a queue, and since when the first of them is.
func waiting(app *cli.App, q api.WorkQueue) string {
	if q.Waiting == nil || q.OldestDue == nil {
		return "0"
	}
	text := fmt.Sprint(*q.Waiting)
	if *q.Waiting >= maxCounted {
		text += " or more"
	}
	return fmt.Sprintf("%s, oldest %s", text, app.Ago(*q.OldestDue))
}

// usualWait is how long nearly all runs waited that ended in the last 24 hours.
func usualWait(q api.WorkQueue) string {
	if q.Wait == nil || q.Wait.P95Seconds == nil {
		return "-"
	}
	return cli.ExactDuration(*q.Wait.P95Seconds)
}
