package run

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/watch"
	"github.com/berth-dev/berth/server/api"
)

func watchCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "watch RUN", Short: "Follow states and output of a run; exit with 0 if it completed, 1 otherwise",
		Args: lookup.RunArg, ValidArgsFunction: lookup.RunNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *cli.Client, id uuid.UUID) error {
		return Watch(cmd.Context(), app, client, WatchOptions{id, *format, api.COMPLETED})
	})
	return cmd
}

// WatchOptions is a run to be watched, how to print it, and the state that it shall end in.
type WatchOptions struct {
	ID     uuid.UUID
	Format cli.Format
	Want   api.StateType
}

// Watch follows a run to its end and fails when it did not complete.
func Watch(ctx context.Context, app *cli.App, client *cli.Client, w WatchOptions) error {
	follower := watch.New(client, w.ID, true)
	if w.Format != cli.Table {
		lines := watch.Lines{App: app}
		run, err := follower.Follow(ctx, lines)
		if err != nil {
			return stoppedWatching(ctx, app, w.ID, err)
		}
		if err := lines.End(run); err != nil {
			return err
		}
		return w.verdict(ctx, app, client, run)
	}
	printer := watch.NewPrinter(app)
	run, err := follower.Follow(ctx, printer)
	if closeErr := printer.Close(); closeErr != nil {
		return closeErr
	}
	if err != nil {
		return stoppedWatching(ctx, app, w.ID, err)
	}
	return w.verdict(ctx, app, client, run)
}

// stoppedWatching says that the run does not end with the watching.
func stoppedWatching(ctx context.Context, app *cli.App, id uuid.UUID, err error) error {
	if ctx.Err() == nil {
		return err
	}
	app.Notef(
		"\nstopped watching; the run continues. Watch it again: berth run watch %s. Cancel it: berth run cancel %s",
		id,
		id,
	)
	return &cli.SilentError{Code: cli.ExitFailed}
}

// verdict is nil for a run that ended as it was wanted to, and otherwise says why it did not.
func (w WatchOptions) verdict(
	ctx context.Context, app *cli.App, client *cli.Client, run api.Run,
) error {
	if run.State.Type == w.Want {
		return nil
	}
	style := app.Style(app.Err)
	e, err := explainRun(ctx, client, run.ID)
	if err != nil {
		// The run as it ended says nearly as much.
		app.Notef("%s run %s: it ended as %s: %s", style.Failure("error:"), run.Name,
			cli.StateText(run.State), cli.Text(run.State.Message))
		app.Notef("  it could not be explained: %v", err)
		return &cli.SilentError{Code: cli.ExitFailed}
	}
	app.Notef("%s run %s: %s", style.Failure("error:"), run.Name, e.Sentence)
	for _, line := range e.Details {
		app.Notef("  %s", line)
	}
	for _, line := range e.Next {
		app.Notef("  next: %s", line)
	}
	return &cli.SilentError{Code: cli.ExitFailed}
}
