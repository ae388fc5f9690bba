package queue

import (
	"fmt"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/spf13/cobra"
)

func lsCommand(app *cli.App, pool *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls --pool POOL",
		Aliases: []string{"list"},
		Short:   "List the queues of a pool by priority",
		Args:    cobra.NoArgs,
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.ListWorkQueuesWithResponse(cmd.Context(), *pool)
		list, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return cli.List(app, *format, list.Items, []cli.Column[api.WorkQueue]{
			{Title: "name", Cell: func(q api.WorkQueue) string { return q.Name }},
			{Title: "priority", Cell: func(q api.WorkQueue) string { return fmt.Sprint(q.Priority) }},
			{Title: "status", Cell: func(q api.WorkQueue) string { return cli.PausedText(q.Paused) }},
			{
				Title: "slots",
				Cell:  func(q api.WorkQueue) string { return cli.Slots(q.SlotsUsed, q.ConcurrencyLimit) },
			},
		})
	}
	return cmd
}
