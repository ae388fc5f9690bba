package worker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/build"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/process"
)

// workerFlags are what `berth worker start` was told.
type workerFlags struct {
	pool, kind, name string
	limit            int
	templateEnv      []string
	metricsListen    string
	dataDir          string
	installations    string
	kube             flagset.Kube
	job              flagset.Job
	protect          flagset.Protect
	log              flagset.Log
}

func startCommand(app *cli.App) *cobra.Command {
	var in workerFlags
	cmd := &cobra.Command{
		Use:   "start --pool POOL",
		Short: "Start a worker that executes the runs of a pool",
		Long: `Start a worker that executes the runs of a pool. Any number of workers can serve one pool.

When a worker stops, its Jobs in the cluster continue, and another worker or its next start takes
them over; local processes are ended. The worker prints "ready URL" with the address of its health
and metrics endpoints to standard output. It logs to standard error.`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVarP(&in.pool, "pool", "p", "", "work pool to serve")
	flags.StringVar(&in.kind, "type", "",
		"worker type: kubernetes or process (default: the type of the pool)")
	flags.StringVar(&in.name, "name", "",
		"name of the worker, which must stay the same after a restart (default: the host name)")
	flags.IntVar(&in.limit, "limit", 0, "maximum number of concurrent attempts; 0 for no limit")
	flags.StringSliceVar(&in.templateEnv, "template-env", nil,
		"environment variable that templates may read (repeatable)")
	flags.StringVar(&in.metricsListen, "metrics-listen", "127.0.0.1:4201",
		`listen address of /healthz, /readyz and /metrics; "" for none`)
	flags.StringVar(&in.dataDir, "data-dir", "",
		"directory for the files of a process worker (default: in the user's data directory)")
	flags.StringVar(&in.installations, "record-installation", "",
		"ConfigMap in the namespace of this pod in which the worker records the ID of the installation, for the drain of an uninstall")
	in.kube.Add(cmd)
	in.kube.AddClusterConfig(cmd)
	in.kube.AddShareNamespace(cmd)
	in.protect.Add(cmd)
	in.job.Add(cmd)
	in.log.Add(cmd, "info")
	cli.Required(cmd, "pool")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		options, err := in.options(cmd, app)
		if err != nil {
			return err
		}
		flagset.SetMemoryLimit(flagset.WorkerMemoryShare, options.Logger)
		return app.WithSettings(cmd.Context(), options.Logger, func(ctx context.Context) error {
			return worker.Run(ctx, options)
		})
	}
	return cmd
}

func (in *workerFlags) options(cmd *cobra.Command, app *cli.App) (worker.Options, error) {
	o := worker.Options{
		Pool: in.pool, Name: in.name, Version: build.Version(), Limit: in.limit, MetricsListen: in.metricsListen,
		TemplateEnv: selectEnv(app.Env, in.templateEnv), Registry: prometheus.NewRegistry(),
		Listening: func(address string) {
			if err := app.Printf("ready http://%s\n", address); err != nil {
				app.Notef("%v", err)
			}
		},
	}
	if in.limit < 0 {
		return o, cli.Usagef("--limit %d: must not be negative", in.limit)
	}
	connection, err := app.Connection(cmd)
	if err != nil {
		return o, err
	}
	if connection.Key == "" && connection.Identity != nil && !connection.Identity.Automatic {
		return o, cli.Usagef("a worker needs an API key with the role worker: an ID token gets keys that end too soon")
	}
	o.ServerURL, o.APIKey, o.Authorities = connection.URL, connection.Key, connection.Authorities
	if o.Logger, err = in.log.Logger(app); err != nil {
		return o, err
	}
	o.Logger = o.Logger.With("pool", in.pool)
	if o.Name == "" {
		if o.Name, err = os.Hostname(); err != nil {
			return o, fmt.Errorf("read the host name: %w", err)
		}
	}
	kind := api.PoolType(in.kind)
	if kind == "" {
		if kind, err = poolType(cmd.Context(), app, connection, in.pool); err != nil {
			return o, err
		}
	}
	o.EnvAsSecret, o.JobServiceAccount = in.job.EnvAsSecret, in.job.ServiceAccount
	if o.Protected, err = in.protect.Protected(); err != nil {
		return o, err
	}
	in.kube.Protected = o.Protected
	if o.ClusterConfig, err = in.kube.Reference(); err != nil {
		return o, err
	}
	if o.JobAPI, err = in.job.JobAPI(kind, connection.URL); err != nil {
		return o, err
	}
	if in.installations != "" {
		home, err := in.kube.Home("")
		if err != nil {
			return o, err
		}
		o.RecordInstallation = func(ctx context.Context, installation uuid.UUID) error {
			return home.RecordInstallation(ctx, in.installations, installation)
		}
	}
	o.Runtime, err = in.runtime(cmd.Context(), app, kind, o.Logger, o.Registry)
	return o, err
}

// selectEnv is the part of the environment that is named; a name that is not set is left out.
func selectEnv(env map[string]string, names []string) map[string]string {
	picked := make(map[string]string, len(names))
	for _, name := range names {
		if value, ok := env[name]; ok {
			picked[name] = value
		}
	}
	return picked
}

func (in *workerFlags) runtime(
	ctx context.Context, app *cli.App, kind api.PoolType, logger *slog.Logger, registry *prometheus.Registry,
) (job.Runtime, error) {
	switch kind {
	case api.Kubernetes:
		return in.kube.Runtime(ctx, logger, registry)
	case api.Process:
		dir := in.dataDir
		if dir == "" {
			data, err := app.DataDir()
			if err != nil {
				return nil, err
			}
			dir = filepath.Join(data, "workers", in.pool)
		}
		return process.New(process.Options{Dir: dir, ClusterID: in.kube.ClusterID, Logger: logger})
	}
	return nil, cli.Usagef("--type %q: must be kubernetes or process", in.kind)
}

// poolType asks the server what kind of pool it is.
func poolType(
	ctx context.Context, app *cli.App, connection cli.Connection, name string,
) (api.PoolType, error) {
	client, err := app.NewClient(connection)
	if err != nil {
		return "", err
	}
	pool, err := cli.Value(client.GetPoolForWorkerWithResponse(ctx, name))
	if err != nil {
		return "", fmt.Errorf("get the type of the pool (set --type to skip the request): %w", err)
	}
	return pool.Type, nil
}
