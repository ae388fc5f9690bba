package store

import "github.com/google/uuid"

// PoolTopic is where hints of work or of a cancel in a pool come.
func PoolTopic(pool string) string { return "pool:" + pool }

// RunTopic is where hints of a run's events and output come.
func RunTopic(id uuid.UUID) string { return "run:" + id.String() }

// Subscription receives hints of the topics it was made for. Hints are coalesced and may be spurious: look, never
// conclude.
type Subscription struct {
	hub    *hub
	c      chan struct{}
	topics []string
}

// C receives after something was said on one of the topics since the last receive.
func (s *Subscription) C() <-chan struct{} { return s.c }

// Close ends the subscription; it may be called twice.
func (s *Subscription) Close() { s.hub.leave(s) }
