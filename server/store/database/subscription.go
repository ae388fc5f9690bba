package database

import (
	"container/list"
	"sync"
)

// Subscription receives hints of the topics it was made for. Hints are coalesced and may be spurious: look,
// never conclude.
type Subscription struct {
	hub    *hub
	c      chan struct{}
	topics []string

	pass    func()        // gives a turn to another one; nil: this one takes none
	waiting *list.Element // its place in the queue; nil: it was woken
	owed    bool          // it was woken in its turn, and has not taken it
}

// C receives after something was said on one of the topics since the last receive.
func (s *Subscription) C() <-chan struct{} { return s.c }

// Close ends the subscription; it may be called twice. A turn that it has not taken goes to the next one.
func (s *Subscription) Close() {
	s.hub.leave(s)
	if s.pass != nil && s.hub.dequeue(s) {
		s.pass()
	}
}

// wake leaves a hint where none is waiting yet.
func (s *Subscription) wake() {
	select {
	case s.c <- struct{}{}:
	default:
	}
}

// hub hands hints to the subscriptions of this process.
type hub struct {
	mu     sync.Mutex
	topics map[string]map[*Subscription]struct{}
	queues map[string]*list.List // of subscriptions that take turns
	// watches receive the hints of all topics.
	watches map[*Watch]struct{}
}

func newHub() *hub {
	return &hub{
		topics: map[string]map[*Subscription]struct{}{}, queues: map[string]*list.List{}, watches: map[*Watch]struct{}{},
	}
}

func (h *hub) join(topics []string) *Subscription {
	s := &Subscription{hub: h, c: make(chan struct{}, 1), topics: topics}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range topics {
		if h.topics[t] == nil {
			h.topics[t] = map[*Subscription]struct{}{}
		}
		h.topics[t][s] = struct{}{}
	}
	return s
}

func (h *hub) leave(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range s.topics {
		delete(h.topics[t], s)
		if len(h.topics[t]) == 0 {
			delete(h.topics, t)
		}
	}
}

// wake hints at the topics given.
func (h *hub) wake(topics ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range topics {
		for s := range h.topics[t] {
			s.wake()
		}
	}
	h.watched(topics...)
}

// wakeAll hints at every topic: after a time in which hints may have been missed.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, subscriptions := range h.topics {
		for s := range subscriptions {
			s.wake()
		}
	}
	h.watched(everything)
}
