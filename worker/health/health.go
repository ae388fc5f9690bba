// Package health decides what a worker answers to /healthz (restart it or not) and /readyz (it works or not),
// and serves both next to /metrics.
package health

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// awayPatience is how long the server may be out of reach before the worker says that it is not ready.
const awayPatience = time.Minute

// Health collects signs of life. Its methods may be called from any goroutine.
type Health struct {
	now func() time.Time

	mu        sync.Mutex
	pulses    []*Pulse
	resynced  bool      // the runtime has finished its first resync
	access    error     // why the runtime reaches nothing of its infrastructure
	lost      []string  // what the runtime cannot reach, while it reaches the rest
	reachedAt time.Time // when the server answered last
	lastErr   error     // of the last call, nil if it reached the server
}

// New returns a Health with the given clock.
func New(now func() time.Time) *Health { return &Health{now: now} }

// Pulse is the sign of life of one loop.
type Pulse struct {
	name       string
	maxSilence time.Duration
	health     *Health
	last       time.Time
}

// Loop registers a loop that must beat at least this often.
func (h *Health) Loop(name string, maxSilence time.Duration) *Pulse {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &Pulse{name: name, maxSilence: maxSilence, health: h, last: h.now()}
	h.pulses = append(h.pulses, p)
	return p
}

// Beat says that the loop makes progress.
func (p *Pulse) Beat() {
	p.health.mu.Lock()
	defer p.health.mu.Unlock()
	p.last = p.health.now()
}

// Reached records that the server answered.
func (h *Health) Reached() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reachedAt, h.lastErr = h.now(), nil
}

// Away records that a call failed.
func (h *Health) Away(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lastErr = err
}

// SetAccess records why the runtime reaches nothing of its infrastructure (nil: it does), and otherwise which parts
// of it it cannot reach.
func (h *Health) SetAccess(err error, lost []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.access, h.lost = err, lost
}

// Lost lists what cannot be served by a worker that is ready.
func (h *Health) Lost() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// Resynced records that the runtime has finished its first resync.
func (h *Health) Resynced() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.resynced = true
}

// Alive returns why the worker should be restarted, or nil. It never depends on the server: every call and every
// wait for it is bounded by less than a loop may be silent, and a restart would bring nothing back.
func (h *Health) Alive() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.pulses {
		if silence := h.now().Sub(p.last); silence > p.maxSilence {
			return fmt.Errorf("%s loop made no progress for %s", p.name, silence.Round(time.Second))
		}
	}
	return nil
}

// Ready returns why the worker does no work, or nil.
func (h *Health) Ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	silence := h.now().Sub(h.reachedAt)
	switch {
	case h.access != nil:
		return fmt.Errorf("no access to the cluster: %w", h.access)
	case h.reachedAt.IsZero():
		return errors.Join(errors.New("server has not answered yet"), h.lastErr)
	case !h.resynced:
		return errors.New("runtime has not finished its first resync")
	case h.lastErr != nil && silence > awayPatience:
		return fmt.Errorf("server has not answered for %s: %w", silence.Round(time.Second), h.lastErr)
	}
	return nil
}
