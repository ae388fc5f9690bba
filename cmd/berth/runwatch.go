package main

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/watch"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func runWatchCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "watch RUN", Short: "Follow a run: its states and output as they happen; exit 0 when it completed, 1 otherwise",
		Args: runArgs, ValidArgsFunction: runNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *apiclient.ClientWithResponses, id uuid.UUID) error {
		return watchRun(cmd.Context(), app, client, watched{id, *format, api.COMPLETED})
	})
	return cmd
}

// watched is a run to be watched, how to print it, and the state that it shall end in.
type watched struct {
	id     uuid.UUID
	format cli.Format
	wanted api.StateType
}

// watchRun follows a run to its end and fails when it did not complete.
func watchRun(ctx context.Context, app *cli.App, client *apiclient.ClientWithResponses, w watched) error {
	follower := watch.New(client, w.id, true)
	if w.format != cli.Table {
		lines := watch.Lines{App: app}
		run, err := follower.Follow(ctx, lines)
		if err != nil {
			return stoppedWatching(ctx, app, w.id, err)
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
		return stoppedWatching(ctx, app, w.id, err)
	}
	return w.verdict(ctx, app, client, run)
}

// stoppedWatching says that the run does not end with the watching.
func stoppedWatching(ctx context.Context, app *cli.App, id uuid.UUID, err error) error {
	if ctx.Err() == nil {
		return err
	}
	app.Notef(
		"\nstopped watching, the run goes on; see it again with: berth run watch %s, end it with: berth run cancel %s",
		id,
		id,
	)
	return &cli.SilentError{Code: cli.ExitFailed}
}

// verdict is nil for a run that ended as it was wanted to, and otherwise says why it did not.
func (w watched) verdict(
	ctx context.Context,
	app *cli.App,
	client *apiclient.ClientWithResponses,
	run api.Run,
) error {
	if run.State.Type == w.wanted {
		return nil
	}
	style := app.Style(app.Err)
	e, err := explainRun(ctx, client, run.ID)
	if err != nil {
		// The run as it ended says nearly as much.
		app.Notef(
			"%s run %s: it ended as %s: %s",
			style.Bad("error:"),
			run.Name,
			cli.StateText(run.State),
			cli.Text(run.State.Message),
		)
		app.Notef("  it could not be explained: %v", err)
		return &cli.SilentError{Code: cli.ExitFailed}
	}
	app.Notef("%s run %s: %s", style.Bad("error:"), run.Name, e.Sentence)
	for _, line := range e.Details {
		app.Notef("  %s", line)
	}
	for _, line := range e.Next {
		app.Notef("  next: %s", line)
	}
	return &cli.SilentError{Code: cli.ExitFailed}
}

func explainRun(
	ctx context.Context,
	client *apiclient.ClientWithResponses,
	id uuid.UUID,
) (api.RunExplanation, error) {
	r, err := client.ExplainRunWithResponse(ctx, id)
	return cli.Value(resultOf(r, err).JSON200, r, err)
}

func runLogsCommand(app *cli.App) *cobra.Command {
	var follow bool
	var attempt int32
	cmd := &cobra.Command{
		Use: "logs RUN", Short: "Print the output of a run as it was written",
		Long: `Print the output of a run as it was written. With -o json or yaml it is a document with its attempt, and with --follow
a JSON object a line.`,
		Args: runArgs, ValidArgsFunction: runNames(app),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as it is written, until the run has ended")
	cmd.Flags().Int32Var(&attempt, "attempt", 0, "of this attempt (default: the newest)")
	cmd.MarkFlagsMutuallyExclusive("follow", "attempt")
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *apiclient.ClientWithResponses, id uuid.UUID) error {
		if follow {
			return followLogs(cmd.Context(), app, client, id, *format)
		}
		params := &api.GetRunLogsParams{}
		if cmd.Flags().Changed("attempt") {
			params.Attempt = &attempt
		}
		if *format == cli.Table {
			return copyLogs(cmd.Context(), app.Out, client, id, params)
		}
		return documentLogs(cmd.Context(), app, client, id, params, *format)
	})
	return cmd
}

func followLogs(
	ctx context.Context,
	app *cli.App,
	client *apiclient.ClientWithResponses,
	id uuid.UUID,
	format cli.Format,
) error {
	var sink watch.Sink = watch.Raw{App: app}
	if format != cli.Table {
		sink = watch.LogLines{Lines: watch.Lines{App: app}}
	}
	if _, err := watch.New(client, id, true).Follow(ctx, sink); err != nil {
		return stoppedWatching(ctx, app, id, err)
	}
	return nil
}

// runOutput is the output of an attempt as a document.
type runOutput struct {
	Run     uuid.UUID `json:"run"`
	Attempt int32     `json:"attempt"`
	Text    string    `json:"text"`
}

func documentLogs(
	ctx context.Context,
	app *cli.App,
	client *apiclient.ClientWithResponses,
	id uuid.UUID,
	params *api.GetRunLogsParams,
	format cli.Format,
) error {
	output := runOutput{Run: id}
	if params.Attempt == nil { // the newest now, lest another begins before its output is read
		detail, err := getRun(ctx, client, id)
		if err != nil {
			return err
		}
		if output.Attempt = detail.Run.Attempt; output.Attempt > 0 {
			params.Attempt = &output.Attempt
		}
	} else {
		output.Attempt = *params.Attempt
	}
	var text bytes.Buffer
	if err := copyLogs(ctx, &text, client, id, params); err != nil {
		return err
	}
	output.Text = text.String()
	return app.Document(format, output)
}

func copyLogs(
	ctx context.Context,
	to io.Writer,
	client *apiclient.ClientWithResponses,
	id uuid.UUID,
	params *api.GetRunLogsParams,
) error {
	resp, err := client.GetRunLogs(ctx, id, params)
	if err != nil {
		return cli.TransportError(err)
	}
	if resp.StatusCode != 200 {
		r, err := apiclient.ParseGetRunLogsResponse(resp)
		return cli.Check(r, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(to, resp.Body); err != nil && !errors.Is(err, context.Canceled) {
		return cli.TransportError(err)
	}
	return ctx.Err()
}

func runExplainCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "explain RUN",
		Short:             "Say why a run waits, or why it ended as it did",
		Args:              runArgs,
		ValidArgsFunction: runNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *apiclient.ClientWithResponses, id uuid.UUID) error {
		e, err := explainRun(cmd.Context(), client, id)
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.Document(*format, e)
		}
		return printExplanation(app, e)
	})
	return cmd
}

func printExplanation(app *cli.App, e api.RunExplanation) error {
	style := app.Style(app.Out)
	if err := app.Printf("run %s is %s\n%s\n", e.Run.Name, style.State(e.Run.State.Type, cli.StateText(e.Run.State)), e.Sentence); err != nil {
		return err
	}
	for _, line := range e.Details {
		if err := app.Printf("- %s\n", line); err != nil {
			return err
		}
	}
	for _, line := range e.Next {
		if err := app.Printf("next: %s\n", line); err != nil {
			return err
		}
	}
	return nil
}
