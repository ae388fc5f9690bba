// Package dev holds `berth dev`: server, page, SQLite and a process worker in one process.
package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/cmd/berth/internal/build"
	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/flagset"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/process"
)

// What `berth dev` makes where it is missing.
const (
	devPool           = "local"
	devKubernetesPool = "kubernetes"
	devDeployment     = "hello"
	// devLease is short: after a crash, only the next dev takes over the runs, and its user waits for that.
	devLease = 5 * time.Second
	// workerPoll is how often the server is asked for the worker as both start.
	workerPoll = 20 * time.Millisecond
)

// devFlags are what `berth dev` was told.
type devFlags struct {
	port         int
	dataDir      string
	kube         flagset.Kube
	log          flagset.Log
	webhookAllow []string
}

func Command(app *cli.App) *cobra.Command {
	var in devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run server, UI and a worker in one local process for development",
		Long: `Run server, UI and a worker in one local process for development. No other service is needed.

The pool "local", whose worker runs jobs as local processes, and the deployment "hello" are created
if they do not exist. Try: berth deployment run hello --param name=world --watch

With --kube-context, a worker for the pool "kubernetes" starts as well. When the server accepts
requests, the command prints "ready URL" to standard output, and to standard error what to do next. It
logs to standard error.`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.IntVar(&in.port, "port", 4200, "port on 127.0.0.1; 0 for any free port")
	flags.StringVar(&in.dataDir, "data-dir", "",
		"directory for data (default: berth in the user's data directory)")
	flags.StringVar(&in.kube.Kubeconfig, "kubeconfig", "",
		"kubeconfig file (default: the file that kubectl uses)")
	flags.StringVar(&in.kube.Context, "kube-context", "",
		"kubeconfig context of a cluster; starts a worker for the pool kubernetes there")
	flags.StringVarP(&in.kube.Namespace, "namespace", "n", "",
		"namespace of Jobs (default: the namespace of the context)")
	flagset.WebhookAllow(flags, &in.webhookAllow)
	in.log.Add(cmd, "warn")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.port < 0 || in.port > 65535 {
			return cli.Usagef("--port %d: must be from 0 to 65535", in.port)
		}
		if in.dataDir == "" {
			dir, err := app.DataDir()
			if err != nil {
				return err
			}
			in.dataDir = dir
		}
		logger, err := in.log.Logger(app)
		if err != nil {
			return err
		}
		d := &dev{app: app, flags: in, log: logger}
		return d.run(cmd.Context())
	}
	return cmd
}

// dev is a server and its workers in one process. They talk over HTTP, as they do anywhere else.
type dev struct {
	app   *cli.App
	flags devFlags
	log   *slog.Logger
}

// run ends the workers first and the server after them, so that they can still hand over what they hold.
func (d *dev) run(ctx context.Context) error {
	kubernetes, err := d.kubernetes(ctx)
	if err != nil {
		return err
	}
	serverCtx, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServer()
	ready := make(chan server.Address, 1)
	serverDone := make(chan error, 1)
	go func() { serverDone <- server.Run(serverCtx, d.serverOptions(kubernetes != nil, ready)) }()

	var address server.Address
	select {
	case address = <-ready:
	case err := <-serverDone:
		return err
	}
	// A server that ends by itself takes the workers with it.
	workersCtx, stopWorkers := context.WithCancel(ctx)
	defer stopWorkers()
	serverErr := make(chan error, 1)
	go func() {
		err := <-serverDone
		stopWorkers()
		serverErr <- err
	}()
	err = d.work(workersCtx, address.URL, kubernetes)
	stopServer()
	return errors.Join(err, <-serverErr)
}

func (d *dev) serverOptions(kubernetes bool, ready chan<- server.Address) server.Options {
	o := server.Options{
		Listen: net.JoinHostPort("127.0.0.1", strconv.Itoa(d.flags.port)), DataDir: d.flags.dataDir,
		Migrate: server.MigrateAuto, Auth: server.AuthNone, Lease: devLease, Version: build.Version(), Logger: d.log,
		WebhookAllow: d.flags.webhookAllow,
		EnsurePools:  []server.PoolSpec{{Name: devPool, Type: string(api.Process)}},
		Ready:        func(address server.Address) { ready <- address },
	}
	if kubernetes {
		o.EnsurePools = append(o.EnsurePools,
			server.PoolSpec{Name: devKubernetesPool, Type: string(api.Kubernetes)})
	}
	return o
}

// work serves the pools until ctx ends.
func (d *dev) work(ctx context.Context, url string, kubernetes job.Runtime) error {
	if err := d.ensureHello(ctx, url); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("make deployment %q: %w", devDeployment, err)
	}
	local, err := process.New(
		process.Options{Dir: filepath.Join(d.flags.dataDir, "processes"), Logger: d.log})
	if err != nil {
		return err
	}
	workers, ctx := errgroup.WithContext(ctx)
	workers.Go(func() error { return worker.Run(ctx, d.workerOptions(url, devPool, local)) })
	if kubernetes != nil {
		workers.Go(
			func() error { return worker.Run(ctx, d.workerOptions(url, devKubernetesPool, kubernetes)) })
	}
	workers.Go(func() error {
		if err := d.awaitWorker(ctx, url); err != nil || ctx.Err() != nil {
			return err
		}
		if err := d.app.Printf("ready %s\n", url); err != nil {
			return err
		}
		d.sayNext(url)
		return nil
	})
	return workers.Wait()
}

// awaitWorker returns once the server knows the worker of the pool local, which is when a run starts at once, or when ctx
// ends.
func (d *dev) awaitWorker(ctx context.Context, url string) error {
	client, err := d.app.NewClient(cli.Connection{URL: url})
	if err != nil {
		return err
	}
	again := time.NewTicker(workerPoll)
	defer again.Stop()
	pool := devPool
	for {
		list, err := cli.Value(client.ListWorkersWithResponse(ctx, &api.ListWorkersParams{Pool: &pool}))
		if err == nil && slices.ContainsFunc(list.Items, func(w api.Worker) bool { return w.Alive }) {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sayNext says what to do with a server that has just started.
func (d *dev) sayNext(url string) {
	command := d.app.Command("deployment run " + devDeployment + " --param name=world --watch")
	if url != cli.DefaultAPIURL {
		command += " --api-url " + url
	}
	d.app.Notef("open %s in a browser, or run in another terminal: %s; Ctrl-C stops it", url, command)
}

func (d *dev) workerOptions(url, pool string, runtime job.Runtime) worker.Options {
	return worker.Options{
		ServerURL: url,
		Pool:      pool,
		Name:      "dev",
		Version:   build.Version(),
		Runtime:   runtime,
		Logger:    d.log.With("pool", pool),
	}
}

// kubernetes is nil unless a cluster was asked for. It fails at once if the cluster cannot be reached.
func (d *dev) kubernetes(ctx context.Context) (job.Runtime, error) {
	if d.flags.kube.Context == "" {
		return nil, nil
	}
	config, err := d.flags.kube.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := config.Reach(ctx); err != nil {
		return nil, err
	}
	return d.flags.kube.Runtime(ctx, d.log, prometheus.NewRegistry())
}

// helloScript takes the name out of the parameters with what every machine has.
const helloScript = `name=$(printf '%s' "$BERTH_PARAMETERS" | sed -n 's/.*"name" *: *"\([^"]*\)".*/\1/p'); echo "Hello, ${name:-world}!"`

// ensureHello creates the deployment if it does not exist. An existing one is not changed.
func (d *dev) ensureHello(ctx context.Context, url string) error {
	client, err := d.app.NewClient(cli.Connection{URL: url})
	if err != nil {
		return err
	}
	_, err = lookup.GetDeployment(ctx, client, devDeployment)
	var problem *cli.ProblemError
	if err == nil || !errors.As(err, &problem) || problem.Status != http.StatusNotFound {
		return err
	}
	description := "Says hello to a name: berth deployment run hello --param name=world --watch"
	variables, err := json.Marshal(map[string]any{"command": []string{"sh", "-c", helloScript}})
	if err != nil {
		return fmt.Errorf("encode job variables: %w", err)
	}
	return cli.Check(client.ApplyWithResponse(ctx, nil, api.ApplyRequest{Deployments: &[]api.DeploymentSpec{{
		Name: devDeployment, Pool: devPool, Description: &description, JobVariables: variables,
		Parameters: api.JSONObject(`{"name":"world"}`),
		ParameterSchema: api.JSONObject(
			`{"type":"object","properties":{"name":{"type":"string","title":"Name","maxLength":100}},"additionalProperties":false}`),
	}}}))
}
