// Package install holds `berth install`, `upgrade`, `uninstall` and `status`: the Helm chart through the Helm
// SDK.
package install

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/charts/release"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/command/keys"
)

// Commands work on the chart in this binary: they need neither the helm program nor a chart
// repository.
func Commands(app *cli.App) []*cobra.Command {
	return []*cobra.Command{
		installCommand(app), upgradeCommand(app), uninstallCommand(app), statusCommand(app), hookCommand(app),
	}
}

// releaseFlags say which release is meant, and what values it gets.
type releaseFlags struct {
	cluster  keys.ChartCluster
	name     string
	timeout  time.Duration
	files    []string
	settings []string

	createNamespaces bool
}

func (f *releaseFlags) add(cmd *cobra.Command) {
	f.cluster.Add(cmd, "berth")
	cmd.Flags().StringVar(&f.name, "name", "berth", "name of the release")
	cli.PeriodVar(cmd.Flags(), &f.timeout, "timeout", release.DefaultTimeout, "time to wait for the cluster")
}

func (f *releaseFlags) addValues(cmd *cobra.Command) {
	cmd.Flags().
		StringArrayVarP(&f.files, "values", "f", nil, "YAML file with chart values; - for standard input (repeatable; later files override earlier ones)")
	cmd.Flags().
		StringArrayVar(&f.settings, "set", nil, "chart value, such as server.logLevel=debug (repeatable; overrides --values)")
	cmd.Flags().BoolVar(&f.createNamespaces, "create-namespaces", false,
		"create the namespaces of worker.namespaces that do not exist")
	cli.EnvPerLine(cmd, "values", "set")
}

func (f *releaseFlags) values() (map[string]any, error) {
	values, err := release.ReadValues(f.files, f.settings)
	if err != nil {
		return nil, cli.Usagef("%v", err)
	}
	return values, nil
}

// client makes the client of the release, which tells people on standard error what it waits for.
func (f *releaseFlags) client(app *cli.App) (*release.Client, error) {
	client, err := release.New(release.Options{
		Target: release.Target{
			Kubeconfig: f.cluster.Kubeconfig,
			Context:    f.cluster.Context,
			Namespace:  f.cluster.Namespace,
			Name:       f.name,
		},
		Timeout: f.timeout, CreateNamespaces: f.createNamespaces, Progress: func(line string) { app.Notef("%s", line) },
	})
	if err != nil {
		return nil, cli.Usagef("%v", err)
	}
	return client, nil
}

func installCommand(app *cli.App) *cobra.Command {
	var flags releaseFlags
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install server and worker into a Kubernetes cluster",
		Long: `Install server and worker into a Kubernetes cluster and wait until they are ready.

The command installs the Helm chart that is embedded in this binary. The result is an ordinary Helm
release: helm can list it, show its values and roll it back.

Jobs run in a separate namespace, NAMESPACE-jobs, that holds none of Berth's Secrets. To run them
in the release's namespace, where anything that creates pods can read Berth's admin key, set
jobs.shareNamespace=true.

With --dry-run, the command prints the objects and hooks instead, and does not contact the cluster.`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd)
	flags.addValues(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print what would be installed, and install nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		values, err := flags.values()
		if err != nil {
			return err
		}
		client, err := flags.client(app)
		if err != nil {
			return err
		}
		if dryRun {
			manifest, err := client.Manifest(values)
			if err != nil {
				return installError(err)
			}
			return app.Printf("%s", manifest)
		}
		status, err := client.Install(cmd.Context(), values)
		if err != nil {
			return installError(err)
		}
		return app.Printf("%s\n", strings.TrimSpace(status.Notes))
	}
	return cmd
}

// installError turns asking for the wrong thing, or with bad values, into wrong use.
func installError(err error) error {
	var values *release.ValuesError
	if errors.Is(err, release.ErrNotInstalled) || errors.Is(err, release.ErrInstalled) ||
		errors.As(err, &values) {
		return cli.Usagef("%v", err)
	}
	return err
}
