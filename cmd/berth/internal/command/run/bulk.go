package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

// bulkAction is what can be done to one run, and to many of them.
type bulkAction struct {
	verb, short, long string
	done              string // of one run: its id and its state
	past              string // of many
	one               runAction
	many              func(context.Context, *cli.Client, api.RunSelection) (api.RunBulkResult, error)
	want              api.StateType   // that a watched run shall end in
	defaultStates     []api.StateType // what a filter without states finds
	leavesCancelled   bool            // a filter without states leaves out what was cancelled
}

// bulkCommand does something to one run or to many.
func bulkCommand(app *cli.App, act bulkAction) *cobra.Command {
	var filter runFilter
	var watch, includeCancelled, dryRun bool
	cmd := &cobra.Command{
		Use:               act.verb + " [RUN…]",
		Short:             act.short,
		Long:              act.long,
		ValidArgsFunction: lookup.RunNames(app),
	}
	filter.add(cmd)
	cmd.Flags().
		BoolVarP(&watch, "watch", "w", false, "follow the run; exit with 0 if it reached the requested state, 1 otherwise")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "with a filter: list the runs and change nothing")
	yes := cli.YesFlag(cmd)
	if act.leavesCancelled {
		cmd.Flags().BoolVar(&includeCancelled, "include-cancelled", false,
			"with a filter: retry runs that were cancelled, too")
	}
	for _, flag := range filter.names() {
		cmd.MarkFlagsMutuallyExclusive("watch", flag)
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 && !filter.isSet():
			return cli.Usagef("specify runs by ID or name, or a filter such as --deployment NAME")
		case len(args) > 0 && filter.isSet():
			return cli.Usagef("specify either runs or a filter, not both")
		case len(args) > 0 && dryRun:
			return cli.Usagef("--dry-run requires a filter such as --deployment NAME")
		case len(args) > 1 && watch:
			return cli.Usagef("--watch requires exactly one run")
		}
		return nil
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		b := bulk{app: app, client: client, action: act, format: *format, cmd: cmd, yes: *yes, dryRun: dryRun}
		if includeCancelled {
			b.action.leavesCancelled = false
			b.action.defaultStates = append(slices.Clone(act.defaultStates), api.CANCELLED)
		}
		switch {
		case len(args) == 1:
			return b.single(ctx, args[0], watch)
		case len(args) > 1:
			return b.named(ctx, args)
		}
		return b.filtered(ctx, filter)
	})
	return cmd
}

type bulk struct {
	app    *cli.App
	client *cli.Client
	action bulkAction
	format cli.Format
	cmd    *cobra.Command
	yes    bool
	dryRun bool
}

func (b bulk) single(ctx context.Context, text string, watch bool) error {
	id, err := lookup.FindRun(ctx, b.client, text)
	if err != nil {
		return err
	}
	run, err := b.action.one(ctx, b.client, id)
	if err != nil {
		return err
	}
	if watch {
		return Watch(ctx, b.app, b.client, WatchOptions{id, b.format, b.action.want})
	}
	return cli.PrintConfirmation(b.app, b.format, run, b.action.done, run.Name, run.ID,
		cli.StateText(run.State))
}

// maxSelected is how many runs one call takes.
const maxSelected = 500

func (b bulk) named(ctx context.Context, texts []string) error {
	ids := make([]uuid.UUID, len(texts))
	for i, text := range texts {
		id, err := lookup.FindRun(ctx, b.client, text)
		if err != nil {
			return err // before anything was done
		}
		ids[i] = id
	}
	total := api.RunBulkResult{Done: []api.Run{}, Refused: []api.RunRefused{}}
	for len(ids) > 0 {
		some := ids[:min(len(ids), maxSelected)]
		ids = ids[len(some):]
		result, err := b.action.many(ctx, b.client, api.RunSelection{Ids: &some})
		if err != nil {
			return b.partialError(total, err)
		}
		total.Done, total.Refused = append(total.Done, result.Done...), append(total.Refused,
			result.Refused...)
	}
	return b.printResult(total)
}

func (b bulk) filtered(ctx context.Context, f runFilter) error {
	filter, err := f.selection(b.app.Now())
	if err != nil {
		return err
	}
	if filter.States == nil {
		filter.States = &b.action.defaultStates
		if err := b.sayLeftOut(ctx, filter); err != nil {
			return err
		}
	}
	if b.dryRun {
		return b.list(ctx, filter)
	}
	if err := b.confirm(ctx, filter); err != nil {
		return err
	}
	total := api.RunBulkResult{Done: []api.Run{}, Refused: []api.RunRefused{}}
	selection := api.RunSelection{Filter: &filter}
	for {
		result, err := b.action.many(ctx, b.client, selection)
		if err != nil {
			return b.partialError(total, err)
		}
		total.Done, total.Refused = append(total.Done,
			result.Done...), append(total.Refused, result.Refused...)
		if result.NextCursor == nil {
			return b.printResult(total)
		}
		if selection.Cursor != nil && *selection.Cursor == *result.NextCursor {
			return b.partialError(total, errors.New("the list does not end: the server repeats a page"))
		}
		selection.Cursor = result.NextCursor
		b.app.Notef("%s so far", cli.Plural(len(total.Done), "run"))
	}
}

// confirm says how many runs it is about, and asks a person.
func (b bulk) confirm(ctx context.Context, f api.RunSelectionFilter) error {
	if b.yes {
		return nil
	}
	counts, err := b.count(ctx, f)
	if err != nil || counts.Total == 0 && !counts.AtLeast {
		return err // what it comes to is said at the end
	}
	what := fmt.Sprintf("%s %s", b.action.verb, lookup.Counted(counts))
	return b.app.Destroy(ctx, b.cmd, nil, b.format, cli.Destruction{What: what})
}

// list prints the runs of a filter, of which nothing is changed.
func (b bulk) list(ctx context.Context, f api.RunSelectionFilter) error {
	runs, err := cli.Pages(0, func(limit int32, cursor *string) ([]api.Run, *string, error) {
		page, err := cli.Value(b.client.ListRunsWithResponse(ctx, &api.ListRunsParams{
			Pool: f.Pool, Queue: f.Queue, Deployment: f.Deployment, State: f.States, Tag: f.Tags, Text: f.Text,
			AnyTag: f.AnyTags, Cause: f.Causes, CreatedBy: f.CreatedBy, Schedule: f.Schedule,
			CreatedAfter: f.CreatedAfter, CreatedBefore: f.CreatedBefore, Limit: &limit, Cursor: cursor,
		}))
		return page.Items, page.NextCursor, err
	})
	if err != nil {
		return err
	}
	b.app.Notef("dry run: would %s %s", b.action.verb, cli.Plural(len(runs), "run"))
	return cli.PrintList(b.app, b.format, runs, []cli.Column[api.Run]{
		{Title: "name", Cell: func(r api.Run) string { return r.Name }},
		{Title: "deployment", Cell: func(r api.Run) string { return r.Deployment }},
		{Title: "state", Cell: func(r api.Run) string { return cli.StateText(r.State) }},
		{Title: "id", Cell: func(r api.Run) string { return r.ID.String() }},
	})
}

func (b bulk) count(ctx context.Context, f api.RunSelectionFilter) (api.RunCounts, error) {
	return cli.Value(b.client.CountRunsWithResponse(ctx, &api.CountRunsParams{
		Pool: f.Pool, Queue: f.Queue, Deployment: f.Deployment, State: f.States, Tag: f.Tags, Text: f.Text,
		AnyTag: f.AnyTags, Cause: f.Causes, CreatedBy: f.CreatedBy, Schedule: f.Schedule,
		CreatedAfter: f.CreatedAfter, CreatedBefore: f.CreatedBefore,
	}))
}

// maxLeftOut is how many of the runs that are left out are named.
const maxLeftOut = 10

// sayLeftOut names the runs that match the filter and were cancelled on purpose, which are not retried unless
// asked for.
func (b bulk) sayLeftOut(ctx context.Context, f api.RunSelectionFilter) error {
	if !b.action.leavesCancelled {
		return nil
	}
	f.States = &[]api.StateType{api.CANCELLED}
	counts, err := b.count(ctx, f)
	if err != nil || counts.Total == 0 {
		return err
	}
	limit := int32(maxLeftOut)
	page, err := cli.Value(b.client.ListRunsWithResponse(ctx, &api.ListRunsParams{
		Pool: f.Pool, Queue: f.Queue, Deployment: f.Deployment, State: f.States, Tag: f.Tags, Text: f.Text,
		AnyTag: f.AnyTags, Cause: f.Causes, CreatedBy: f.CreatedBy, Schedule: f.Schedule,
		CreatedAfter: f.CreatedAfter, CreatedBefore: f.CreatedBefore, Limit: &limit,
	}))
	if err != nil {
		return err
	}
	names := make([]string, len(page.Items))
	for i, run := range page.Items {
		names[i] = run.Name
	}
	list := strings.Join(names, ", ")
	if int(counts.Total) > len(names) || counts.AtLeast {
		list += ", …"
	}
	b.app.Notef("%s left out (%s), because they were cancelled: retry them as well with --include-cancelled",
		lookup.Counted(counts), list)
	return nil
}

// partialError says what was done before a call failed.
func (b bulk) partialError(total api.RunBulkResult, err error) error {
	if n := len(total.Done); n > 0 {
		return fmt.Errorf("after %s: %w", cli.Plural(n, "run"), err)
	}
	return err
}

// printResult prints what became of the runs, and fails where one was refused.
func (b bulk) printResult(total api.RunBulkResult) error {
	if b.format != cli.Table {
		if err := b.app.PrintDocument(b.format, total); err != nil {
			return err
		}
	} else {
		for _, run := range total.Done {
			if err := b.app.Printf(b.action.done+"\n", run.Name, run.ID, cli.StateText(run.State)); err != nil {
				return err
			}
		}
		if len(total.Done)+len(total.Refused) == 0 {
			b.app.Notef("no runs to %s", b.action.verb)
		} else {
			b.app.Notef("%s: %s", cli.Plural(len(total.Done), "run"), b.action.past)
		}
	}
	style := b.app.Style(b.app.Err)
	for _, refused := range total.Refused {
		b.app.Notef("%s %s", style.Failure("error:"), refused.Message)
	}
	if len(total.Refused) > 0 {
		return &cli.SilentError{Code: cli.ExitFailed}
	}
	return nil
}
