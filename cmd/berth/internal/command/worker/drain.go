package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
	"github.com/berth-dev/berth/worker"
)

func drainCommand(app *cli.App) *cobra.Command {
	var kube flagset.Kube
	var log flagset.Log
	var keep bool
	var installation string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "End and finalize all Jobs of this installation, before an uninstall",
		Long: `End and finalize all Jobs of this installation, before an uninstall. Stop the workers first, or they
create more Jobs.

The server provides the ID of the installation. If the server is gone, set --installation to the
value of the label berth.dev/installation. Jobs are searched in --namespace and in each
--watch-namespace: name all namespaces that the workers use. Runs whose Jobs were ended say so, if the server
can be told.

The command returns when the Jobs are gone. It reports Jobs that a finalizer of another controller
still holds. It can be interrupted and run again.`,
		Example: `  berth worker drain --namespace berth --watch-namespace team-a --watch-namespace team-b
  berth worker drain --keep-jobs --installation 0f8fad5b-d9cb-469f-a165-70867728950e --timeout 2m`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&keep, "keep-jobs", false, "finalize the Jobs without ending them")
	cmd.Flags().
		StringVar(&installation, "installation", "", "ID of the installation (default: provided by the server)")
	cli.PeriodVar(cmd.Flags(), &timeout, "timeout", 0, "time after which the command fails and lists the remaining Jobs (default: no limit)")
	yes := cli.YesFlag(cmd)
	kube.Add(cmd)
	kube.AddClusterConfig(cmd)
	log.Add(cmd, "info")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options := worker.DrainOptions{Keep: keep}
		if installation != "" {
			id, err := uuid.Parse(installation)
			if err != nil {
				return cli.Usagef("--installation %q: must be a UUID", installation)
			}
			options.Installation = id
		}
		connection, err := app.Connection(cmd)
		if err != nil {
			return err
		}
		options.ServerURL, options.APIKey, options.Authorities = connection.URL, connection.Key, connection.Authorities
		logger, err := log.Logger(app)
		if err != nil {
			return err
		}
		options.Logger = logger
		if options.Runtime, err = kube.Runtime(cmd.Context(), logger, prometheus.NewRegistry()); err != nil {
			return err
		}
		if err := app.Destroy(cmd.Context(), cmd, nil, cli.Table, cli.Destruction{What: drains(keep), Yes: *yes}); err != nil {
			return err
		}
		ctx := cmd.Context()
		if timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, timeout,
				fmt.Errorf("gave up after %s; run it again to go on", timeout))
			defer cancel()
		}
		err = worker.RunDrain(ctx, options)
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("%w; %w", err, context.Cause(ctx))
		}
		if err != nil {
			return err
		}
		return app.Printf("drained\n")
	}
	return cmd
}

// drains says what a drain does, as the rest of a question.
func drains(keep bool) string {
	if keep {
		return "finalize all Jobs of the installation: they go on, and what becomes of their runs is not recorded"
	}
	return "end all Jobs of the installation, running ones included"
}
