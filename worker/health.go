package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// awayPatience is how long the server may be out of reach before the worker says that it is not ready.
const awayPatience = time.Minute

// health is what /healthz and /readyz say.
type health struct {
	now func() time.Time

	mu       sync.Mutex
	pulses   []*pulse
	observes bool          // the runtime has had its first full look
	allowed  time.Duration // for how long a lease may be out
	contact  time.Time
	lastErr  error
}

// pulse is the sign of life of a loop.
type pulse struct {
	name string
	most time.Duration // between two beats
	h    *health
	last time.Time
}

// loop registers a loop that must beat at least this often.
func (h *health) loop(name string, most time.Duration) *pulse {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &pulse{name: name, most: most, h: h, last: h.now()}
	h.pulses = append(h.pulses, p)
	return p
}

func (p *pulse) beat() {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	p.last = p.h.now()
}

// reached notes that the server has answered, away that it has not.
func (h *health) reached() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.contact, h.lastErr = h.now(), nil
}

// greeted notes the first answer.
func (h *health) greeted(lease time.Duration) {
	h.reached()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.allowed = lease
}

func (h *health) away(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lastErr = err
}

func (h *health) observing() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.observes = true
}

// alive is why the worker should be restarted, or nil. overdue is for how long a lease has been out; as long
// again as the lease itself is too long.
func (h *health) alive(overdue time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.pulses {
		if silent := h.now().Sub(p.last); silent > p.most {
			return fmt.Errorf("the %s loop has not moved for %s", p.name, silent.Round(time.Second))
		}
	}
	if overdue > h.allowed {
		return fmt.Errorf("leases could not be renewed: out for %s", overdue.Round(time.Second))
	}
	return nil
}

// ready is why the worker does no work, or nil.
func (h *health) ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.contact.IsZero():
		return errors.Join(errors.New("the server has not answered yet"), h.lastErr)
	case !h.observes:
		return errors.New("the runtime has not had its first full look yet")
	case h.lastErr != nil && h.now().Sub(h.contact) > awayPatience:
		return fmt.Errorf(
			"the server has not answered for %s: %w",
			h.now().Sub(h.contact).Round(time.Second),
			h.lastErr,
		)
	}
	return nil
}

// serveHealth answers /healthz, /readyz and /metrics until ctx ends.
func (w *worker) serveHealth(
	ctx context.Context,
	listener net.Listener,
	registry *prometheus.Registry,
) error {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", probe(func() error { return w.health.alive(w.table.overdue()) }))
	mux.Handle("GET /readyz", probe(w.health.ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve metrics and health: %w", err)
	case <-ctx.Done():
		err := server.Close()
		<-served
		return err
	}
}

func probe(check func() error) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := check(); err != nil {
			http.Error(rw, err.Error(), http.StatusServiceUnavailable)
			return
		}
		// A client that is gone does not read the answer.
		_, _ = fmt.Fprintln(rw, "ok")
	})
}
