package database

import (
	"maps"
	"slices"
	"sync"
)

// watchMax bounds the topics that a Watch keeps until they are taken.
const watchMax = 10_000

// Watch receives the hints of all topics, by their names. Hints may be spurious, and after a time in which some may
// have been missed there is one of Everything.
type Watch struct {
	hub *hub
	c   chan struct{}

	mu     sync.Mutex
	topics map[string]struct{}
}

// Everything is the topic that stands for all.
const Everything = everything

// Watch returns a new Watch. Close it.
func (db *DB) Watch() *Watch {
	w := &Watch{hub: db.hub, c: make(chan struct{}, 1), topics: map[string]struct{}{}}
	db.hub.mu.Lock()
	defer db.hub.mu.Unlock()
	db.hub.watches[w] = struct{}{}
	return w
}

// C receives when there is something to take.
func (w *Watch) C() <-chan struct{} { return w.c }

// Take returns the topics of the hints since the last Take, in order.
func (w *Watch) Take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	topics := slices.Sorted(maps.Keys(w.topics))
	clear(w.topics)
	return topics
}

// Close ends the watch.
func (w *Watch) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	delete(w.hub.watches, w)
}

func (w *Watch) add(topics ...string) {
	w.mu.Lock()
	for _, t := range topics {
		w.topics[t] = struct{}{}
	}
	if len(w.topics) > watchMax {
		w.topics = map[string]struct{}{everything: {}}
	}
	w.mu.Unlock()
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// watched hands hints to the watches. The hub is locked.
func (h *hub) watched(topics ...string) {
	for w := range h.watches {
		w.add(topics...)
	}
}
