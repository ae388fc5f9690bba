// Package access keeps whether the API server lets a worker do its work in each namespace: a circuit breaker that
// is fed with the results of requests. It makes no request and reads no clock.
//
//	Failed, Worked, Listed ──▶ Breaker ──▶ Lost: why a namespace cannot be served
//	                                   ──▶ Unobserved: since when its Jobs cannot be observed
//
// One failure is a blip. Work that has failed for longer than the patience, with no success in between, is lost
// until it succeeds again.
package access

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Work is a kind of request that a worker cannot do without.
type Work string

// Kinds of work.
const (
	// List is the first list of the Jobs and pods of a namespace. It is done once.
	List Work = "list Jobs and pods"
	// Observe is every later request for them.
	Observe Work = "observe Jobs and pods"
	// Create is the creation of Jobs.
	Create Work = "create Jobs"
)

var kinds = []Work{List, Observe, Create}

var errNotListed = errors.New("its Jobs have not been listed yet")

// Breaker keeps the access to each namespace. Its methods may be called from any goroutine.
type Breaker struct {
	patience time.Duration

	mu         sync.Mutex
	namespaces map[string]*namespace
}

type namespace struct {
	listed  bool
	failing map[Work]failure
}

// failure is since when a kind of work fails, and why.
type failure struct {
	since time.Time
	err   error
}

// New returns a Breaker for these namespaces, none of which is listed yet.
func New(patience time.Duration, namespaces ...string) *Breaker {
	b := &Breaker{patience: patience, namespaces: map[string]*namespace{}}
	for _, name := range namespaces {
		b.namespaces[name] = &namespace{failing: map[Work]failure{}}
	}
	return b
}

// Failed records that a request failed which had begun at a time.
func (b *Breaker) Failed(name string, work Work, err error, began time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.namespaces[name]
	if n == nil || work == List && n.listed {
		return
	}
	if earlier, ok := n.failing[work]; ok {
		began = earlier.since
	}
	n.failing[work] = failure{since: began, err: err}
}

// Worked records that a request succeeded, or was refused on its merits.
func (b *Breaker) Worked(name string, work Work) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.namespaces[name]; n != nil {
		delete(n.failing, work)
	}
}

// Listed records that the Jobs and pods of a namespace are known.
func (b *Breaker) Listed(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.namespaces[name]; n != nil {
		n.listed = true
		delete(n.failing, List)
	}
}

// IsListed reports whether the Jobs and pods of a namespace are known.
func (b *Breaker) IsListed(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.namespaces[name]
	return n != nil && n.listed
}

// Failing reports whether the last request of a kind failed.
func (b *Breaker) Failing(name string, work Work) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.namespaces[name]
	if n == nil {
		return false
	}
	_, failing := n.failing[work]
	return failing
}

// Lost returns why a namespace cannot be served, or nil.
func (b *Breaker) Lost(name string, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.namespaces[name]
	if n == nil {
		return nil
	}
	if err := n.failed(b.patience, now); err != nil {
		return err
	}
	if !n.listed {
		return errNotListed
	}
	return nil
}

// Settled reports whether it is known if a namespace can be served: it was listed, or that fails.
func (b *Breaker) Settled(name string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.namespaces[name]
	return n == nil || n.listed || n.failed(b.patience, now) != nil
}

func (n *namespace) failed(patience time.Duration, now time.Time) error {
	for _, work := range kinds {
		if f, ok := n.failing[work]; ok && now.Sub(f.since) >= patience {
			return fmt.Errorf("cannot %s since %s: %w", work, f.since.UTC().Format(time.RFC3339), f.err)
		}
	}
	return nil
}

// Unobserved returns for how long the Jobs of a namespace could not be observed; 0 if they are.
func (b *Breaker) Unobserved(name string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	var longest time.Duration
	if n := b.namespaces[name]; n != nil {
		for _, work := range []Work{List, Observe} {
			if f, ok := n.failing[work]; ok {
				longest = max(longest, now.Sub(f.since))
			}
		}
	}
	return longest
}
