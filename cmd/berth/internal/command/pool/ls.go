package pool

import (
	"fmt"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
	"github.com/spf13/cobra"
)

func lsCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{Use: "ls", Aliases: []string{"list"}, Short: "List work pools", Args: cobra.NoArgs}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		pools, err := lookup.ListPools(cmd.Context(), client)
		if err != nil {
			return err
		}
		return cli.List(app, *format, pools, []cli.Column[api.WorkPool]{
			{Title: "name", Cell: func(p api.WorkPool) string { return p.Name }},
			{Title: "type", Cell: func(p api.WorkPool) string { return string(p.Type) }},
			{Title: "status", Cell: func(p api.WorkPool) string { return cli.PausedText(p.Paused) }},
			{
				Title: "slots",
				Cell:  func(p api.WorkPool) string { return cli.Slots(p.SlotsUsed, p.ConcurrencyLimit) },
			},
			{
				Title: "template",
				Cell:  func(p api.WorkPool) string { return fmt.Sprintf("v%d", p.TemplateVersion) },
			},
			{Title: "created", Cell: func(p api.WorkPool) string { return app.Ago(p.CreatedAt) }},
		})
	}
	return cmd
}
