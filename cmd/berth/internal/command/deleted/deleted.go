// Package deleted holds `berth deleted`: what was deleted and can be restored.
package deleted

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/undo"
	"github.com/berth-dev/berth/server/api"
)

// Command is `berth deleted`.
func Command(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "deleted", Short: "List, restore and purge what was deleted",
		Long: `List, restore and purge what was deleted.

Deleted pools, deployments, variables, queues and rules are kept for a time, 30 days unless the server
is configured otherwise. Who may delete them can restore them. An ID names all that one request
deleted, such as a deploy with --prune. One object is restored by its name, for example with
berth deployment restore NAME.`,
	}
	cli.ClientFlags(cmd)
	return cli.Group(cmd, lsCommand(app), restoreCommand(app), purgeCommand(app))
}

func lsCommand(app *cli.App) *cobra.Command {
	var kind, name, pool string
	var limit int
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List what can be restored, newest first", Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&kind, "kind", "", "only pool, queue, variable, rule or deployment")
	cmd.Flags().StringVar(&name, "name", "", "only objects of this name")
	cmd.Flags().StringVarP(&pool, "pool", "p", "", "only objects of this work pool")
	cmd.Flags().IntVarP(&limit, "limit", "n", 50, "maximum number of items; 0 for all")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		if limit < 0 {
			return cli.Usagef("--limit %d: must not be negative", limit)
		}
		params := api.ListDeletedParams{Name: cli.StringOrNil(name), Pool: cli.StringOrNil(pool)}
		if kind != "" {
			params.Kind = (*api.DeletedKind)(&kind)
		}
		items, err := list(ctx, client, params, limit)
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, items, []cli.Column[api.DeletedItem]{
			{Title: "kind", Cell: func(i api.DeletedItem) string { return string(i.Kind) }},
			{Title: "name", Cell: func(i api.DeletedItem) string { return i.Name }},
			{Title: "pool", Cell: func(i api.DeletedItem) string { return orDash(cli.Text(i.Pool)) }},
			{Title: "deleted", Cell: func(i api.DeletedItem) string { return app.Ago(i.DeletedAt) }},
			{Title: "by", Cell: func(i api.DeletedItem) string { return i.DeletedBy }},
			{Title: "kept", Cell: kept},
			{Title: "id", Cell: func(i api.DeletedItem) string { return i.Deletion.String() }},
		})
	})
	return cmd
}

func list(
	ctx context.Context, client *cli.Client, params api.ListDeletedParams, limit int,
) ([]api.DeletedItem, error) {
	return cli.Pages(limit, func(size int32, cursor *string) ([]api.DeletedItem, *string, error) {
		params.Limit, params.Cursor = &size, cursor
		page, err := cli.Value(client.ListDeletedWithResponse(ctx, &params))
		return page.Items, page.NextCursor, err
	})
}

func kept(i api.DeletedItem) string {
	if i.RestorableUntil == nil {
		return "forever"
	}
	return "until " + i.RestorableUntil.Local().Format("2006-01-02")
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func restoreCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore ID", Short: "Restore all that one request deleted",
		Long: `Restore all that one request deleted: everything or nothing. "berth deleted ls" shows the IDs.`,
		Args: cobra.ExactArgs(1),
	}
	reason := cli.BreakGlassFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		id, err := readID(args[0])
		if err != nil {
			return err
		}
		return undo.Restore(ctx, app, client, undo.Restoration{
			Body: api.RestoreRequest{Deletion: &id}, BreakGlass: *reason,
		}, *format)
	})
	return cmd
}

func purgeCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "purge ID", Short: "Remove for good all that one request deleted",
		Long: "Remove for good all that one request deleted, with the values of variables and the runs of\n" +
			"deployments, before its time has come. \"berth deleted ls\" shows the IDs.",
		Args: cobra.ExactArgs(1),
	}
	yes := cli.YesFlag(cmd)
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		id, err := readID(args[0])
		if err != nil {
			return err
		}
		items, err := list(ctx, client, api.ListDeletedParams{Deletion: &id}, 0)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("remove for good %s", contents(items))
		if err := app.Destroy(ctx, cmd, args, *format, cli.Destruction{What: what, Yes: *yes}); err != nil {
			return err
		}
		purged, err := cli.Value(client.PurgeDeletedWithResponse(ctx, api.PurgeRequest{Deletion: &id}))
		if err != nil {
			return err
		}
		return undo.Print(app, *format, purged, "removed for good")
	})
	return cmd
}

// contents names what a purge removes.
func contents(items []api.DeletedItem) string {
	const most = 5
	text := ""
	for i, item := range items {
		if i == most {
			return text + fmt.Sprintf(" and %d more", len(items)-most)
		}
		if i > 0 {
			text += ", "
		}
		text += undo.Name(item)
	}
	if text == "" {
		return "nothing"
	}
	return text
}

func readID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, cli.Usagef("%q is not the ID of a deletion; berth deleted ls shows them", text)
	}
	return id, nil
}
