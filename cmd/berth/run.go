package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func runCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Runs: executions of deployments",
		Long: `Runs: executions of deployments.

A run is meant by its id, by its name, or by as much of the beginning of either as no other run shares. Where several runs
have the same name it stands for the newest.`,
	}
	cli.ClientFlags(cmd)
	return cli.Group(
		cmd,
		runLsCommand(app),
		runGetCommand(app),
		runWatchCommand(app),
		runLogsCommand(app),
		runsActionCommand(app, cancelAction()),
		runsActionCommand(app, retryAction()),
		runActionCommand(
			app,
			"abandon",
			"Abandon a run whose worker or cluster is gone for good, so that another worker may run it",
			"run %s abandoned, it is %s",
			api.COMPLETED,
			abandonRun,
		),
		runEventsCommand(
			app,
		),
		runExplainCommand(app),
		runManifestCommand(app),
		runResultCommand(app),
		runReportCommand(app),
	)
}

func listRuns(
	ctx context.Context,
	client *apiclient.ClientWithResponses,
	limit int,
	filter api.ListRunsParams,
) ([]api.Run, error) {
	return cli.Pages(limit, func(limit int32, cursor *string) ([]api.Run, *string, error) {
		params := filter
		params.Limit, params.Cursor = &limit, cursor
		r, err := client.ListRunsWithResponse(ctx, &params)
		page, err := cli.Value(resultOf(r, err).JSON200, r, err)
		return page.Items, page.NextCursor, err
	})
}

func runLsCommand(app *cli.App) *cobra.Command {
	var filter runFilter
	var sort string
	var limit int
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List runs, newest first",
		Args:    cobra.NoArgs,
	}
	filter.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(
		&sort,
		"sort",
		"-created",
		"order: -created, created, -scheduled or scheduled; - is newest first",
	)
	flags.IntVarP(&limit, "limit", "n", 50, "how many at most, 0 for all")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		params, err := filter.list(app.Now())
		if err != nil {
			return err
		}
		order := api.ListRunsParamsSort(sort)
		if !order.Valid() {
			return cli.Usagef("--sort %q: must be -created, created, -scheduled or scheduled", sort)
		}
		params.Sort = &order
		if limit < 0 {
			return cli.Usagef("--limit %d: must not be negative", limit)
		}
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		runs, err := listRuns(cmd.Context(), client, limit, params)
		if err != nil {
			return err
		}
		style := app.Style(app.Out)
		return cli.List(app, *format, runs, []cli.Column[api.Run]{
			{
				Title: "state",
				Cell:  func(r api.Run) string { return style.State(r.State.Type, cli.StateText(r.State)) },
			},
			{Title: "name", Cell: func(r api.Run) string { return r.Name }},
			{Title: "deployment", Cell: func(r api.Run) string { return r.Deployment }},
			{Title: "due", Cell: func(r api.Run) string { return app.Ago(r.ScheduledTime) }},
			{Title: "took", Cell: func(r api.Run) string { return duration(app, r) }},
			{Title: "id", Cell: func(r api.Run) string { return r.ID.String() }},
		})
	}
	return cmd
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

func getRun(ctx context.Context, client *apiclient.ClientWithResponses, id uuid.UUID) (api.RunDetail, error) {
	r, err := client.GetRunWithResponse(ctx, id)
	return cli.Value(resultOf(r, err).JSON200, r, err)
}

func runGetCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get RUN",
		Short:             "Show a run, and what happened to each of its attempts",
		Args:              runArgs,
		ValidArgsFunction: runNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *apiclient.ClientWithResponses, id uuid.UUID) error {
		detail, err := getRun(cmd.Context(), client, id)
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.Document(*format, detail)
		}
		return printRun(app, detail)
	})
	return cmd
}

// onRun is a command's work on the run that its argument names.
func onRun(
	app *cli.App,
	work func(*cobra.Command, *apiclient.ClientWithResponses, uuid.UUID) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		id, err := findRun(cmd.Context(), client, args[0])
		if err != nil {
			return err
		}
		return work(cmd, client, id)
	}
}

func printRun(app *cli.App, detail api.RunDetail) error {
	r, style := detail.Run, app.Style(app.Out)
	err := app.Fields([]cli.Field{
		{
			Name:  "ID",
			Value: r.ID.String(),
		}, {Name: "Name", Value: r.Name}, {Name: "Deployment", Value: r.Deployment},
		{Name: "Pool", Value: r.Pool + " / " + r.Queue},
		{
			Name:  "State",
			Value: style.State(r.State.Type, cli.StateText(r.State)) + ", " + app.Ago(r.State.At),
		},
		{Name: "Message", Value: cli.Text(r.State.Message)}, {Name: "Tags", Value: joined(r.Tags)},
		{Name: "Due", Value: app.Ago(r.ScheduledTime)}, {Name: "Took", Value: duration(app, r)},
		{Name: "Created", Value: app.Ago(r.CreatedAt) + " by " + r.CreatedBy},
		{
			Name:  "Parameters",
			Value: cli.Readable(r.Parameters),
		}, {Name: "Job variables", Value: cli.Readable(r.JobVariables)},
		{
			Name:  "Progress",
			Value: progress(detail.Progress),
		}, {Name: "Result", Value: runResult(detail.Result)},
	})
	if err != nil || len(detail.Attempts) == 0 {
		return err
	}
	if err := app.Printf("\n"); err != nil {
		return err
	}
	if err := cli.List(app, cli.Table, detail.Attempts, []cli.Column[api.Attempt]{
		{Title: "attempt", Cell: func(a api.Attempt) string { return fmt.Sprint(a.Number) }},
		{Title: "phase", Cell: func(a api.Attempt) string { return string(a.Phase) }},
		{Title: "category", Cell: func(a api.Attempt) string { return cli.Text(a.Category) }},
		{Title: "exit", Cell: func(a api.Attempt) string { return cli.Number(a.ExitCode) }},
		{Title: "worker", Cell: func(a api.Attempt) string { return a.Worker }},
		{Title: "job", Cell: func(a api.Attempt) string { return cli.Text(a.JobName) }},
		{Title: "node", Cell: func(a api.Attempt) string { return cli.Text(a.Node) }},
		{Title: "claimed", Cell: func(a api.Attempt) string { return app.Ago(a.ClaimedAt) }},
	}); err != nil {
		return err
	}
	return printMessages(app, detail.Attempts)
}

// printMessages shows what does not fit into a table's row.
func printMessages(app *cli.App, attempts []api.Attempt) error {
	for _, a := range attempts {
		for _, text := range []string{cli.Text(a.Diagnosis), cli.Text(a.Message)} {
			if text == "" {
				continue
			}
			if err := app.Printf("attempt %d: %s\n", a.Number, text); err != nil {
				return err
			}
		}
	}
	return nil
}

type runAction func(ctx context.Context, client *apiclient.ClientWithResponses, id uuid.UUID) (api.Run, error)

func cancelRun(ctx context.Context, client *apiclient.ClientWithResponses, id uuid.UUID) (api.Run, error) {
	r, err := client.CancelRunWithResponse(ctx, id)
	return cli.Value(resultOf(r, err).JSON200, r, err)
}

func retryRun(ctx context.Context, client *apiclient.ClientWithResponses, id uuid.UUID) (api.Run, error) {
	r, err := client.RetryRunWithResponse(ctx, id)
	return cli.Value(resultOf(r, err).JSON200, r, err)
}

func abandonRun(ctx context.Context, client *apiclient.ClientWithResponses, id uuid.UUID) (api.Run, error) {
	r, err := client.AbandonRunWithResponse(ctx, id)
	return cli.Value(resultOf(r, err).JSON200, r, err)
}

// runActionCommand does something to a run; wanted is the state that it shall end in where the end is
// watched.
func runActionCommand(
	app *cli.App,
	verb, short, done string,
	wanted api.StateType,
	act runAction,
) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{Use: verb + " RUN", Short: short, Args: runArgs, ValidArgsFunction: runNames(app)}
	cmd.Flags().
		BoolVarP(&watch, "watch", "w", false, "follow the run; exit 0 when it ended as asked for, 1 otherwise")
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *apiclient.ClientWithResponses, id uuid.UUID) error {
		run, err := act(cmd.Context(), client, id)
		if err != nil {
			return err
		}
		if watch {
			return watchRun(cmd.Context(), app, client, watched{id, *format, wanted})
		}
		return printDone(app, *format, run, done, run.ID, cli.StateText(run.State))
	})
	return cmd
}
