package pool

import (
	"fmt"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/spf13/cobra"
)

func getCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get NAME",
		Short:             "Show a work pool",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: lookup.PoolNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := app.Client(cmd)
		if err != nil {
			return err
		}
		r, err := client.GetWorkPoolWithResponse(cmd.Context(), args[0])
		pool, err := cli.Value(cli.ResultOf(r, err).JSON200, r, err)
		if err != nil {
			return err
		}
		return cli.One(app, *format, pool, []cli.Field{
			{
				Name:  "Name",
				Value: pool.Name,
			}, {Name: "Type", Value: string(pool.Type)}, {Name: "Status", Value: cli.PausedText(pool.Paused)},
			{
				Name:  "Description",
				Value: pool.Description,
			}, {Name: "Project", Value: cli.Text(pool.Project)}, {Name: "Slots", Value: cli.Slots(pool.SlotsUsed, pool.ConcurrencyLimit)},
			{
				Name: "Template",
				Value: fmt.Sprintf("version %d (berth pool template get %s)", pool.TemplateVersion,
					pool.Name),
			},
			{
				Name:  "ID",
				Value: pool.ID.String(),
			}, {Name: "Created", Value: app.Ago(pool.CreatedAt)}, {Name: "Updated", Value: app.Ago(pool.UpdatedAt)},
		})
	}
	return cmd
}
