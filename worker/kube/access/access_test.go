package access

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	errNo = errors.New("no route to host")
)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func TestANamespaceIsLostOnceWorkHasFailedForLongWithoutASuccess(t *testing.T) {
	type step struct {
		at   int // seconds
		do   func(b *Breaker)
		lost string // in the reason; empty if the namespace is served
	}
	failed := func(work Work, began int) func(b *Breaker) {
		return func(b *Breaker) { b.Failed("n", work, errNo, at(began)) }
	}
	worked := func(work Work) func(b *Breaker) { return func(b *Breaker) { b.Worked("n", work) } }
	listed := func(b *Breaker) { b.Listed("n") }
	nothing := func(*Breaker) {}
	for name, steps := range map[string][]step{
		"not listed yet":      {{0, nothing, "not been listed"}, {60, listed, ""}},
		"a blip":              {{0, listed, ""}, {1, failed(Observe, 1), ""}, {9, worked(Observe), ""}, {30, nothing, ""}},
		"failures in a row":   {{0, listed, ""}, {1, failed(Observe, 1), ""}, {8, failed(Observe, 8), ""}, {11, nothing, "observe Jobs and pods"}},
		"a request that hung": {{0, listed, ""}, {20, failed(Observe, 5), "no route"}},
		"regained":            {{0, listed, ""}, {20, failed(Create, 5), "create Jobs"}, {21, worked(Create), ""}},
		"another kind worked": {{0, listed, ""}, {20, failed(Create, 5), "create Jobs"}, {21, worked(Observe), "create Jobs"}},
		"the first list fails": {
			{1, failed(List, 0), "not been listed"}, {10, failed(List, 9), "list Jobs and pods"}, {20, listed, ""},
			{40, failed(List, 20), ""},
		},
		"another namespace": {{0, listed, ""}, {20, func(b *Breaker) { b.Failed("other", Create, errNo, at(1)) }, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			b := New(10*time.Second, "n", "other")
			for _, s := range steps {
				s.do(b)
				err := b.Lost("n", at(s.at))
				if (err == nil) != (s.lost == "") || err != nil && !strings.Contains(err.Error(), s.lost) {
					t.Errorf("at %ds it is lost for %v, want %q", s.at, err, s.lost)
				}
			}
		})
	}
}

func TestOnlyFailedObservationsMakeANamespaceUnobserved(t *testing.T) {
	b := New(10*time.Second, "n")
	b.Listed("n")
	b.Failed("n", Create, errNo, at(0))
	if got := b.Unobserved("n", at(60)); got != 0 {
		t.Errorf("unobserved for %s after creates failed", got)
	}
	b.Failed("n", Observe, errNo, at(30))
	b.Failed("n", Observe, errNo, at(50))
	if got := b.Unobserved("n", at(60)); got != 30*time.Second {
		t.Errorf("unobserved for %s, want 30s", got)
	}
	b.Worked("n", Observe)
	if got := b.Unobserved("n", at(61)); got != 0 {
		t.Errorf("unobserved for %s after a success", got)
	}
}

func TestANamespaceIsSettledWhenListedOrWhenThatFails(t *testing.T) {
	b := New(10*time.Second, "listed", "failing", "waiting")
	b.Listed("listed")
	b.Failed("failing", List, errNo, at(0))
	for name, want := range map[string]bool{"listed": true, "failing": true, "waiting": false} {
		if got := b.Settled(name, at(10)); got != want {
			t.Errorf("%s is settled: %v", name, got)
		}
	}
}
