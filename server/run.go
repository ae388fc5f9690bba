package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/certificate"
	"github.com/berth-dev/berth/server/handler"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/poolguard"
	"github.com/berth-dev/berth/server/scheduler"
	"github.com/berth-dev/berth/server/store"
)

// Run serves until ctx ends or something that the server can not do without fails. When it returns,
// everything that it started has ended. Requests under way are finished first, long polls are answered at
// once.
func Run(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	if err := o.openDataDir(); err != nil {
		return err
	}
	listener, err := listen(ctx, o.Listen)
	if err != nil {
		return err
	}
	defer closeListener(listener)
	if err := o.checkReach(listener); err != nil {
		return err
	}
	var metricsListener net.Listener
	if o.MetricsListen != "" {
		if metricsListener, err = listen(ctx, o.MetricsListen); err != nil {
			return err
		}
		defer closeListener(metricsListener)
	}
	registry := newRegistry(o.Version)
	secure, err := o.openCertificate(registry)
	if err != nil {
		return err
	}
	database, err := openStore(ctx, o, registry)
	if err != nil {
		return err
	}
	err = (&server{Options: o, store: database, registry: registry, certificate: secure}).run(
		ctx,
		listener,
		metricsListener,
	)
	return errors.Join(err, database.Close())
}

// closeListener closes a listener that was perhaps never served; one that was served is closed already.
func closeListener(listener net.Listener) { _ = listener.Close() }

func newRegistry(version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "berth_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{
			"component": "server",
			"version":   version,
			"goversion": runtime.Version(),
		},
	})
	build.Set(1)
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build,
	)
	return registry
}

func openStore(ctx context.Context, o Options, registry *prometheus.Registry) (*store.Store, error) {
	address, err := o.databaseURL()
	if err != nil {
		return nil, err
	}
	database, err := store.Open(ctx, store.Options{
		URL: address, DirectURL: o.DatabaseDirectURL, Logger: o.Logger, Registerer: registry,
		Raise: catalog.New(o.Engines).Raise,
	})
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := migrate(ctx, o, database); err != nil {
		return nil, errors.Join(err, database.Close())
	}
	return database, nil
}

func migrate(ctx context.Context, o Options, database *store.Store) error {
	if o.Migrate == MigrateAuto {
		if err := database.Migrate(ctx); err != nil {
			return fmt.Errorf("migrate the database: %w", err)
		}
		return nil
	}
	current, wanted, err := database.MigrationStatus(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the database's schema: %w", err)
	}
	if current < wanted {
		return fmt.Errorf(
			"the database's schema has version %d, this berth needs %d: run `berth migrate up` first",
			current,
			wanted,
		)
	}
	return nil
}

// server is a server whose listeners and database are open.
type server struct {
	Options
	store    *store.Store
	registry *prometheus.Registry
	// certificate is nil where the server speaks HTTP without TLS.
	certificate *certificate.Files
}

func (s *server) run(ctx context.Context, listener, metricsListener net.Listener) error {
	keys := access.NewAuthenticator(s.store, s.Now, s.Logger)
	templates := catalog.New(s.Engines)
	if err := s.bootstrap(ctx, templates); err != nil {
		return err
	}
	if _, err := metric.NewStats(s.registry, s.store.GetStats, s.Now, s.Logger); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	stopping := make(chan struct{})
	runs, guard := newrun.NewCreator(s.store, templates), poolguard.New(s.store)
	operations, err := s.newHandler(ctx, handler.Options{
		Templates: templates, Runs: runs, Guard: guard, KeysChanged: keys.ClearCache, Stopping: stopping,
	})
	if err != nil {
		return err
	}
	routes, err := s.routes(operations, guard, keys)
	if err != nil {
		return err
	}

	// Three groups end one after the other: what serves is asked to stop, then finishes what it serves, and
	// only then does what requests rely on end.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	group, ctx := errgroup.WithContext(ctx)
	loops, background := errgroup.WithContext(background)
	loops.Go(func() error { return endless(background, "the store", s.store.Run) })
	loops.Go(func() error { return endless(background, "the record of API keys", keys.Run) })
	loops.Go(
		func() error { return endless(background, "the sweep", s.repeat("sweep", repeatEvery, s.store.Sweep)) },
	)
	loops.Go(func() error {
		return endless(
			background,
			"the scheduler",
			s.repeat("schedule", repeatEvery, scheduler.New(s.store, runs, s.Logger).RunDue),
		)
	})
	loops.Go(func() error {
		return endless(
			background,
			"retention",
			s.repeat("retention", s.RetainEvery, s.retain(metric.NewRetention(s.registry))),
		)
	})
	if s.certificate != nil {
		loops.Go(func() error {
			return endless(
				background,
				"the look at the certificate",
				func(ctx context.Context) error { return s.certificate.Run(ctx, s.TLSReloadEvery) },
			)
		})
	}
	group.Go(func() error { return untilEither(ctx, background) })
	group.Go(func() error {
		<-ctx.Done()
		close(stopping)
		return nil
	})
	secure := s.certificate != nil
	address := Address{URL: url(listener, secure), MetricsURL: url(listener, secure) + "/metrics"}
	group.Go(func() error { return serve(ctx, listener, s.tlsConfig(), routes, s.Logger) })
	if metricsListener != nil {
		address.MetricsURL = url(metricsListener, false) + "/metrics"
		group.Go(func() error { return serve(ctx, metricsListener, nil, s.metricsOnly(), s.Logger) })
	}
	s.Logger.Info(
		"serving",
		"url",
		address.URL,
		"metrics",
		address.MetricsURL,
		"auth",
		string(s.Auth),
		"version",
		s.Version,
	)
	s.Ready(address)
	err = group.Wait()
	stopBackground()
	if died := loops.Wait(); err == nil {
		err = died
	}
	return err
}

// untilEither returns when ctx ends, or with what a background loop has died of.
func untilEither(ctx, background context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-background.Done():
		return context.Cause(background)
	}
}

// endless runs a loop that may only end because it is told to. One that ends otherwise ends the server: it
// would seem to work and quietly not do its part.
func endless(ctx context.Context, what string, loop func(context.Context) error) error {
	err := loop(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s ended without being told to", what)
}

const repeatEvery = time.Second

// repeat lets time do its work, from soon after the start on: deadlines, timeouts, schedules, retention.
// Every replica does; the store sees to it that each thing happens once. What goes on failing is said once.
func (s *server) repeat(
	what string,
	every time.Duration,
	do func(context.Context) error,
) func(context.Context) error {
	return func(ctx context.Context) error {
		next := time.NewTimer(min(every, repeatEvery))
		defer next.Stop()
		failing := false
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-next.C:
			}
			err := do(ctx)
			next.Reset(every)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil && !failing:
				s.Logger.Warn("failed, trying again", "what", what, "every", every.String(), "error", err)
			case err == nil && failing:
				s.Logger.Info("works again", "what", what)
			}
			failing = err != nil
		}
	}
}

// newHandler makes the handler of all operations; o has what the server does not know itself.
func (s *server) newHandler(ctx context.Context, o handler.Options) (*handler.Handler, error) {
	var err error
	if o.Installation, err = s.store.InstallationID(ctx); err != nil {
		return nil, fmt.Errorf("read the installation's id: %w", err)
	}
	o.Store, o.Logger, o.Metrics = s.store, s.Logger, metric.NewProtocol(s.registry)
	o.Version, o.Authenticated = s.Version, s.Auth == AuthKeys
	o.Lease, o.Now = s.Lease.Truncate(time.Second), s.Now
	return handler.New(o), nil
}

func (s *server) metricsOnly() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metricsHandler())
	mux.HandleFunc(
		"GET /healthz",
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) },
	)
	return s.newFront(nil).guarded(mux)
}
