package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/rule"
	"github.com/berth-dev/berth/worker/client"
	"github.com/berth-dev/berth/worker/health"
	"github.com/berth-dev/berth/worker/held"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/output"
	"github.com/berth-dev/berth/worker/prepare"
	"github.com/berth-dev/berth/worker/retry"
)

// maxTemplates is how many compiled template versions are cached.
const maxTemplates = 256

// worker is one running worker.
type worker struct {
	Options
	runtime job.Runtime
	log     *slog.Logger
	now     func() time.Time

	client  *client.Client
	table   *held.Table
	output  *output.Buffer
	unheld  *unheldJobs
	metrics *metrics
	health  *health.Health
	// launchSlots bounds how many attempts are prepared or launched at once.
	launchSlots chan struct{}
	// dryRuns bounds how many dry runs are made at once.
	dryRuns chan struct{}

	// access is what the runtime said last of its access to the infrastructure.
	access atomic.Pointer[job.Access]
	// renewFirst: nothing is claimed before the next renewal, which renewNow has made at once.
	renewFirst atomic.Bool
	renewNow   chan struct{}

	// alive ends when everything is flushed, some time after the signal to stop.
	alive context.Context
	// launches are the goroutines that bring attempts to their Jobs; tasks act on Jobs.
	launches, tasks sync.WaitGroup
	tasksRunning    atomic.Int64
	// unlaunched counts attempts that are claimed and neither launched nor known to wait for long.
	unlaunched atomic.Int64

	// The fields below are set once the server has answered.

	installation uuid.UUID
	leaseTime    time.Duration
	renewEvery   time.Duration
	preparer     *prepare.Preparer
}

// Run runs a worker from its greeting to its end. It returns nil when ctx has ended and everything was handed
// over, and an error when it cannot go on: the API key is refused, the server speaks another protocol, the
// runtime has failed.
func Run(ctx context.Context, o Options) error {
	if err := o.setDefaults(); err != nil {
		return err
	}
	w, err := newWorker(o)
	if err != nil {
		return err
	}
	listener, err := w.listen(ctx)
	if err != nil {
		return err
	}

	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	loops, alive := errgroup.WithContext(alive)
	w.alive = alive
	if listener != nil {
		loops.Go(func() error { return w.health.Serve(alive, listener, o.Registry) })
	}
	loops.Go(func() error {
		defer end()
		// A failure of the health server ends the wait for the server, too.
		working, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(alive, cancel)()
		return w.greetAndWork(working)
	})
	err = loops.Wait()
	w.tasks.Wait()
	o.HTTPClient.CloseIdleConnections()
	return err
}

func newWorker(o Options) (*worker, error) {
	w := &worker{
		Options:     o,
		runtime:     o.Runtime,
		log:         o.Logger,
		now:         time.Now,
		unheld:      newUnheldJobs(),
		launchSlots: make(chan struct{}, o.tuning.launches),
		dryRuns:     make(chan struct{}, maxDryRuns),
		renewNow:    make(chan struct{}, 1),
	}
	w.access.Store(&job.Access{})
	w.table = held.NewTable(w.now)
	w.health = health.New(w.now)
	w.output = output.New(o.tuning.outputLimit, w.outputSent)

	var err error
	active := func() float64 { return float64(w.table.Len()) }
	truncated := func() float64 { return float64(w.output.Truncated()) }
	if w.metrics, err = newMetrics(o.Registry, o.Pool, o.Version, active, truncated); err != nil {
		return nil, err
	}
	w.client, err = client.New(client.Options{
		ServerURL: o.ServerURL,
		APIKey:    o.APIKey,
		HTTP:      o.HTTPClient,
		Pool:      o.Pool,
		Worker:    o.Name,
		Version:   o.Version,
	})
	return w, err
}

func (w *worker) listen(ctx context.Context) (net.Listener, error) {
	if w.MetricsListen == "" {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", w.MetricsListen)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics and health: %w (--metrics-listen)", err)
	}
	if w.Listening != nil {
		w.Listening(listener.Addr().String())
	}
	return listener, nil
}

func (w *worker) greetAndWork(ctx context.Context) error {
	err := w.identify(ctx)
	if err == nil {
		err = w.greet(ctx)
	}
	if errors.Is(err, retry.ErrStopped) {
		return nil
	}
	if err != nil {
		return err
	}
	w.preparer = w.newPreparer()
	return w.work(ctx)
}

func (w *worker) newPreparer() *prepare.Preparer {
	return prepare.New(prepare.Options{
		Installation:   w.installation,
		Worker:         w.Name,
		Namespace:      w.runtime.DefaultNamespace(),
		TemplateEnv:    w.TemplateEnv,
		EnvAsSecret:    w.EnvAsSecret,
		ServiceAccount: w.JobServiceAccount,
		Protected:      w.Protected,
		JobAPI:         w.JobAPI.access(),
		JobKeys:        w.jobKeys(),
		ClusterConfig:  w.ClusterConfig,
		Templates:      templating.NewCache(w.Engines, maxTemplates),
		FetchTemplate:  w.fetchTemplate,
		Rules:          rule.NewCache(maxTemplates),
		FetchRuleSet:   w.fetchRuleSet,
		Rendered:       w.metrics.rendered,
		Failed:         w.metrics.templateFailed,
		Log:            w.log,
		Now:            w.now,
	})
}

func (w *worker) jobKeys() bool { return w.JobAPI != nil && w.JobAPI.OwnKey }

// work runs the loops until ctx ends or one of them fails, and then shuts down in order.
func (w *worker) work(ctx context.Context) error {
	// The loops outlive ctx until stop has returned. A loop that fails ends all others, and with them ctx.
	group, alive := errgroup.WithContext(w.alive)
	claiming, stopClaiming := context.WithCancel(ctx)
	defer stopClaiming()
	defer context.AfterFunc(alive, stopClaiming)()
	observing, stopObserving := context.WithCancel(alive)
	defer stopObserving()
	sending, stopSending := context.WithCancel(alive)
	defer stopSending()

	ready, observed, claimed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	group.Go(func() error {
		defer close(observed)
		return w.observe(observing, ready)
	})
	group.Go(func() error {
		w.recordInstallation(claiming)
		return nil
	})
	for _, loop := range []*retry.Loop{w.renewLoop(), w.reportLoop(), w.outputLoop(), w.resyncLoop()} {
		group.Go(func() error { return loop.Run(sending) })
	}
	group.Go(func() error {
		defer close(claimed)
		select {
		case <-claiming.Done():
			return nil
		case <-ready:
		}
		w.health.Resynced()
		return w.claimLoop(claiming)
	})
	group.Go(func() error {
		<-claiming.Done()
		w.stop(alive, claimed, func() { stopObserving(); <-observed })
		stopSending()
		w.releaseLeases(alive)
		return nil
	})
	return group.Wait()
}

// observe runs the runtime. If the runtime ends before it was asked to, that is a failure.
func (w *worker) observe(ctx context.Context, ready chan<- struct{}) error {
	err := w.runtime.Run(ctx, w.installation, handler{w}, ready)
	if err == nil && ctx.Err() == nil {
		err = errors.New("ended by itself")
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("run %s runtime: %w", w.runtime.Type(), err)
	}
	return nil
}

func (w *worker) backoff() retry.Backoff {
	return retry.Backoff{Min: w.tuning.retryMin, Max: w.tuning.retryMax}
}

// calls repeats one kind of call to the server.
func (w *worker) calls(name string) retry.Calls {
	return retry.Calls{Backoff: w.backoff(), Name: name, Contact: w.health, Log: w.log}
}

// newLoop makes calls of one kind.
func (w *worker) newLoop(name string) *retry.Loop {
	return &retry.Loop{Calls: w.calls(name), Beat: w.health.Loop(name, maxSilence).Beat}
}

// maxSilence is how long a loop may make no progress before the worker is restarted. It is longer than any call to
// the server can take with all its repeats, and than any wait between two of them.
const maxSilence = 10 * time.Minute
