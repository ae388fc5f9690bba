package pool

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func lsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "ls", Aliases: []string{"list"}, Short: "List work pools", Args: cobra.NoArgs}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		pools, err := lookup.ListPools(ctx, client)
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, pools, []cli.Column[api.WorkPool]{
			{Title: "name", Cell: func(p api.WorkPool) string { return p.Name }},
			{Title: "type", Cell: func(p api.WorkPool) string { return string(p.Type) }},
			{Title: "status", Cell: func(p api.WorkPool) string { return cli.PausedText(p.Paused) }},
			{
				Title: "slots",
				Cell:  func(p api.WorkPool) string { return cli.SlotsText(p.SlotsUsed, p.ConcurrencyLimit) },
			},
			{
				Title: "template",
				Cell:  func(p api.WorkPool) string { return fmt.Sprintf("v%d", p.TemplateVersion) },
			},
			{Title: "created", Cell: func(p api.WorkPool) string { return app.Ago(p.CreatedAt) }},
		})
	})
	return cmd
}
