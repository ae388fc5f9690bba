package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/approval"
	"github.com/berth-dev/berth/server/archive"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/census"
	"github.com/berth-dev/berth/server/certificate"
	"github.com/berth-dev/berth/server/handler"
	"github.com/berth-dev/berth/server/keycookie"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/outbound"
	"github.com/berth-dev/berth/server/poolguard"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/scheduler"
	"github.com/berth-dev/berth/server/seal"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/tracing"
	"github.com/berth-dev/berth/server/trust"
	"github.com/berth-dev/berth/server/webhook"
)

// Run serves until ctx ends or an essential part of the server fails. It then finishes open requests and
// answers long polls at once. When it returns, everything that it started has ended.
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
	outputs, err := o.openArchive()
	if err != nil {
		return err
	}
	if outputs != nil {
		defer outputs.Close()
	}
	database, err := openStore(ctx, o, outputs, registry)
	if err != nil {
		return err
	}
	s := &server{Options: o, store: database, archive: outputs, registry: registry, certificate: secure}
	err = s.run(ctx, listener, metricsListener)
	return errors.Join(err, database.Close())
}

// closeListener closes a listener that may never have been served. Closing a served one again is harmless.
func closeListener(listener net.Listener) { _ = listener.Close() }

func newRegistry(version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "berth_build_info", Help: "Always 1. The labels describe the running binary.",
		ConstLabels: prometheus.Labels{"component": "server", "version": version,
			"goversion": runtime.Version()},
	})
	build.Set(1)
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build,
	)
	return registry
}

func openStore(
	ctx context.Context, o Options, outputs *archive.Archive, registry *prometheus.Registry,
) (*store.Store, error) {
	address, err := o.databaseURL()
	if err != nil {
		return nil, err
	}
	options := store.Options{
		URL: address, DirectURL: o.DatabaseDirectURL, ReadURL: o.DatabaseReadURL, ReadLagMax: o.ReadLagMax, Logger: o.Logger, Registerer: registry,
		PeopleTimeout: o.PeopleTimeout, Raise: catalog.New(o.Engines).Raise,
	}
	if !o.embedded() {
		options.MaxConns, options.PeopleConns = o.Connections, o.PeopleConnections
	}
	if outputs != nil { // a nil *archive.Archive must not become an Archive
		options.Archive = outputs
	}
	database, err := store.Open(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := migrate(ctx, o, database); err != nil {
		return nil, errors.Join(err, database.Close())
	}
	return database, nil
}

func migrate(ctx context.Context, o Options, database *store.Store) error {
	if o.Migrate == MigrateAuto {
		if err := database.Migrate(ctx); err != nil {
			return fmt.Errorf("migrate database: %w", err)
		}
		return nil
	}
	current, required, err := database.MigrationStatus(ctx)
	if err != nil {
		return fmt.Errorf("read schema version of the database: %w", err)
	}
	if current < required {
		return fmt.Errorf(
			"database schema has version %d, but this server requires %d: run `berth migrate up` first",
			current, required)
	}
	return nil
}

// server is a server with open listeners and database.
type server struct {
	Options
	store    *store.Store
	archive  *archive.Archive // nil: there is none
	registry *prometheus.Registry
	// certificate is nil if the server does not use TLS.
	certificate *certificate.Files
	// cookies sign browsers in with keys; nil where no keys are asked for.
	cookies *keycookie.Cookies
	traces  *tracing.Service // nil until they are opened
}

func (s *server) run(ctx context.Context, listener, metricsListener net.Listener) error {
	installation, err := s.store.InstallationID(ctx)
	if err != nil {
		return fmt.Errorf("read installation ID: %w", err)
	}
	s.Logger = s.Logger.With("installation", installation)
	s.store.LogChanges(s.Logger)
	keys := access.NewAuthenticator(s.store, s.Now, s.Logger)
	templates := catalog.New(s.Engines).Protecting(s.Protected)
	if err := s.bootstrap(ctx, templates); err != nil {
		return err
	}
	protocol := metric.NewProtocol(s.registry)
	figures := census.New(census.Options{
		Source: historyReader{s.store}, Now: s.Now, Logger: s.Logger, Deployments: max(0, s.MetricsDeployments),
		Pools: protocol.SetPools,
	})
	if _, err := metric.NewStats(s.registry, figures); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}

	encryption, err := s.openSeal()
	if err != nil {
		return err
	}
	if s.Auth != AuthNone {
		if s.cookies, err = newCookies(encryption, s.Now); err != nil {
			return err
		}
	}
	identities, identitiesOff, err := s.newIssuer(ctx, encryption)
	if err != nil {
		return err
	}
	people, grants, err := s.openSignIn()
	if err != nil {
		return err
	}
	if people != nil {
		defer people.Close()
	}

	exchange := trust.New(trust.Options{
		Store: s.store, PublicURL: s.PublicURL, Now: s.Now, Logger: s.Logger,
		Counter: metric.NewTokenExchange(s.registry),
	})
	defer exchange.Close()

	stopping := make(chan struct{}) // closed when the server stops, to end long polls and streams
	hooks, err := s.newWebhooks(ctx, installation, encryption)
	if err != nil {
		return err
	}
	if s.traces, err = tracing.New(ctx, tracing.Options{
		Store: s.store, Version: s.Version, PublicURL: strings.TrimSuffix(s.PublicURL, "/"), Logger: s.Logger,
		Counter: metric.NewTraces(s.registry),
	}); err != nil {
		return err
	}
	rules, err := rulebook.New(s.registry)
	if err != nil {
		return err
	}
	runs := newrun.NewCreator(newrun.CreatorOptions{
		Store: s.store, Templates: templates, Rules: rules, Installation: installation, Now: s.Now,
	})
	guard := poolguard.New(s.store)
	approvals := approval.Options{Store: s.store, Now: s.Now}
	if people != nil { // a nil *identity.Service must not become a People
		approvals.People = people
	}
	gate := approval.New(approvals)
	operations := s.newHandler(handler.Options{
		Installation: installation, Templates: templates, Rules: rules, Runs: runs, Guard: guard,
		Retention: s.retention(), KeysChanged: keys.ClearCache, Stopping: stopping, Issuer: identities,
		IssuerOff: identitiesOff, People: people, Trust: exchange, PublicURL: s.PublicURL,
		Approvals: gate, Webhooks: hooks, Metrics: protocol,
	})
	routes, err := s.routes(operations, []apiserver.StrictMiddlewareFunc{handler.WithApprovals(gate), guard.Middleware}, keys)
	if err != nil {
		return err
	}

	// The order of the shutdown: ctx ends, the listeners finish their requests, then the loops end, because
	// requests depend on them.
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	loops, background := errgroup.WithContext(background)
	s.startLoops(background, loops, installation, keys, scheduler.New(s.store, runs, protocol.ObserveSlot, s.Logger))
	loops.Go(func() error { return untilStopped(background, "figures of the metrics", figures.Run) })
	loops.Go(func() error { return untilStopped(background, "webhooks", hooks.Run) })
	if s.traces.On() {
		loops.Go(func() error { return untilStopped(background, "traces", s.traces.Run) })
	}
	if s.Declared != nil {
		declarations, err := s.newDeclarations(routes)
		if err != nil {
			return err
		}
		loops.Go(func() error { return untilStopped(background, "declared files", declarations.run) })
	}
	if identities != nil {
		loops.Go(func() error {
			return untilStopped(background, "signing keys", s.repeat("signing keys", rotateInterval, identities.Rotate))
		})
	}
	if grants != nil {
		loops.Go(func() error { return untilStopped(background, "access file", watchGrants(grants)) })
	}

	serving, ctx := errgroup.WithContext(ctx)
	serving.Go(func() error { return waitForEnd(ctx, background) })
	serving.Go(func() error {
		<-ctx.Done()
		close(stopping)
		return nil
	})

	secure := s.certificate != nil
	address := Address{URL: urlOf(listener, secure), MetricsURL: urlOf(listener, secure) + "/metrics"}
	serving.Go(func() error { return serve(ctx, listener, s.tlsConfig(), routes, s.Logger) })
	if metricsListener != nil {
		address.MetricsURL = urlOf(metricsListener, false) + "/metrics"
		serving.Go(func() error { return serve(ctx, metricsListener, nil, s.metricsOnly(), s.Logger) })
	}
	s.Logger.Info("serving", "url", address.URL, "metrics", address.MetricsURL,
		"auth", string(s.Auth), "version", s.Version)
	s.Ready(address)

	err = serving.Wait()
	stopBackground()
	if loopErr := loops.Wait(); err == nil {
		err = loopErr
	}
	return err
}

// newCookies returns the cookies of browsers. Without an identity key they count on this server alone, until it stops.
func newCookies(encryption *seal.Key, now func() time.Time) (*keycookie.Cookies, error) {
	if encryption != nil {
		return keycookie.New(*encryption, now), nil
	}
	text, err := seal.NewText()
	if err != nil {
		return nil, err
	}
	own, err := seal.Parse(text)
	if err != nil {
		return nil, err
	}
	return keycookie.New(own, now), nil
}

// newWebhooks returns what keeps and tells webhooks.
func (s *server) newWebhooks(
	ctx context.Context, installation uuid.UUID, encryption *seal.Key,
) (*webhook.Service, error) {
	allowed, err := outbound.ParsePolicy(s.WebhookAllow)
	if err != nil {
		return nil, fmt.Errorf("read which hosts webhooks may call: %w", err)
	}
	hooks := webhook.New(webhook.Options{
		Store: s.store, Installation: installation, PublicURL: strings.TrimSuffix(s.PublicURL, "/"), Seal: encryption,
		Allowed: allowed, Now: s.Now, Logger: s.Logger, Counter: metric.NewWebhooks(s.registry),
	})
	if err := hooks.Refresh(ctx); err != nil { // before the first run ends
		return nil, err
	}
	return hooks, nil
}

// startLoops starts the background loops. Every replica runs them; the store makes sure that each thing is
// done once.
func (s *server) startLoops(
	ctx context.Context, loops *errgroup.Group, installation uuid.UUID, keys *access.Authenticator,
	schedules *scheduler.Scheduler,
) {
	start := func(name string, loop func(context.Context) error) {
		loops.Go(func() error { return untilStopped(ctx, name, loop) })
	}
	clock := s.newDatabaseClock()
	start("store", s.store.Run)
	start("log of changes", s.store.RunLog)
	start("bootstrap keys", s.repeat("bootstrap keys", ensureKeysEvery, s.ensureKeys))
	start("API key usage", keys.Run)
	start("sweep", s.repeat("sweep", repeatInterval, s.sweep(clock)))
	start("scheduler", s.repeat("scheduler", repeatInterval, schedules.RunDue))
	start("retention", s.repeat("retention", s.RetainEvery, s.expire(clock, metric.NewRetention(s.registry))))
	if s.archive != nil {
		start("output archive", s.archiveOutput(installation))
	}
	if s.certificate != nil {
		start("certificate reload", func(ctx context.Context) error {
			return s.certificate.Run(ctx, s.TLSReloadEvery)
		})
	}
}

// waitForEnd returns when ctx ends, or with the error of the background loop that failed first.
func waitForEnd(ctx, background context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-background.Done():
		return context.Cause(background)
	}
}

// untilStopped runs a loop that may only end because ctx has ended. Any other end is an error that stops the
// server: otherwise it would seem to work without one of its parts.
func untilStopped(ctx context.Context, name string, loop func(context.Context) error) error {
	err := loop(ctx)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s ended unexpectedly", name)
}

const repeatInterval = time.Second

// repeat returns a loop that calls do at an interval, the first time soon after the start. The first of
// several consecutive failures is logged, and the recovery.
func (s *server) repeat(
	name string, interval time.Duration, do func(context.Context) error,
) func(context.Context) error {
	return func(ctx context.Context) error {
		next := time.NewTimer(min(interval, repeatInterval))
		defer next.Stop()

		failing := false
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-next.C:
			}

			err := do(ctx)
			next.Reset(interval)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil && !failing:
				s.Logger.Warn("background loop failed, retrying",
					"loop", name, "interval", interval.String(), "error", err)
			case err == nil && failing:
				s.Logger.Info("background loop recovered", "loop", name)
			}
			failing = err != nil
		}
	}
}

// newHandler returns the handler of all operations. It adds to o what the server knows.
func (s *server) newHandler(o handler.Options) *handler.Handler {
	o.Store, o.Logger = s.store, s.Logger
	o.Version, o.Authenticated = s.Version, s.Auth == AuthKeys
	o.Lease, o.Now = s.Lease.Truncate(time.Second), s.Now
	return handler.New(o)
}

// historyReader reads what the metrics show. It must not take a connection from the workers.
type historyReader struct{ store *store.Store }

func (r historyReader) GetStats(ctx context.Context) (*store.Stats, error) {
	return r.store.GetStats(store.ForHistory(ctx))
}

func (r historyReader) ListScheduleSlots(ctx context.Context, limit int) ([]store.ScheduleSlots, error) {
	return r.store.ListScheduleSlots(store.ForHistory(ctx), limit)
}

func (r historyReader) CountReady(
	ctx context.Context, after store.ReadyKey, limit int64,
) ([]store.ReadyCount, *store.ReadyKey, error) {
	return r.store.CountReady(store.ForHistory(ctx), after, limit)
}

// metricsOnly returns the handler of the metrics listener.
func (s *server) metricsOnly() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metricsHandler())
	mux.HandleFunc("GET /healthz",
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return s.newFront(nil).guarded(mux)
}
