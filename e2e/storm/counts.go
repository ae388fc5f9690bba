package main

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/berth-dev/berth/worker/client"
)

// counts are what happened in a storm.
type counts struct {
	requests  atomic.Int64 // for runs, also without an answer
	created   atomic.Int64 // runs that clients were told of
	claims    atomic.Int64
	takeovers atomic.Int64
	abandoned atomic.Int64
	ended     atomic.Int64 // attempts whose end was accepted
	unmade    atomic.Int64 // calls without an answer, or with one that says to try again

	mu      sync.Mutex
	refused map[string]int // reports, by answer
	errors  map[string]int // answers that no call should get, by text
	faults  map[string]int // by kind
}

func newCounts() *counts {
	return &counts{refused: map[string]int{}, errors: map[string]int{}, faults: map[string]int{}}
}

// failed counts a call that has failed.
func (c *counts) failed(err error) {
	if errors.Is(err, context.Canceled) {
		return // by ourselves
	}
	c.unmade.Add(1)
	if failed := client.AsError(err); !failed.Temporary() {
		c.unexpected(failed.Error())
	}
}

// unexpected counts an answer that no call should get.
func (c *counts) unexpected(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errors) < 100 || c.errors[text] > 0 {
		c.errors[text]++
	}
}

func (c *counts) refuse(status string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[status]++
}

func (c *counts) fault(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[kind]++
}

// tables returns copies of the counts by name.
func (c *counts) tables() (refused, errors, faults map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.refused), maps.Clone(c.errors), maps.Clone(c.faults)
}
