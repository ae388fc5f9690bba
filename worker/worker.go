package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// worker is one running worker.
type worker struct {
	pool, name, version string
	limit               int
	runtime             job.Runtime
	templateEnv         map[string]string
	envAsSecret         bool
	jobAPI              *manifest.APIAccess
	clusterConfig       *manifest.SecretReference
	jobKeys             bool // each attempt gets one of its own
	tuning              tuning
	log                 *slog.Logger
	now                 func() time.Time

	client    *client
	table     *table
	output    *output
	suspects  *suspects
	templates *templates
	metrics   *metrics
	health    *health
	slots     chan struct{} // the right to prepare or launch
	renewNow  chan struct{}

	// alive outlives the signal to stop, until everything is flushed.
	alive context.Context
	// begins are the goroutines that bring attempts to their Jobs, tasks those that cancel and let go.
	begins, tasks sync.WaitGroup
	busy          atomic.Int64 // tasks under way
	beginning     atomic.Int64 // attempts that are claimed and neither launched nor waiting for long

	// Known once the server has answered.
	installation uuid.UUID
	leaseSeconds int32
	renewEvery   time.Duration
}

// Run is a worker from its greeting to its end. It returns nil when ctx has ended and everything was handed
// over, and an error when it can not go on: the key is refused, the server speaks another protocol, the
// runtime has failed.
func Run(ctx context.Context, o Options) error {
	if err := o.setDefaults(); err != nil {
		return err
	}
	w, err := newWorker(o)
	if err != nil {
		return err
	}
	var listener net.Listener
	if o.MetricsListen != "" {
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", o.MetricsListen); err != nil {
			return fmt.Errorf("listen for metrics and health: %w (--metrics-listen)", err)
		}
		if o.Listening != nil {
			o.Listening(listener.Addr().String())
		}
	}
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	loops, alive := errgroup.WithContext(alive)
	w.alive = alive
	if listener != nil {
		loops.Go(func() error { return w.serveHealth(alive, listener, o.Registry) })
	}
	loops.Go(func() error {
		defer end()
		// What ends the loops ends the wait for the server too.
		greeting, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(alive, cancel)()
		greeted, err := w.greet(greeting)
		if err != nil || !greeted {
			return err
		}
		return w.work(greeting)
	})
	err = loops.Wait()
	w.tasks.Wait()
	o.HTTPClient.CloseIdleConnections()
	return err
}

func newWorker(o Options) (*worker, error) {
	w := &worker{
		pool: o.Pool, name: o.Name, version: o.Version, limit: o.Limit, runtime: o.Runtime, templateEnv: o.TemplateEnv, envAsSecret: o.EnvAsSecret, clusterConfig: o.ClusterConfig,
		tuning: o.tuning, log: o.Logger, now: time.Now, suspects: newSuspects(),
		slots: make(chan struct{}, o.tuning.launches), renewNow: make(chan struct{}, 1),
	}
	if o.JobAPI != nil {
		w.jobAPI = &manifest.APIAccess{
			URL:        o.JobAPI.URL,
			SecretName: o.JobAPI.SecretName,
			SecretKey:  o.JobAPI.SecretKey,
		}
		w.jobKeys = o.JobAPI.OwnKey
	}
	w.table = newTable(w.now)
	w.health = &health{now: w.now}
	w.output = newOutput(o.tuning.outputLimit, func(id uuid.UUID) {
		if a := w.table.get(id); a != nil {
			w.table.update(a, func() { a.holdEnd = time.Time{} })
		}
	})
	w.templates = newTemplates(o.Engines, w.fetchTemplate)
	var err error
	if w.metrics, err = newMetrics(o.Registry, o.Pool, o.Version, func() float64 { return float64(w.table.size()) }); err != nil {
		return nil, err
	}
	w.client, err = newClient(o)
	return w, err
}

// greet introduces the worker, for as long as it takes the server to answer. It returns false when ctx has
// ended.
func (w *worker) greet(ctx context.Context) (bool, error) {
	hello := api.WorkerHello{
		Protocol:  protocolVersion,
		Pool:      w.pool,
		Worker:    w.name,
		Type:      api.PoolType(w.runtime.Type()),
		ClusterID: w.runtime.ClusterID(),
		Version:   w.version,
	}
	if namespaces := w.runtime.Namespaces(); len(namespaces) > 0 {
		hello.Namespaces = &namespaces
	}
	retry := backoff{least: w.tuning.retryMin, most: w.tuning.retryMax}
	for {
		welcome, err := w.client.hello(ctx, hello)
		if err == nil {
			w.welcomed(welcome)
			return true, nil
		}
		if ctx.Err() != nil {
			return false, nil
		}
		call := asCallError(err)
		w.health.away(err)
		switch {
		case call.denied():
			return false, deniedError(err)
		case call.status == http.StatusNotFound && !call.foreign():
			w.log.Warn(
				"the work pool is not there yet: create it with `berth pool create`",
				"pool",
				w.pool,
				"error",
				err,
			)
		case !call.temporary():
			return false, err
		default:
			w.log.Warn("the server can not be reached, trying again", "error", err)
		}
		if !retry.wait(ctx, call.retryAfter) {
			return false, nil
		}
	}
}

func (w *worker) welcomed(welcome *api.WorkerWelcome) {
	w.installation = welcome.InstallationID
	w.leaseSeconds = max(1, welcome.LeaseSeconds)
	w.renewEvery = w.tuning.renewEvery
	if w.renewEvery == 0 {
		w.renewEvery = w.leaseTime() / 3
	}
	w.health.greeted(w.leaseTime())
	w.log.Info(
		"worker started",
		"pool",
		w.pool,
		"worker",
		w.name,
		"type",
		w.runtime.Type(),
		"cluster",
		w.runtime.ClusterID(),
		"installation",
		w.installation,
		"server",
		welcome.ServerVersion,
	)
}

func (w *worker) leaseTime() time.Duration { return time.Duration(w.leaseSeconds) * time.Second }

// work runs the loops until ctx ends or one of them fails, and then sees to an orderly end.
func (w *worker) work(ctx context.Context) error {
	// The loops outlive ctx until stop is done; a loop that fails ends them all, and ctx with them.
	group, alive := errgroup.WithContext(w.alive)
	claiming, stopClaiming := context.WithCancel(ctx)
	defer stopClaiming()
	defer context.AfterFunc(alive, stopClaiming)()
	observing, stopObserving := context.WithCancel(alive)
	defer stopObserving()
	flushed, flush := context.WithCancel(alive)
	defer flush()

	ready, observed, claimed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	group.Go(func() error { defer close(observed); return w.observe(observing, ready) })
	for _, loop := range []func(context.Context) error{w.renewLoop, w.reportLoop, w.outputLoop, w.resyncLoop} {
		group.Go(func() error { return loop(flushed) })
	}
	group.Go(func() error {
		defer close(claimed)
		select {
		case <-claiming.Done():
			return nil
		case <-ready:
		}
		w.health.observing()
		return w.claimLoop(claiming)
	})
	group.Go(func() error {
		<-claiming.Done()
		w.stop(alive, claimed, func() { stopObserving(); <-observed })
		flush()
		w.giveBack(alive)
		return nil
	})
	return group.Wait()
}

// observe runs the runtime. Its end, before it was asked to, is a failure.
func (w *worker) observe(ctx context.Context, ready chan<- struct{}) error {
	err := w.runtime.Run(ctx, w.installation, handler{w}, ready)
	if err == nil && ctx.Err() == nil {
		err = errors.New("it ended by itself")
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the %s runtime failed: %w", w.runtime.Type(), err)
	}
	return nil
}
