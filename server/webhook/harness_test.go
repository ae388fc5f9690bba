package webhook_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/event"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/outbound"
	"github.com/berth-dev/berth/server/seal"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
	"github.com/berth-dev/berth/server/webhook"
)

// receiver is an HTTP server that is told.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	answer   http.HandlerFunc // nil: 200
	requests []request
}

type request struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Errorf("read a request: %v", err)
		}
		r.mu.Lock()
		r.requests = append(r.requests, request{q.Header.Clone(), body})
		answer := r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// answers says what the receiver answers from now on.
func (r *receiver) answers(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = h
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// took returns what came since the last call.
func (r *receiver) took() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.requests
	r.requests = nil
	return list
}

func (q request) id() string { return q.header.Get("webhook-id") }

func (q request) event(t *testing.T) event.Event {
	t.Helper()
	var e event.Event
	if err := json.Unmarshal(q.body, &e); err != nil {
		t.Fatalf("%s: %v", q.body, err)
	}
	return e
}

// world is a store with a service that tells.
type world struct {
	*storetest.Store
	*webhook.Service
	t       *testing.T
	seal    seal.Key
	counted *counter
}

type counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *counter) Delivery(outcome string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[outcome] += n
}

func (c *counter) of(outcome string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[outcome]
}

// onEach runs a test on both databases.
func onEach(t *testing.T, test func(w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *storetest.Store) { test(newWorld(t, s)) })
}

func newWorld(t *testing.T, s *storetest.Store) *world {
	t.Helper()
	text, err := seal.NewText()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Store: s, t: t, seal: key, counted: &counter{counts: map[string]int{}}}
	w.Service = w.service(s, "http://127.0.0.0/8")
	_, err = s.CreatePool(t.Context(), store.NewPool{
		Name: "p", Type: "process", Template: store.TemplateDocument{Document: []byte(`{"version": 1}`)},
	}, "t")
	w.check(err)
	w.deployment("d")
	return w
}

// service is one that another server may run on the same database.
func (w *world) service(s *storetest.Store, allowed ...string) *webhook.Service {
	w.t.Helper()
	policy, err := outbound.ParsePolicy(allowed)
	w.check(err)
	installation, err := s.InstallationID(w.t.Context())
	w.check(err)
	return webhook.New(webhook.Options{
		Store: s.Store, Installation: installation, PublicURL: "https://berth.example.com", Seal: &w.seal, Allowed: policy,
		Now: s.Now, Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil)), Counter: w.counted,
	})
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deployment(name string, tags ...string) {
	w.t.Helper()
	_, _, err := w.UpsertDeployment(w.t.Context(), store.Deployment{Name: name, Pool: "p", Tags: tags}, "t")
	w.check(err)
}

// set sets a webhook for a receiver.
func (w *world) set(name, url string, change ...func(*webhook.Change)) (store.Webhook, string) {
	w.t.Helper()
	c := webhook.Change{Webhook: store.Webhook{Name: name}, URL: &url}
	for _, f := range change {
		f(&c)
	}
	saved, secret, err := w.Set(w.t.Context(), c, "t")
	w.check(err)
	return *saved, secret
}

func asking(events ...event.Type) func(*webhook.Change) {
	return func(c *webhook.Change) {
		for _, e := range events {
			c.Webhook.Events = append(c.Webhook.Events, string(e))
		}
	}
}

// ended makes a run of a deployment that ends: with an exit code, or cancelled for a negative one.
func (w *world) ended(deployment string, code int32) uuid.UUID {
	w.t.Helper()
	ctx := w.t.Context()
	run, _, err := w.CreateRun(ctx, store.NewRun{Deployment: deployment}, "t")
	w.check(err)
	if code < 0 {
		_, err := w.CancelRun(ctx, run.ID, "t")
		w.check(err)
		return run.ID
	}
	claims, err := w.Claim(ctx, store.ClaimRequest{
		RequestID: uuid.New(), Pool: "p", Worker: "w", ClusterID: "c", Max: 1, Lease: time.Minute,
		Session: storetest.SessionOf("p", "w").ID,
	})
	w.check(err)
	if len(claims) != 1 || claims[0].RunID != run.ID {
		w.t.Fatalf("claimed %d runs", len(claims))
	}
	outcome := lifecycle.Outcome{Succeeded: code == 0, ExitCode: &code}
	if code != 0 {
		outcome.Category, outcome.Message = lifecycle.App, "exited with <1> & *more*"
	}
	lease := store.Lease{AttemptID: claims[0].AttemptID, Epoch: claims[0].Epoch}
	for _, r := range []store.Report{
		{Lease: lease, Kind: store.ReportRunning}, {Lease: lease, Kind: store.ReportEnded, Outcome: outcome},
	} {
		results, err := w.Report(ctx, "w", []store.Report{r})
		w.check(err)
		if len(results) != 1 || results[0].Status != store.ReportAccepted {
			w.t.Fatalf("reported as %v", results)
		}
	}
	return run.ID
}

// tell decides and sends once.
func (w *world) tell() {
	w.t.Helper()
	w.check(errors.Join(w.Tell(w.t.Context()), w.Look(w.t.Context()), w.Send(w.t.Context())))
}

// deliveries are those of a webhook, the oldest first.
func (w *world) deliveries(name string) []store.WebhookDelivery {
	w.t.Helper()
	h, err := w.GetWebhook(w.t.Context(), name)
	w.check(err)
	list, _, err := w.ListWebhookDeliveries(w.t.Context(), h.ID, "", store.Page{Limit: 500})
	w.check(err)
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

func newWorldOnPostgreSQL(t *testing.T, options ...storetest.Option) *world {
	t.Helper()
	return newWorld(t, storetest.PostgreSQL(t, options...))
}
