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
		Short: "End this installation's Jobs in the cluster and release their finalizers: what runs before an uninstall",
		Long: `End this installation's Jobs in the cluster and release their finalizers: what runs before an uninstall.

Whose Jobs they are is asked of the server. With the server gone, say it with --installation; it is the value of the label
berth.dev/installation. Jobs are looked for in --namespace and every --watch-namespace: name all that the workers serve.

It returns when they are gone. What somebody else's finalizer holds is left to them, and said. It can be interrupted and
repeated; stop the workers first, or they go on claiming.`,
		Example: `  berth worker drain --namespace berth --watch-namespace team-a --watch-namespace team-b
  berth worker drain --keep-jobs --installation 0f8fad5b-d9cb-469f-a165-70867728950e --timeout 2m`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().
		BoolVar(&keep, "keep-jobs", false, "leave the Jobs as they are, only release their finalizers")
	cmd.Flags().StringVar(&installation, "installation", "", "the installation's id (default: the server's)")
	cmd.Flags().
		DurationVar(&timeout, "timeout", 0, "give up after so long and say what is left (default: wait as long as it takes)")
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
		if options.Runtime, err = kube.Runtime(cmd.Context(), logger, prometheus.NewRegistry()); err != nil {
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
