package main

import (
	"context"
	"errors"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/explain"
	"github.com/berth-dev/berth/cmd/berth/internal/watch"
	"github.com/berth-dev/berth/server/api"
)

func runWatchCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "watch ID", Short: "Follow a run: its states and output as they happen; exit 0 when it completed, 1 otherwise",
		Args: runArgs, ValidArgsFunction: runIDs(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *api.ClientWithResponses, id uuid.UUID) error {
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
func watchRun(ctx context.Context, app *cli.App, client *api.ClientWithResponses, w watched) error {
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
	if flushErr := printer.Flush(); flushErr != nil {
		return flushErr
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
	app.Notef("\nstopped watching, the run goes on; see it again with: berth run watch %s, end it with: berth run cancel %s", id, id)
	return &cli.SilentError{Code: cli.ExitFailed}
}

// verdict is nil for a run that ended as it was wanted to, and otherwise says why it did not.
func (w watched) verdict(ctx context.Context, app *cli.App, client *api.ClientWithResponses, run api.Run) error {
	if run.State.Type == w.wanted {
		return nil
	}
	var attempts []api.Attempt
	if detail, err := getRun(ctx, client, run.ID); err == nil {
		run, attempts = detail.Run, detail.Attempts
	} else {
		// The run as it ended says nearly as much.
		app.Notef("the attempts could not be read: %v", err)
	}
	style := app.Style(app.Err)
	for i, line := range explain.Explain(explain.Facts{Run: run, Attempts: attempts, Now: app.Now()}) {
		if i == 0 {
			app.Notef("%s run %s: %s", style.Bad("error:"), run.Name, line)
			continue
		}
		app.Notef("  %s", line)
	}
	return &cli.SilentError{Code: cli.ExitFailed}
}

func runLogsCommand(app *cli.App) *cobra.Command {
	var follow bool
	var attempt int32
	cmd := &cobra.Command{Use: "logs ID", Short: "Print the output of a run as it was written", Args: runArgs, ValidArgsFunction: runIDs(app)}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as it is written, until the run has ended")
	cmd.Flags().Int32Var(&attempt, "attempt", 0, "of this attempt (default: the newest)")
	cmd.MarkFlagsMutuallyExclusive("follow", "attempt")
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *api.ClientWithResponses, id uuid.UUID) error {
		if follow {
			_, err := watch.New(client, id, true).Follow(cmd.Context(), watch.Raw{App: app})
			if err != nil {
				return stoppedWatching(cmd.Context(), app, id, err)
			}
			return nil
		}
		params := &api.GetRunLogsParams{}
		if cmd.Flags().Changed("attempt") {
			params.Attempt = &attempt
		}
		return copyLogs(cmd.Context(), app, client, id, params)
	})
	return cmd
}

// copyLogs copies as it reads: output can be larger than memory.
func copyLogs(ctx context.Context, app *cli.App, client *api.ClientWithResponses, id uuid.UUID, params *api.GetRunLogsParams) error {
	resp, err := client.GetRunLogs(ctx, id, params)
	if err != nil {
		return cli.TransportError(err)
	}
	if resp.StatusCode != 200 {
		r, err := api.ParseGetRunLogsResponse(resp)
		return cli.Check(r, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(app.Out, resp.Body); err != nil && !errors.Is(err, context.Canceled) {
		return cli.TransportError(err)
	}
	return ctx.Err()
}

func runExplainCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "explain ID", Short: "Say why a run waits, or why it ended as it did", Args: runArgs, ValidArgsFunction: runIDs(app)}
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *api.ClientWithResponses, id uuid.UUID) error {
		facts, err := gatherFacts(cmd.Context(), app, client, id)
		if err != nil {
			return err
		}
		style := app.Style(app.Out)
		run := facts.Run
		if err := app.Printf("run %s is %s\n", run.Name, style.State(run.State.Type, cli.StateText(run.State))); err != nil {
			return err
		}
		for _, line := range explain.Explain(facts) {
			if err := app.Printf("- %s\n", line); err != nil {
				return err
			}
		}
		return nil
	})
	return cmd
}

// gatherFacts asks for all that may keep a run from running.
func gatherFacts(ctx context.Context, app *cli.App, client *api.ClientWithResponses, id uuid.UUID) (explain.Facts, error) {
	detail, err := getRun(ctx, client, id)
	if err != nil {
		return explain.Facts{}, err
	}
	facts := explain.Facts{Run: detail.Run, Attempts: detail.Attempts, Now: app.Now()}
	if facts.Run.State.Type != "SCHEDULED" {
		return facts, nil
	}
	pool, err := client.GetWorkPoolWithResponse(ctx, facts.Run.Pool)
	if err := cli.Check(pool, err); err != nil {
		return facts, err
	}
	facts.Pool = pool.JSON200
	queues, err := client.ListWorkQueuesWithResponse(ctx, facts.Run.Pool)
	list, err := cli.Value(resultOf(queues, err).JSON200, queues, err)
	if err != nil {
		return facts, err
	}
	for i := range list.Items {
		if list.Items[i].Name == facts.Run.Queue {
			facts.Queue = &list.Items[i]
		}
	}
	deployment, err := getDeployment(ctx, client, facts.Run.Deployment)
	if err != nil {
		return facts, err
	}
	facts.Deployment = &deployment
	facts.Workers, err = listWorkers(ctx, client, &facts.Run.Pool)
	return facts, err
}
