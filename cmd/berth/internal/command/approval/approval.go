// Package approval holds `berth approval` and `berth approve`: what waits for the approval of another person.
package approval

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// Commands are `berth approval` and `berth approve`.
func Commands(app *cli.App) []*cobra.Command {
	group := &cobra.Command{Use: "approval", Short: "Look at changes that wait for an approval, reject or withdraw them"}
	cli.ClientFlags(group)
	approve := approveCommand(app)
	cli.ClientFlags(approve)
	return []*cobra.Command{
		cli.Group(group, lsCommand(app), getCommand(app), rejectCommand(app), withdrawCommand(app)), approve,
	}
}

// idOf reads the id of a request.
func idOf(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, cli.Usagef("%q is no id of an approval request; berth approval ls lists them", text)
	}
	return id, nil
}

func get(ctx context.Context, client *cli.Client, text string) (api.Approval, error) {
	id, err := idOf(text)
	if err != nil {
		return api.Approval{}, err
	}
	return cli.Value(client.GetApprovalWithResponse(ctx, id))
}

func lsCommand(app *cli.App) *cobra.Command {
	var pool string
	var states []string
	var all bool
	var limit int
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Args: cobra.NoArgs,
		Short: "List approval requests, by default the open and approved ones",
	}
	cmd.Flags().StringVar(&pool, "pool", "", "only requests of this pool")
	cmd.Flags().StringSliceVar(&states, "state", []string{"open", "approved"},
		"only requests in these states: open, approved, used, rejected, withdrawn, lapsed, bypassed")
	cmd.Flags().BoolVar(&all, "all", false, "also requests that have ended")
	cmd.Flags().IntVarP(&limit, "limit", "n", 50, "maximum number of items; 0 for all")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		filter, err := stateFilter(states, all)
		if err != nil {
			return err
		}
		if limit < 0 {
			return cli.Usagef("--limit %d: must not be negative", limit)
		}
		list, err := cli.Pages(limit, func(size int32, cursor *string) ([]api.Approval, *string, error) {
			page, err := cli.Value(client.ListApprovalsWithResponse(ctx, &api.ListApprovalsParams{
				Limit: &size, Cursor: cursor, Pool: cli.StringOrNil(pool), State: filter,
			}))
			return page.Items, page.NextCursor, err
		})
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, list, []cli.Column[api.Approval]{
			{Title: "id", Cell: func(a api.Approval) string { return a.ID.String() }},
			{Title: "pool", Cell: func(a api.Approval) string { return a.Pool }},
			{Title: "state", Cell: func(a api.Approval) string { return string(a.State) }},
			{Title: "changes", Cell: summary},
			{Title: "asked by", Cell: func(a api.Approval) string { return a.AskedBy }},
			{Title: "asked", Cell: func(a api.Approval) string { return app.Ago(a.AskedAt) }},
			{Title: "you can approve", Cell: func(a api.Approval) string { return yesNo(a.MayApprove) }},
		})
	})
	return cmd
}

func stateFilter(states []string, all bool) (*[]api.ApprovalState, error) {
	if all {
		return nil, nil
	}
	filter := cli.Map(states, func(s string) api.ApprovalState { return api.ApprovalState(s) })
	for _, state := range filter {
		if !state.Valid() {
			return nil, cli.Usagef("--state %q: must be open, approved, used, rejected, withdrawn, lapsed or bypassed", state)
		}
	}
	return &filter, nil
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// summary names what a request changes.
func summary(a api.Approval) string {
	names := cli.Map(a.Items, func(c api.Change) string { return fmt.Sprintf("%s %s %s", c.Action, c.Kind, c.Name) })
	return strings.Join(names, ", ")
}

func getCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "get ID", Short: "Show an approval request with its plan", Args: cobra.ExactArgs(1)}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		a, err := get(ctx, client, args[0])
		if err != nil {
			return err
		}
		if *format != cli.Table {
			return app.PrintDocument(*format, a)
		}
		return show(app, a)
	})
	return cmd
}

// show prints a request and its plan.
func show(app *cli.App, a api.Approval) error {
	expires := ""
	if a.ExpiresAt != nil {
		expires = app.Ago(*a.ExpiresAt)
	}
	err := app.PrintFields([]cli.Field{
		{Name: "ID", Value: a.ID.String()},
		{Name: "Pool", Value: a.Pool},
		{Name: "State", Value: string(a.State)},
		{Name: "Needs", Value: fmt.Sprintf("another person with role %s or higher in the pool", a.Approver)},
		{Name: "Asked by", Value: a.AskedBy + ", " + app.Ago(a.AskedAt)},
		{Name: "Decided by", Value: cli.Text(a.DecidedBy)},
		{Name: "Used by", Value: cli.Text(a.UsedBy)},
		{Name: "Reason", Value: cli.Text(a.Reason)},
		{Name: "Lapses", Value: expires},
		{Name: "Fingerprint", Value: a.Fingerprint},
		{Name: "You", Value: cli.Text(a.MayNot)},
	})
	if err != nil {
		return err
	}
	return showPlan(app, a.Items)
}

func showPlan(app *cli.App, items []api.Change) error {
	style := app.Style(app.Out)
	for _, c := range items {
		line := fmt.Sprintf("%s %s", c.Kind, c.Name)
		switch c.Action {
		case api.Create:
			line = style.Success("+ create " + line)
		case api.Delete:
			line = style.Failure("- delete " + line)
		default:
			line = style.Active("~ update " + line)
		}
		if err := app.Printf("%s\n", line); err != nil {
			return err
		}
		if err := app.PrintDiff(cli.Text(c.Text)); err != nil {
			return err
		}
	}
	return nil
}
