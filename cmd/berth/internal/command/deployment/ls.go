package deployment

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func lsCommand(app *cli.App) *cobra.Command {
	var pool string
	var failing bool
	cmd := &cobra.Command{Use: "ls", Aliases: []string{"list"}, Short: "List deployments", Args: cobra.NoArgs}
	cmd.Flags().StringVarP(&pool, "pool", "p", "", "filter by pool")
	cmd.Flags().BoolVar(&failing, "failing", false, "only deployments whose last run, of those not cancelled, has failed")
	format := cli.OutputFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		deployments, err := lookup.ListDeployments(ctx, client, api.ListDeploymentsParams{
			Pool: cli.StringOrNil(pool), Failing: cli.TrueOrNil(failing),
		})
		if err != nil {
			return err
		}
		return cli.PrintList(app, *format, deployments, []cli.Column[api.Deployment]{
			{Title: "name", Cell: func(d api.Deployment) string { return d.Name }},
			{Title: "pool", Cell: func(d api.Deployment) string { return d.Pool }},
			{Title: "queue", Cell: func(d api.Deployment) string { return d.Queue }},
			{Title: "status", Cell: func(d api.Deployment) string { return cli.PausedText(d.Paused) }},
			{Title: "version", Cell: func(d api.Deployment) string { return d.Version }},
			{Title: "updated", Cell: func(d api.Deployment) string { return app.Ago(d.UpdatedAt) }},
		})
	})
	return cmd
}
