package worker

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// listingRuntime is a runtime that knows whose Jobs there are, and counts drains.
type listingRuntime struct {
	*waitingRuntime
	found   []string
	failure error
	drained []uuid.UUID
}

func (s *listingRuntime) Installations(context.Context) ([]string, error) { return s.found, s.failure }

func (s *listingRuntime) Drain(_ context.Context, installation uuid.UUID, _ bool) error {
	s.drained = append(s.drained, installation)
	return nil
}

func TestADrainWithoutServer(t *testing.T) {
	const unreachable = "http://127.0.0.1:1" // no server listens on port 1
	mine := uuid.New()
	tests := map[string]struct {
		runtime listingRuntime
		given   uuid.UUID
		want    []string // in the error; none means that there is none
		drained bool
	}{
		"succeeds if there are no Jobs": {},
		"names the installations that have Jobs and touches none": {
			runtime: listingRuntime{found: []string{"a-b", "c-d"}},
			want:    []string{"--installation", "a-b, c-d", "ask the server"},
		},
		"fails if it cannot list the installations": {
			runtime: listingRuntime{failure: errors.New("no rights")},
			want:    []string{"no rights", "ask the server"},
		},
		"ends the Jobs of the installation that is named": {
			runtime: listingRuntime{found: []string{"a-b"}}, given: mine, drained: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			runtime := test.runtime
			runtime.waitingRuntime = newWaitingRuntime()
			err := RunDrain(t.Context(),
				DrainOptions{Installation: test.given, ServerURL: unreachable, Runtime: &runtime})
			if (err == nil) != (len(test.want) == 0) {
				t.Fatalf("error = %v, want one with %q", err, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if drained := len(runtime.drained) > 0; drained != test.drained ||
				drained && runtime.drained[0] != mine {
				t.Errorf("drained %v", runtime.drained)
			}
		})
	}
}
