package install

import (
	"context"
	"fmt"
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
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "test --pool POOL",
		Short: "Run a job through server, worker and log, and say which link is broken",
		Args:  cobra.NoArgs,
	}
	cli.ClientFlags(cmd)
	cmd.Flags().StringSliceVar(&pools, "pool", nil, "work pool of the job (repeatable, a job each; default: the only one with a live worker)")
	cmd.Flags().StringVar(&o.image, "image", "", "image of Berth, of which the job prints the version")
	cli.PeriodVar(cmd.Flags(), &patience, "timeout", 2*time.Minute, "time for all pools")
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, _ []string) error {
		if len(pools) == 0 {
			pools = []string{""}
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for _, pool := range pools {
			o.pool, o.patience = pool, linkPatience(ctx, patience)
			if o.patience <= 0 {
				return fmt.Errorf("pool %q is not tested: the time for all pools is over", pool)
			}
			if err := testLinks(ctx, app, client, o); err != nil {
				return err
			}
		}
		return nil
	})
	return cmd
}

// linkPatience is how long the next pool may take. Some of the time is kept for saying which link is broken.
func linkPatience(ctx context.Context, whole time.Duration) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline) - min(namingTime, whole/4)
}

const namingTime = 10 * time.Second
