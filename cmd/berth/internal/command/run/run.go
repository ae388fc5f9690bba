// Package run holds `berth run`.
package run

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Inspect, follow, cancel and retry runs",
		Long: `Inspect, follow, cancel and retry runs. A run is one execution of a deployment.

Refer to a run by its ID, its name, or a unique prefix of either. If several runs have the same name,
the name refers to the newest.`,
	}
	cli.ClientFlags(cmd)
	return cli.Group(
		cmd,
		lsCommand(app),
		histogramCommand(app),
		getCommand(app),
		watchCommand(app),
		logsCommand(app),
		bulkCommand(app, cancelAction()),
		bulkCommand(app, retryAction()),
		abandonCommand(app),
		eventsCommand(app),
		explainCommand(app),
		diffCommand(app),
		manifestCommand(app),
		resultCommand(app),
		reportCommand(app),
		tokenCommand(app),
	)
}

// duration of the workload so far; nothing where it has not begun.
func duration(app *cli.App, r api.Run) string {
	waits := r.State.Type == api.SCHEDULED || r.State.Type == api.PENDING // perhaps for its next attempt
	if r.StartedAt == nil || waits {
		return ""
	}
	if r.EndedAt == nil {
		return cli.Duration(app.Now().Sub(*r.StartedAt))
	}
	return cli.Duration(r.EndedAt.Sub(*r.StartedAt))
}

// onRun is a command's work on the run that its argument names.
func onRun(
	app *cli.App, work func(*cobra.Command, *cli.Client, uuid.UUID) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		id, err := lookup.FindRun(cmd.Context(), client, args[0])
		if err != nil {
			return err
		}
		return work(cmd, client, id)
	}
}

type runAction func(ctx context.Context, client *cli.Client, id uuid.UUID) (api.Run, error)
