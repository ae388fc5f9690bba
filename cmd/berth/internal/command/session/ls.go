package session

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func lsCommand(app *cli.App) *cobra.Command {
	var all, ended bool
	var user string
	var limit int
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List your sessions, or those of other people",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&all, "all", false, "list the sessions of all people; needs the role admin in all pools")
	cmd.Flags().StringVar(&user, "user", "", "list the sessions of this person, by email address or subject")
	cmd.Flags().BoolVar(&ended, "ended", false, "also list expired and revoked sessions")
	cmd.Flags().IntVarP(&limit, "limit", "n", 50, "maximum number of items; 0 for all")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		if limit < 0 {
			return cli.Usagef("--limit %d: must not be negative", limit)
		}
		sessions, err := cli.Pages(limit, func(size int32, cursor *string) ([]api.Session, *string, error) {
			page, err := cli.Value(client.ListSessionsWithResponse(ctx, &api.ListSessionsParams{
				Limit: &size, Cursor: cursor, Everyone: &all, User: cli.StringOrNil(user), Ended: &ended,
			}))
			return page.Items, page.NextCursor, err
		})
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, sessions, []cli.Column[api.Session]{
			{Title: "id", Cell: func(s api.Session) string { return s.ID }},
			{Title: "user", Cell: func(s api.Session) string { return s.User }},
			{Title: "kind", Cell: func(s api.Session) string { return string(s.Kind) }},
			{Title: "state", Cell: state},
			{Title: "client", Cell: func(s api.Session) string { return orDash(s.Client) }},
			{Title: "address", Cell: func(s api.Session) string { return orDash(s.Address) }},
			{Title: "last used", Cell: func(s api.Session) string { return app.Ago(s.LastUsedAt) }},
			{Title: "expires", Cell: func(s api.Session) string { return app.Ago(s.ExpiresAt) }},
		})
	})
	return cmd
}

func state(s api.Session) string {
	if s.Current {
		return string(s.State) + ", this one"
	}
	return string(s.State)
}

func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}
