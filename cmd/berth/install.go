package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/charts/release"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

// installCommands work on the chart in this binary: they need neither the helm program nor a chart
// repository.
func installCommands(app *cli.App) []*cobra.Command {
	return []*cobra.Command{
		installCommand(app),
		upgradeCommand(app),
		uninstallCommand(app),
		statusCommand(app),
		hookCommand(app),
	}
}

// releaseFlags say which release is meant, and what values it gets.
type releaseFlags struct {
	cluster  chartCluster
	name     string
	timeout  time.Duration
	files    []string
	settings []string
}

func (f *releaseFlags) add(cmd *cobra.Command) {
	f.cluster.add(cmd, "berth")
	cmd.Flags().StringVar(&f.name, "name", "berth", "name of the release")
	cmd.Flags().DurationVar(&f.timeout, "timeout", release.DefaultTimeout, "how long to wait for the cluster")
}

func (f *releaseFlags) addValues(cmd *cobra.Command) {
	cmd.Flags().
		StringArrayVarP(&f.files, "values", "f", nil, "YAML file with values of the chart; - is standard input (repeatable, later ones win)")
	cmd.Flags().
		StringArrayVar(&f.settings, "set", nil, "one value of the chart, as in --set server.logLevel=debug (repeatable, wins over --values)")
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
			Kubeconfig: f.cluster.kubeconfig,
			Context:    f.cluster.context,
			Namespace:  f.cluster.namespace,
			Name:       f.name,
		},
		Timeout: f.timeout, Progress: func(line string) { app.Notef("%s", line) },
	})
	if err != nil {
		return nil, cli.Usagef("%v", err)
	}
	return client, nil
}

func installCommand(app *cli.App) *cobra.Command {
	var flags releaseFlags
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install server and worker into a Kubernetes cluster",
		Long: `Install server and worker into a Kubernetes cluster, from the chart in this binary, and wait until they are ready.

What is left is an ordinary Helm release: helm can list it, show its values and roll it back.`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd)
	flags.addValues(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		values, err := flags.values()
		if err != nil {
			return err
		}
		client, err := flags.client(app)
		if err != nil {
			return err
		}
		status, err := client.Install(cmd.Context(), values)
		if err != nil {
			return installError(err)
		}
		return app.Printf("%s\n", strings.TrimSpace(status.Notes))
	}
	return cmd
}

func upgradeCommand(app *cli.App) *cobra.Command {
	var flags releaseFlags
	var reset, install bool
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Bring an installation to this version, or to other values",
		Long: `Bring an installation to the chart in this binary, and wait until it is ready. Values that were set before are kept,
those given now go on top.`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd)
	flags.addValues(cmd)
	cmd.Flags().BoolVar(&reset, "reset-values", false, "forget the values that were set before")
	cmd.Flags().BoolVar(&install, "install", false, "install it where it is not there")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		values, err := flags.values()
		if err != nil {
			return err
		}
		client, err := flags.client(app)
		if err != nil {
			return err
		}
		status, err := client.Upgrade(
			cmd.Context(),
			release.UpgradeOptions{Values: values, ResetValues: reset},
		)
		if install && errors.Is(err, release.ErrNotInstalled) {
			status, err = client.Install(cmd.Context(), values)
		}
		if err != nil {
			return installError(err)
		}
		return app.Printf(
			"%s is at revision %d: %s, Berth %s\n",
			status.Name,
			status.Revision,
			status.Chart,
			status.AppVersion,
		)
	}
	return cmd
}

func uninstallCommand(app *cli.App) *cobra.Command {
	var flags releaseFlags
	var options release.UninstallOptions
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take an installation out of the cluster",
		Long: `Take an installation out of the cluster: stop its workers, end its Jobs and release their finalizers, then delete what
was installed. The Secret with the API keys and the volume with the database are kept unless --purge is given.`,
		Args: cobra.NoArgs,
	}
	flags.add(cmd)
	cmd.Flags().
		BoolVar(&options.SkipDrain, "skip-drain", false, "leave the Jobs alone; what is left of them keeps our finalizer")
	cmd.Flags().BoolVar(&options.Purge, "purge", false, "delete the API keys and the database as well")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := flags.client(app)
		if err != nil {
			return err
		}
		if err := client.Uninstall(cmd.Context(), options); err != nil {
			return installError(err)
		}
		if err := app.Printf("%s is uninstalled from namespace %s\n", flags.name, client.Namespace()); err != nil {
			return err
		}
		if !options.Purge {
			app.Notef(
				"kept for a later install of the same name: the volume with the database and the Secret with the API keys; the chart's README says how to delete them",
			)
		}
		return nil
	}
	return cmd
}

func statusCommand(app *cli.App) *cobra.Command {
	var flags releaseFlags
	var test bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show an installation and whether it is healthy",
		Long:  `Show an installation, whether it is healthy, and what to do next. Exits with 1 where it is not, and says why.`,
		Args:  cobra.NoArgs,
	}
	flags.add(cmd)
	cmd.Flags().
		BoolVar(&test, "test", false, "run the chart's test as well: the server answers with its key from inside the cluster")
	format := cli.OutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client, err := flags.client(app)
		if err != nil {
			return err
		}
		status, err := client.Status(cmd.Context())
		if errors.Is(err, release.ErrNotInstalled) {
			usage := cli.Usagef("%v", err)
			usage.Details = []string{
				fmt.Sprintf(
					"next: install it: berth install -n %s --name %s",
					client.Namespace(),
					flags.name,
				),
			}
			return usage
		}
		if err != nil {
			return installError(err)
		}
		if err := cli.One(app, *format, status, statusFields(status)); err != nil {
			return err
		}
		if !status.Healthy() {
			return &release.NotReadyError{
				Err:      fmt.Errorf("%s is not healthy", status.Name),
				Findings: append(status.Findings, steps(status)...),
			}
		}
		if test {
			return client.Check(cmd.Context())
		}
		return nil
	}
	return cmd
}

func statusFields(s release.Status) []cli.Field {
	var workloads []string
	for _, w := range s.Workloads {
		workloads = append(
			workloads,
			fmt.Sprintf("%s %s: %d of %d ready", strings.ToLower(w.Kind), w.Name, w.Ready, w.Want),
		)
	}
	return []cli.Field{
		{
			Name:  "Name",
			Value: s.Name,
		}, {Name: "Namespace", Value: s.Namespace}, {Name: "State", Value: s.State},
		{
			Name:  "Revision",
			Value: fmt.Sprint(s.Revision),
		}, {Name: "Chart", Value: s.Chart}, {Name: "Version", Value: s.AppVersion},
		{Name: "Updated", Value: s.Updated.Format(time.RFC3339)}, {Name: "Message", Value: s.Message},
		{Name: "Workloads", Value: strings.Join(workloads, "\n")}, {Name: "Next", Value: nextIfHealthy(s)},
	}
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

// installError turns asking for the wrong thing, or with bad values, into wrong use.
func installError(err error) error {
	var values *release.ValuesError
	if errors.Is(err, release.ErrNotInstalled) || errors.Is(err, release.ErrInstalled) ||
		errors.As(err, &values) {
		return cli.Usagef("%v", err)
	}
	return err
}

// hookCommand holds what only the chart's hooks call.
func hookCommand(app *cli.App) *cobra.Command {
	var cluster chartCluster
	var deployment string
	stop := &cobra.Command{
		Use:   "stop-deployment --deployment NAME",
		Short: "Scale a Deployment to nothing and wait until its pods are gone",
		Args:  cobra.NoArgs,
	}
	cluster.add(stop, "")
	stop.Flags().StringVar(&deployment, "deployment", "", "name of the Deployment")
	stop.RunE = func(cmd *cobra.Command, _ []string) error {
		if deployment == "" {
			return cli.Usagef("hook stop-deployment needs --deployment, the name of the Deployment")
		}
		config, err := cluster.connect()
		if err != nil {
			return err
		}
		if err := config.StopDeployment(cmd.Context(), config.Namespace, deployment); err != nil {
			return err
		}
		return app.Printf("deployment %s/%s is stopped\n", config.Namespace, deployment)
	}
	return cli.Group(&cobra.Command{Use: "hook", Short: "What the chart's hooks run", Hidden: true}, stop)
}
