package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func queueCommand(app *cli.App) *cobra.Command {
	var pool string
	cmd := &cobra.Command{Use: "queue", Short: "Work queues: the lanes of a pool"}
	cli.ClientFlags(cmd)
	children := []*cobra.Command{
		queueCreateCommand(
			app,
			&pool,
		), queueLsCommand(app, &pool), queueUpdateCommand(app, &pool), queueDeleteCommand(app, &pool),
		queuePauseCommand(app, &pool, "pause", "Claim no more runs of a queue; what runs goes on", true),
		queuePauseCommand(app, &pool, "resume", "Claim runs of a queue again", false),
	}
	for _, child := range children {
		child.Flags().StringVarP(&pool, "pool", "p", "", "the work pool")
		required(child, "pool")
	}
	return cli.Group(cmd, children...)
}

func queueCreateCommand(app *cli.App, pool *string) *cobra.Command {
	var priority, limit int32
	cmd := &cobra.Command{
		Use:   "create NAME --pool POOL",
		Short: "Add a queue to a pool",
		Args:  cobra.ExactArgs(1),
	}
	cmd.Flags().Int32Var(&priority, "priority", 0, "1 is served first (default: after those that are there)")
	cmd.Flags().
		Int32Var(&limit, "concurrency-limit", 0, "how many attempts at once; 0 is none at all (default: no limit)")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body := api.WorkQueueCreate{Name: args[0]}
		if cmd.Flags().Changed("priority") {
			body.Priority = &priority
		}
		if cmd.Flags().Changed("concurrency-limit") {
			body.ConcurrencyLimit = &limit
		}
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.CreateWorkQueueWithResponse(cmd.Context(), *pool, body)
		queue, err := cli.Value(resultOf(r, err).JSON201, r, err)
		if err != nil {
			return err
		}
		return printDone(app, *format, queue, "queue %q of pool %q created", queue.Name, queue.Pool)
	}
	return cmd
}

func queueLsCommand(app *cli.App, pool *string) *cobra.Command {
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
		list, err := cli.Value(resultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return cli.List(app, *format, list.Items, []cli.Column[api.WorkQueue]{
			{Title: "name", Cell: func(q api.WorkQueue) string { return q.Name }},
			{Title: "priority", Cell: func(q api.WorkQueue) string { return fmt.Sprint(q.Priority) }},
			{Title: "status", Cell: func(q api.WorkQueue) string { return pausedText(q.Paused) }},
			{
				Title: "slots",
				Cell:  func(q api.WorkQueue) string { return slots(q.SlotsUsed, q.ConcurrencyLimit) },
			},
		})
	}
	return cmd
}
