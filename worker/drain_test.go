package worker

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// listingRuntime is a runtime that knows whose Jobs there are, and counts drains.
type listingRuntime struct {
	*waitingRuntime
	found   []string
	failure error
	drained []uuid.UUID
	ended   []job.Drained
}

func (s *listingRuntime) Installations(context.Context) ([]string, error) { return s.found, s.failure }

func (s *listingRuntime) Drain(_ context.Context, installation uuid.UUID, _ bool) ([]job.Drained, error) {
	s.drained = append(s.drained, installation)
	return s.ended, nil
}

func TestADrainWithoutServer(t *testing.T) {
	const unreachable = "http://127.0.0.1:1" // no server listens on port 1
	mine := uuid.New()
	tests := map[string]struct {
		runtime listingRuntime
		given   uuid.UUID
		known   []uuid.UUID // what the workers recorded
		want    []string    // in the error; none means that there is none
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
		"ends the Jobs of the installation that the workers recorded": {
			runtime: listingRuntime{found: []string{"a-b"}}, known: []uuid.UUID{mine}, drained: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			runtime := test.runtime
			runtime.waitingRuntime = newWaitingRuntime()
			err := RunDrain(t.Context(),
				DrainOptions{Installation: test.given, Recorded: test.known, ServerURL: unreachable, Runtime: &runtime,
					Logger: slog.New(slog.DiscardHandler)})
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

func TestADrainTellsTheServerWhatItHasEnded(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	running, recorded := p.offer(""), p.offer("")
	p.change(func() {
		running.epoch, recorded.ended = 3, &api.Report{Kind: api.ReportKindEnded}
	})
	ref := func(s *servedAttempt) job.Drained {
		return job.Drained{Ref: job.Ref{RunID: s.claim.RunID, Attempt: 1}, Pool: "p", UID: "uid"}
	}
	runtime := listingRuntime{
		waitingRuntime: newWaitingRuntime(),
		ended:          []job.Drained{ref(running), ref(recorded), {Ref: job.Ref{RunID: uuid.New(), Attempt: 1}, Pool: "p"}},
	}
	options := DrainOptions{
		Installation: p.installation, ServerURL: p.http.URL, APIKey: "key", Runtime: &runtime, Logger: slog.New(slog.DiscardHandler),
	}
	if err := RunDrain(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	p.change(func() {
		if len(running.reports) != 1 || len(recorded.reports) != 0 {
			t.Fatalf("reported %+v and %+v", running.reports, recorded.reports)
		}
		r := running.reports[0]
		if r.Kind != api.ReportKindEnded || r.Epoch != 3 || *r.Category != api.CategoryDeleted || !*r.Final ||
			!strings.Contains(*r.Message, "ended by the uninstall of this installation") {
			t.Errorf("reported %+v", r)
		}
	})

	// A server that is gone keeps nothing from being drained.
	var said strings.Builder
	options.ServerURL, options.Logger = "http://127.0.0.1:1", slog.New(slog.NewTextHandler(&said, nil))
	if err := RunDrain(t.Context(), options); err != nil || !strings.Contains(said.String(), "could not be told") {
		t.Errorf("without the server: %v, %s", err, said.String())
	}
}

// TestADrainOfTwoInstallations: the database was made anew, and Jobs of the one before are left.
func TestADrainOfTwoInstallations(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	before := uuid.New()
	runtime := listingRuntime{waitingRuntime: newWaitingRuntime()}
	options := DrainOptions{
		Recorded: []uuid.UUID{before, p.installation}, ServerURL: p.http.URL, APIKey: "key", Runtime: &runtime,
		Logger: slog.New(slog.DiscardHandler),
	}
	if err := RunDrain(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if want := []uuid.UUID{before, p.installation}; !slices.Equal(runtime.drained, want) {
		t.Errorf("drained %v, want %v", runtime.drained, want)
	}
}

func TestAWorkerRecordsItsInstallationUntilItCould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, calls := uuid.New(), 0
		w := &worker{log: slog.New(slog.DiscardHandler), installation: mine, Options: Options{
			RecordInstallation: func(_ context.Context, installation uuid.UUID) error {
				if calls++; calls < 5 {
					return errors.New("forbidden")
				}
				if installation != mine {
					t.Errorf("recorded %s, want %s", installation, mine)
				}
				return nil
			},
		}}
		w.recordInstallation(t.Context())
		if calls != 5 {
			t.Errorf("%d calls", calls)
		}
	})
}
