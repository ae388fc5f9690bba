// Package queue holds `berth queue`.
package queue

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func Command(app *cli.App) *cobra.Command {
	var pool string
	cmd := &cobra.Command{Use: "queue", Short: "Manage the work queues of a pool"}
	cli.ClientFlags(cmd)
	children := []*cobra.Command{
		createCommand(app,
			&pool), lsCommand(app, &pool), updateCommand(app, &pool), deleteCommand(app, &pool),
		restoreCommand(app, &pool),
		pauseCommand(app, &pool, "pause", "Pause a queue: claim no new runs; active runs continue", true),
		pauseCommand(app, &pool, "resume", "Resume a paused queue", false),
	}
	for _, child := range children {
		child.Flags().StringVarP(&pool, "pool", "p", "", "work pool of the queue")
		cli.Required(child, "pool")
	}
	return cli.Group(cmd, children...)
}

type queueChange struct {
	pool, queue string
	body        api.WorkQueueUpdate
	done        string // what is said to have happened
}

func updateQueue(app *cli.App, cmd *cobra.Command, change queueChange, format cli.Format) error {
	client, err := app.Client(cmd)
	if err != nil {
		return err
	}
	queue, err := cli.Value(
		client.UpdateWorkQueueWithResponse(cmd.Context(), change.pool, change.queue, change.body))
	if err != nil {
		return err
	}
	return cli.PrintConfirmation(app, format, queue, "queue %q of pool %q %s", queue.Name, queue.Pool,
		change.done)
}

// queueNames completes queues of the pool that --pool names.
func queueNames(app *cli.App, pool *string) lookup.Completer {
	return lookup.CompleteNames(app, func(ctx context.Context, client *cli.Client) ([]string, error) {
		list, err := cli.Value(client.ListWorkQueuesWithResponse(ctx, *pool))
		return cli.Map(list.Items, func(q api.WorkQueue) string { return q.Name }), err
	})
}
