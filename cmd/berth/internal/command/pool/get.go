package pool

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
)

func getCommand(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get NAME",
		Short:             "Show a work pool",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: lookup.PoolNames(app),
	}
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		pool, err := cli.Value(client.GetWorkPoolWithResponse(ctx, args[0]))
		if err != nil {
			return err
		}
		return cli.PrintObject(app, *format, pool, []cli.Field{
			{Name: "Name", Value: pool.Name},
			{Name: "Type", Value: string(pool.Type)},
			{Name: "Status", Value: cli.PausedText(pool.Paused) + app.PausedBy(pool.Pause)},
			{Name: "Description", Value: pool.Description},
			{Name: "Project", Value: cli.Text(pool.Project)},
			{Name: "Slots", Value: cli.SlotsText(pool.SlotsUsed, pool.ConcurrencyLimit)},
			{
				Name: "Template",
				Value: fmt.Sprintf("version %d (berth pool template get %s)", pool.TemplateVersion,
					pool.Name),
			},
			{Name: "Job variables may name", Value: referenceLines(pool.References)},
			{Name: "Run tokens", Value: strings.Join(pool.RunTokenAudiences, ", ")},
			{Name: "Approvals", Value: policyText(pool.Approvals)},
			{Name: "Open approval requests", Value: openText(pool)},
			{Name: "ID", Value: pool.ID.String()},
			{Name: "Created", Value: app.Ago(pool.CreatedAt)},
			{Name: "Updated", Value: app.Ago(pool.UpdatedAt)},
		})
	})
	return cmd
}
