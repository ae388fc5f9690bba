package install

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
	"github.com/berth-dev/berth/worker"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// drainHook is what the hook before an uninstall does: prove that one is under way, stop the workers, end the Jobs.
type drainHook struct {
	release          cluster.HelmRelease
	requireUninstall bool
	installations    string // ConfigMap in which the workers recorded theirs
	testPod          string
	keepJobs         bool
	kube             flagset.Kube
	log              flagset.Log
}

func hookDrainCommand(app *cli.App) *cobra.Command {
	var hook drainHook
	cmd := &cobra.Command{
		Use:   "drain --release NAME --release-namespace NAMESPACE --deployment NAME",
		Short: "Stop the workers and end all Jobs of this installation, if an uninstall is under way",
		Args:  cobra.NoArgs,
	}
	cli.ClientFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&hook.release.Name, "release", "", "name of the release")
	flags.StringVar(&hook.release.Namespace, "release-namespace", "", "namespace in which Helm keeps its records of the release")
	flags.IntVar(&hook.release.Revision, "revision", 1, "revision of the release that this hook belongs to")
	flags.StringSliceVar(&hook.release.Deployments, "deployment", nil, "Deployment of workers to stop (repeatable)")
	flags.BoolVar(&hook.requireUninstall, "require-uninstall", true,
		"do nothing unless Helm's record says that it is uninstalling the release")
	flags.StringVar(&hook.installations, "recorded-installations", "",
		"ConfigMap in which the workers recorded the ID of their installation")
	flags.StringVar(&hook.testPod, "test-pod", "", "pod of the chart's test to delete")
	flags.BoolVar(&hook.keepJobs, "keep-jobs", false, "finalize the Jobs without ending them")
	hook.kube.Add(cmd)
	hook.kube.AddClusterConfig(cmd)
	hook.log.Add(cmd, "info")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r := hook.release
		if r.Name == "" || r.Namespace == "" || len(r.Deployments) == 0 {
			return cli.Usagef("hook drain needs --release, --release-namespace and --deployment")
		}
		return hook.run(cmd.Context(), cmd, app)
	}
	return cmd
}

func (h *drainHook) run(ctx context.Context, cmd *cobra.Command, app *cli.App) error {
	logger, err := h.log.Logger(app)
	if err != nil {
		return err
	}
	home, err := h.kube.Home("") // the pod is in the namespace of the workers
	if err != nil {
		return err
	}
	if h.requireUninstall {
		err := home.CheckUninstall(ctx, h.release)
		var none *cluster.NoUninstallError
		if errors.As(err, &none) {
			logger.Warn("nothing is drained: " + none.Reason)
			return nil
		}
		if err != nil {
			return fmt.Errorf("nothing is drained: %w; set worker.drain.requireUninstall=false if this is an uninstall", err)
		}
	}

	// A running worker would start the next run as soon as a Job is gone.
	for _, name := range h.release.Deployments {
		if err := home.StopDeployment(ctx, "", name); err != nil {
			return err
		}
		logger.Info("workers are stopped", "deployment", name)
	}
	if h.testPod != "" {
		if err := home.DeletePod(ctx, h.testPod); err != nil {
			return err
		}
	}

	options := worker.DrainOptions{Keep: h.keepJobs, Logger: logger}
	if h.installations != "" {
		if options.Recorded, err = home.RecordedInstallations(ctx, h.installations); err != nil {
			return err
		}
	}
	connection, err := app.Connection(cmd)
	if err != nil {
		return err
	}
	options.ServerURL, options.APIKey, options.Authorities = connection.URL, connection.Key, connection.Authorities
	if options.Runtime, err = h.kube.Runtime(ctx, logger, prometheus.NewRegistry()); err != nil {
		return err
	}
	if err := worker.RunDrain(ctx, options); err != nil {
		return err
	}
	logger.Info("drained", "jobs_kept", h.keepJobs)
	return nil
}
