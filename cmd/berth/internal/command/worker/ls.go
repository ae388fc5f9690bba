package worker

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func lsCommand(app *cli.App) *cobra.Command {
	var pool string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List workers and their last heartbeat",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&pool, "pool", "p", "", "filter by pool")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		workers, err := lookup.ListWorkers(ctx, client, cli.StringOrNil(pool))
		if err != nil {
			return err
		}
		style := app.Style(app.Out)
		return cli.PrintList(app, *format, workers, []cli.Column[api.Worker]{
			{Title: "name", Cell: func(w api.Worker) string { return w.Name }},
			{Title: "pool", Cell: func(w api.Worker) string { return w.Pool }},
			{Title: "type", Cell: func(w api.Worker) string { return string(w.Type) }},
			{Title: "status", Cell: func(w api.Worker) string {
				switch lost := lostNamespaces(w); {
				case w.Alive && lost != "":
					return style.Failure("cannot reach " + lost)
				case w.Alive && w.Paused:
					return "paused" + app.PausedBy(w.Pause)
				case w.Alive:
					return style.Success("alive")
				}
				return style.Failure("gone")
			}},
			{Title: "active", Cell: func(w api.Worker) string { return fmt.Sprint(w.ActiveAttempts) }},
			{Title: "last seen", Cell: func(w api.Worker) string { return app.Ago(w.LastSeenAt) }},
			{Title: "version", Cell: func(w api.Worker) string { return w.Version }},
			{Title: "cluster", Cell: func(w api.Worker) string { return w.ClusterID }},
		})
	})
	return cmd
}

// lostNamespaces names the namespaces of its cluster that a worker cannot reach.
func lostNamespaces(w api.Worker) string {
	if w.LostNamespaces == nil {
		return ""
	}
	var names []string
	for _, lost := range *w.LostNamespaces {
		names = append(names, lost.Namespace)
	}
	return strings.Join(names, ", ")
}
