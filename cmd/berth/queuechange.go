package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func queueUpdateCommand(app *cli.App, pool *string) *cobra.Command {
	var priority, limit int32
	var noLimit bool
	cmd := &cobra.Command{
		Use: "update NAME --pool POOL", Short: "Change what is given, leave the rest", Args: cobra.ExactArgs(1),
		ValidArgsFunction: queueNames(app, pool),
	}
	cmd.Flags().Int32Var(&priority, "priority", 0, "1 is served first")
	cmd.Flags().Int32Var(&limit, "concurrency-limit", 0, "how many attempts at once; 0 is none at all")
	cmd.Flags().BoolVar(&noLimit, "no-concurrency-limit", false, "take the limit away")
	cmd.MarkFlagsMutuallyExclusive("concurrency-limit", "no-concurrency-limit")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var body api.WorkQueueUpdate
		if cmd.Flags().Changed("priority") {
			body.Priority = &priority
		}
		if cmd.Flags().Changed("concurrency-limit") {
			body.ConcurrencyLimit = &limit
		}
		if noLimit {
			body.NoConcurrencyLimit = &noLimit
		}
		if body == (api.WorkQueueUpdate{}) {
			return cli.Usagef(
				"nothing to change: give --priority, --concurrency-limit or --no-concurrency-limit",
			)
		}
		return updateQueue(app, cmd, queueChange{*pool, args[0], body, "updated"}, *format)
	}
	return cmd
}

func queuePauseCommand(app *cli.App, pool *string, verb, short string, paused bool) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " NAME --pool POOL", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: queueNames(app, pool),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return updateQueue(
			app,
			cmd,
			queueChange{*pool, args[0], api.WorkQueueUpdate{Paused: &paused}, verb + "d"},
			*format,
		)
	}
	return cmd
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
	r, err := client.UpdateWorkQueueWithResponse(cmd.Context(), change.pool, change.queue, change.body)
	queue, err := cli.Value(resultOf(r, err).JSON200, r, err)
	if err != nil {
		return err
	}
	return printDone(app, format, queue, "queue %q of pool %q %s", queue.Name, queue.Pool, change.done)
}

func queueDeleteCommand(app *cli.App, pool *string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME --pool POOL", Short: "Delete a queue that no deployment uses", Args: cobra.ExactArgs(1),
		ValidArgsFunction: queueNames(app, pool),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.DeleteWorkQueueWithResponse(cmd.Context(), *pool, args[0])
		if err := cli.Check(r, err); err != nil {
			return err
		}
		return app.Printf("queue %q of pool %q deleted\n", args[0], *pool)
	}
	return cmd
}

// queueNames completes queues of the pool that --pool names.
func queueNames(app *cli.App, pool *string) completer {
	return names(app, func(ctx context.Context, client *apiclient.ClientWithResponses) ([]string, error) {
		r, err := client.ListWorkQueuesWithResponse(ctx, *pool)
		list, err := cli.Value(resultOf(r, err).JSON200, r, err)
		return mapped(list.Items, func(q api.WorkQueue) string { return q.Name }), err
	})
}
