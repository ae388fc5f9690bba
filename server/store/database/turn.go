package database

import (
	"container/list"
	"strconv"
	"strings"
)

// Subscriptions that take turns wait in a queue. A hint of n things wakes the first n of them, where waking all
// would let each ask the database for what only n can get. Other hints of the topic wake all.

// SubscribeTurn is Subscribe for one topic, whose hints with a number (HintTurns) wake the subscription in its turn.
// Receive from C, then call Next before looking.
func (db *DB) SubscribeTurn(topic string) *Subscription {
	s := db.hub.join([]string{topic})
	s.pass = func() { db.giveTurns(topic, 1) }
	db.hub.enqueue(s)
	return s
}

// Next puts the subscription at the end of the queue, unless it has its place still. What is said from now on wakes
// it again. Without turns it does nothing.
func (s *Subscription) Next() {
	if s.pass != nil {
		s.hub.enqueue(s)
	}
}

// PassOn gives a turn to the next in the queue: this subscription had one, and there may be more than it took, or
// it could not take any.
func (s *Subscription) PassOn() {
	if s.pass == nil {
		return
	}
	if s.hub.dequeue(s) {
		s.pass() // and one that came meanwhile
	}
	s.pass()
}

// enqueue lets a subscription wait for its turn, unless it does.
func (h *hub) enqueue(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.owed = false
	if s.waiting != nil {
		return
	}
	topic := s.topics[0]
	if h.queues[topic] == nil {
		h.queues[topic] = list.New()
	}
	s.waiting = h.queues[topic].PushBack(s)
}

// dequeue takes a subscription out of the queue, and returns whether it was woken in its turn and has not taken it.
func (h *hub) dequeue(s *Subscription) (owed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeWaiting(s)
	owed, s.owed = s.owed, false
	return owed
}

func (h *hub) removeWaiting(s *Subscription) {
	if s.waiting == nil {
		return
	}
	topic := s.topics[0]
	h.queues[topic].Remove(s.waiting)
	s.waiting = nil
	if h.queues[topic].Len() == 0 {
		delete(h.queues, topic)
	}
}

// turns wakes the first n that wait for their turn, and all that subscribed to the topic without one. It returns
// how many turns were taken.
func (h *hub) turns(topic string, n int) (taken int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.topics[topic] {
		if s.pass == nil {
			s.wake()
		}
	}
	h.watched(topic)
	for ; taken < n && h.queues[topic] != nil; taken++ {
		s := h.queues[topic].Front().Value.(*Subscription)
		h.removeWaiting(s)
		s.owed = true
		s.wake()
	}
	return taken
}

// giveTurns gives turns to this process, and what it has no use for to the other servers.
func (db *DB) giveTurns(topic string, n int) {
	if left := n - db.hub.turns(topic, n); left > 0 && db.dialect == Postgres {
		db.outbox.add(map[string]int{topic: left})
	}
}

// HintTurns hints at n things after the commit, each of which one subscription can take.
func (tx *Tx) HintTurns(topic string, n int) {
	if before, known := tx.topics[topic]; n > 0 && (!known || before != toAll) {
		tx.topics[topic] = before + n
	}
}

// toAll is the number of turns of a hint that wakes all.
const toAll = 0

// An entry of a notification is a topic, or turns of one: "3@server topic". A server ignores its own turns, which
// it has given already.
func (o *outbox) entry(topic string, turns int) string {
	if turns == toAll {
		return topic
	}
	return strconv.Itoa(turns) + "@" + o.server + " " + topic
}

// receiveEntry carries out an entry of a notification.
func (db *DB) receiveEntry(entry string) {
	head, topic, found := strings.Cut(entry, " ")
	number, server, hasServer := strings.Cut(head, "@")
	turns, err := strconv.Atoi(number)
	if !found || !hasServer || err != nil {
		db.hub.wake(entry)
		return
	}
	if server != db.outbox.server {
		db.hub.turns(topic, turns)
	}
}
