package install

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

// hookCommand holds what only the chart's hooks call.
func hookCommand(app *cli.App) *cobra.Command {
	return cli.Group(
		&cobra.Command{Use: "hook", Short: "Commands for the hooks of the Helm chart", Hidden: true},
		hookDrainCommand(app), hookTestCommand(app), hookAppliedCommand(app))
}

// hookTestCommand is what the chart's test runs in the cluster.
func hookTestCommand(app *cli.App) *cobra.Command {
	var o linkOptions
	var pools []string
	cmd := &cobra.Command{
		Use:   "test --pool POOL",
		Short: "Run a job through server, worker and log, and say which link is broken",
		Args:  cobra.NoArgs,
	}
	cli.ClientFlags(cmd)
	cmd.Flags().StringSliceVar(&pools, "pool", nil, "work pool of the job (repeatable, a job each; default: the only one with a live worker)")
	cmd.Flags().StringVar(&o.image, "image", "", "image of Berth, of which the job prints the version")
	cli.PeriodVar(cmd.Flags(), &o.patience, "timeout", 2*time.Minute, "time for all of it")
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		if len(pools) == 0 {
			pools = []string{""}
		}
		for _, pool := range pools {
			o.pool = pool
			if err := testLinks(ctx, app, client, o); err != nil {
				return err
			}
		}
		return nil
	})
	return cmd
}
