package health

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct{ time.Time }

func (c *clock) now() time.Time          { return c.Time }
func (c *clock) advance(d time.Duration) { c.Time = c.Add(d) }
func newClock() *clock                   { return &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }
func says(err error, text string) bool   { return err != nil && strings.Contains(err.Error(), text) }
func newHealth() (h *Health, c *clock)   { c = newClock(); return New(c.now), c }

func TestALoopWithoutProgressIsUnhealthy(t *testing.T) {
	h, clock := newHealth()
	pulse := h.Loop("claim", time.Minute)
	if err := h.Alive(); err != nil {
		t.Errorf("unhealthy from the start: %v", err)
	}
	clock.advance(2 * time.Minute)
	if err := h.Alive(); !says(err, "claim") {
		t.Errorf("a loop without progress is %v, want its name", err)
	}
	pulse.Beat()
	if err := h.Alive(); err != nil {
		t.Errorf("unhealthy after progress: %v", err)
	}
}

func TestAWorkerIsReadyOnceTheServerAnswersAndTheRuntimeIsSynced(t *testing.T) {
	h, clock := newHealth()
	steps := []struct {
		name string
		do   func()
		want string // in the error; empty if it is ready
	}{
		{"at the start", func() {}, "not answered yet"},
		{"with a failed call", func() { h.Away(errors.New("refused")) }, "refused"},
		{"after the first answer", h.Reached, "first resync"},
		{"after the resync", h.Resynced, ""},
		{
			"with the server away for a moment",
			func() { h.Away(errors.New("refused")); clock.advance(time.Second) }, "",
		},
		{"with the server away for long", func() { clock.advance(time.Hour) }, "not answered for 1h0m1s"},
		{"with the server back", h.Reached, ""},
		{"with no access to the cluster", func() { h.SetAccess(errors.New("jobs are forbidden"), nil) }, "jobs are forbidden"},
		{"with one of two namespaces lost", func() { h.SetAccess(nil, []string{"one is lost"}) }, ""},
	}
	for _, step := range steps {
		step.do()
		err := h.Ready()
		if (err == nil) != (step.want == "") || err != nil && !says(err, step.want) {
			t.Errorf("%s: ready is %v, want %q", step.name, err, step.want)
		}
	}
}
