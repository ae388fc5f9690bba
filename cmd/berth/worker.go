package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func workerCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "worker", Short: "Workers: they claim runs of a pool and see them through"}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, workerStartCommand(app), workerLsCommand(app), workerDrainCommand(app),
		workerPauseCommand(app, "pause", "Claim nothing new with a worker; what it has goes on", true),
		workerPauseCommand(app, "resume", "Claim runs with a worker again", false))
}

func listWorkers(ctx context.Context, client *apiclient.ClientWithResponses, pool *string) ([]api.Worker, error) {
	r, err := client.ListWorkersWithResponse(ctx, &api.ListWorkersParams{Pool: pool})
	list, err := cli.Value(resultOf(r, err).JSON200, r, err)
	if list.Items == nil {
		list.Items = []api.Worker{}
	}
	return list.Items, err
}

func workerLsCommand(app *cli.App) *cobra.Command {
	var pool string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List workers and when they were last heard of",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&pool, "pool", "p", "", "only those of this pool")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		workers, err := listWorkers(cmd.Context(), client, given(pool))
		if err != nil {
			return err
		}
		style := app.Style(app.Out)
		return cli.List(app, *format, workers, []cli.Column[api.Worker]{
			{Title: "name", Cell: func(w api.Worker) string { return w.Name }},
			{Title: "pool", Cell: func(w api.Worker) string { return w.Pool }},
			{Title: "type", Cell: func(w api.Worker) string { return string(w.Type) }},
			{Title: "status", Cell: func(w api.Worker) string {
				if w.Alive && w.Paused {
					return "paused"
				}
				if w.Alive {
					return style.Good("alive")
				}
				return style.Bad("gone")
			}},
			{Title: "active", Cell: func(w api.Worker) string { return fmt.Sprint(w.ActiveAttempts) }},
			{Title: "last seen", Cell: func(w api.Worker) string { return app.Ago(w.LastSeenAt) }},
			{Title: "version", Cell: func(w api.Worker) string { return w.Version }},
			{Title: "cluster", Cell: func(w api.Worker) string { return w.ClusterID }},
		})
	}
	return cmd
}
