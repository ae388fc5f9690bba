package main

import (
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/worker"
)

func workerDrainCommand(app *cli.App) *cobra.Command {
	var kube kubeFlags
	var log logFlags
	var keep bool
	var installation string
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "End this installation's Jobs in the cluster and release their finalizers: what runs before an uninstall",
		Long: `End this installation's Jobs in the cluster and release their finalizers: what runs before an uninstall.

Whose Jobs they are is asked of the server. With the server gone, say it with --installation; it is the value of the label
berth.dev/installation.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&keep, "keep-jobs", false, "leave the Jobs as they are, only release their finalizers")
	cmd.Flags().StringVar(&installation, "installation", "", "the installation's id (default: the server's)")
	kube.add(cmd)
	log.add(cmd, "info")
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
		logger, err := log.logger(app)
		if err != nil {
			return err
		}
		if options.Runtime, err = kube.runtime(logger, prometheus.NewRegistry()); err != nil {
			return err
		}
		if err := worker.RunDrain(cmd.Context(), options); err != nil {
			return err
		}
		return app.Printf("drained\n")
	}
	return cmd
}
