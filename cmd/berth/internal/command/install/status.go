package install

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/charts/release"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

func statusCommand(app *cli.App) *cobra.Command {
	var flags releaseFlags
	var test bool
	var pool string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show an installation and its health",
		Long: `Show an installation, its health and the next steps. Exits with 1 and the reasons if it is unhealthy.

Without a cluster, or without an installation in it, the command shows the server that all commands
talk to, and exits with 1 if runs are due in a pool without a live worker. A flag that names a
cluster, a namespace or a release asks for the installation only.

With --test, the command runs a job through server, worker and log, prints a line for each link with its
time, and names the one that is broken. In a cluster, a pod of the chart does so.`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd)
	cli.ClientFlags(cmd)
	cmd.Flags().BoolVar(&test, "test", false, "also run a job, and say for each link how long it took, or which is broken")
	cmd.Flags().StringVar(&pool, "pool", "", "pool of the job of --test on a server outside a cluster (default: the only one with a live worker)")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, status, err := flags.status(app, cmd)
		if err != nil && !asksForCluster(cmd) {
			if server, serverErr := serverStatus(cmd.Context(), app, cmd); serverErr == nil {
				return flags.showServer(app, cmd, *format, server, linkOptions{pool: pool}, test)
			}
		}
		if errors.Is(err, release.ErrNotInstalled) {
			usage := cli.Usagef("%v", err)
			usage.Details = []string{
				fmt.Sprintf("next: install it: berth install -n %s --name %s", client.Namespace(),
					flags.name),
			}
			return usage
		}
		if client == nil {
			return err
		}
		if err != nil {
			return installError(err)
		}
		if err := cli.PrintObject(app, *format, status, statusFields(status)); err != nil {
			return err
		}
		if !status.Healthy() {
			return &release.NotReadyError{
				Err:      fmt.Errorf("%s is not healthy", status.Name),
				Findings: append(status.Findings, steps(status)...),
			}
		}
		if !test {
			return nil
		}
		if err := client.Check(cmd.Context()); err != nil {
			return installError(err)
		}
		return app.Printf("passed\n")
	}
	return cmd
}

// status asks the cluster; the client is nil where none is configured.
func (f *releaseFlags) status(app *cli.App, cmd *cobra.Command) (*release.Client, release.Status, error) {
	client, err := f.client(app)
	if err != nil {
		return nil, release.Status{}, err
	}
	ctx := cmd.Context()
	if !asksForCluster(cmd) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, clusterPatience)
		defer cancel()
	}
	status, err := client.Status(ctx)
	return client, status, err
}

func statusFields(s release.Status) []cli.Field {
	var workloads []string
	for _, w := range s.Workloads {
		workloads = append(workloads,
			fmt.Sprintf("%s %s: %d of %d ready", strings.ToLower(w.Kind), w.Name, w.Ready, w.Want))
	}
	return []cli.Field{
		{Name: "Name", Value: s.Name},
		{Name: "Namespace", Value: s.Namespace},
		{Name: "Jobs in", Value: jobsIn(s)},
		{Name: "State", Value: s.State},
		{Name: "Revision", Value: fmt.Sprint(s.Revision)},
		{Name: "Chart", Value: s.Chart},
		{Name: "Version", Value: s.AppVersion},
		{Name: "Updated", Value: s.Updated.Format(time.RFC3339)},
		{Name: "Message", Value: s.Message},
		{Name: "Workloads", Value: strings.Join(workloads, "\n")},
		{Name: "Next", Value: nextIfHealthy(s)},
	}
}

// jobsIn is the namespace of the Jobs, with a warning where they can reach the Secrets of the installation.
func jobsIn(s release.Status) string {
	if s.SharesNamespace {
		return s.JobsNamespace + " (shared: pods there can read the API keys of Berth)"
	}
	return s.JobsNamespace
}

// nextIfHealthy is said with the fields; otherwise it comes after what is wrong.
func nextIfHealthy(s release.Status) string {
	if !s.Healthy() {
		return ""
	}
	return strings.Join(s.NextSteps, "\n")
}

// steps are the next steps as lines of an error.
func steps(s release.Status) []string {
	lines := make([]string, 0, len(s.NextSteps))
	for _, step := range s.NextSteps {
		lines = append(lines, "next: "+step)
	}
	return lines
}
