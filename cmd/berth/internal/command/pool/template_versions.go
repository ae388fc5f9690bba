package pool

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func templateVersionsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "versions POOL", Short: "List the versions of the template, newest first",
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		versions, err := cli.Pages(
			0,
			func(limit int32, cursor *string) ([]api.TemplateVersion, *string, error) {
				page, err := cli.Value(client.ListTemplateVersionsWithResponse(ctx, args[0],
					&api.ListTemplateVersionsParams{Limit: &limit, Cursor: cursor}))
				return page.Items, page.NextCursor, err
			},
		)
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, versions, []cli.Column[api.TemplateVersion]{
			{Title: "version", Cell: func(v api.TemplateVersion) string { return fmt.Sprint(v.Version) }},
			{Title: "saved", Cell: func(v api.TemplateVersion) string { return app.Ago(v.CreatedAt) }},
			{Title: "by", Cell: func(v api.TemplateVersion) string { return v.CreatedBy }},
			{Title: "id", Cell: func(v api.TemplateVersion) string { return v.ID.String() }},
			{Title: "comment", Cell: func(v api.TemplateVersion) string { return firstLine(v.Comment) }},
		})
	})
	return cmd
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
