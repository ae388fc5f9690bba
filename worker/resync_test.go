package worker

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// discoveringRuntime is a runtime that discovers a Job and records what is done to it.
type discoveringRuntime struct {
	*waitingRuntime
	found job.Object
	done  chan string
}

func (c discoveringRuntime) Run(
	ctx context.Context, installation uuid.UUID, h job.Handler, ready chan<- struct{},
) error {
	h.Discovered(c.found)
	return c.waitingRuntime.Run(ctx, installation, h, ready)
}

func (c discoveringRuntime) does(what string) func(context.Context, job.Object) error {
	return func(_ context.Context, found job.Object) error {
		c.done <- what + " " + found.UID
		return nil
	}
}

func (c discoveringRuntime) Finalize(ctx context.Context, found job.Object) error {
	return c.does("finalize")(ctx, found)
}

func (c discoveringRuntime) FinalizeUnknown(ctx context.Context, found job.Object) error {
	return c.does("finalize unknown")(ctx, found)
}

func (c discoveringRuntime) DeleteDuplicate(ctx context.Context, found job.Object) error {
	return c.does("delete duplicate")(ctx, found)
}

func TestAJobOfAnAttemptThatIsNotHeldIsTreatedByItsStatus(t *testing.T) {
	for name, c := range map[string]struct {
		status api.AttemptStatusStatus
		want   string
	}{
		"a Job whose attempt has ended is finalized":                            {api.AttemptStatusStatusEnded, "finalize u"},
		"a duplicate is deleted":                                                {api.AttemptStatusStatusDuplicate, "delete duplicate u"},
		"a Job that the server does not know is finalized after a grace period": {api.AttemptStatusStatusUnknown, "finalize unknown u"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFakeServer(t, shellTemplate)
			run := uuid.New()
			p.mu.Lock()
			p.grants[run] = c.status
			p.mu.Unlock()
			runtime := discoveringRuntime{
				newWaitingRuntime(), job.Object{Ref: job.Ref{RunID: run, Attempt: 1}, UID: "u"},
				make(chan string, 10),
			}
			startWorker(t, p, func(o *Options) { o.Runtime = runtime })
			select {
			case did := <-runtime.done:
				if did != c.want {
					t.Errorf("did %q, want %q", did, c.want)
				}
			case <-time.After(10 * time.Second):
				t.Error("nothing is done")
			}
		})
	}
}

func TestAGoneJobIsNotLookedUpAgain(t *testing.T) {
	s, now := newUnheldJobs(), time.Now()
	found := job.Object{Ref: job.Ref{RunID: uuid.New(), Attempt: 1}, UID: "u"}
	s.add(found, now)
	for _, answer := range []struct {
		status       api.AttemptStatusStatus
		after, lasts time.Duration
	}{
		{api.AttemptStatusStatusEnded, 0, 0},
		{api.AttemptStatusStatusEnded, 2 * time.Second, 2 * time.Second},
		{api.AttemptStatusStatusActive, 3 * time.Second, 0}, // what it was before no longer counts
		{api.AttemptStatusStatusEnded, 4 * time.Second, 0},
		{api.AttemptStatusStatusEnded, 5 * time.Second, time.Second},
	} {
		if lasts := s.answered(found, answer.status, now.Add(answer.after)); lasts != answer.lasts {
			t.Errorf("after %s it has been %s for %s, want %s", answer.after, answer.status, lasts,
				answer.lasts)
		}
	}
	found.Deleting = true
	(handler{&worker{unheld: s}}).Gone(found)
	if list := s.due(now.Add(time.Hour), time.Second); len(list) > 0 {
		t.Errorf("asked about %v", list)
	}
}
