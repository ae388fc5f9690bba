package worker

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/retry"
)

// blockedRuntime is a runtime that creates nothing before it is told to.
type blockedRuntime struct {
	*waitingRuntime
	goOn chan struct{}
}

func (s blockedRuntime) Launch(ctx context.Context, a job.Attempt) (job.Launched, error) {
	select {
	case <-ctx.Done():
		return job.Launched{}, context.Cause(ctx)
	case <-s.goOn:
	}
	at := time.Now()
	s.handler.Observed(a.Ref, job.Observation{Phase: job.Ended, Succeeded: true, EndedAt: &at})
	return job.Launched{Namespace: "jobs", Name: a.Manifest.Name, UID: "u-" + a.Ref.String()}, nil
}

func TestAWorkerClaimsNoMoreThanItCanLaunchSoon(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	const runs = maxUnlaunched + 300
	var offered []*servedAttempt
	for range runs {
		offered = append(offered, p.offer(script("true")))
	}
	runtime := blockedRuntime{newWaitingRuntime(), make(chan struct{})}
	startWorker(t, p, func(o *Options) { o.Runtime, o.tuning.launches = runtime, 4 })
	p.wait(t, "the worker to ask for cancels alone",
		func() bool { return len(p.asked) > 0 && p.asked[len(p.asked)-1].Max == 0 })
	p.change(func() {
		if left := len(p.waiting); left < runs-maxUnlaunched || left == runs {
			t.Errorf("%d of %d runs are left for other workers", left, runs)
		}
	})
	close(runtime.goOn)
	p.wait(t, "the end of all", func() bool {
		for _, s := range offered {
			if s.ended == nil {
				return false
			}
		}
		return true
	})
}

func TestARefusedClaimIsRepeatedWithBackoff(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	p.change(func() {
		p.foreign = foreignAnswer{
			path: "/api/v1/worker/claim", status: http.StatusRequestEntityTooLarge, left: 3,
		}
	})
	o := testOptions(t, p, t.TempDir())
	if err := o.setDefaults(); err != nil {
		t.Fatal(err)
	}
	w, err := newWorker(o)
	if err != nil {
		t.Fatal(err)
	}
	defer o.HTTPClient.CloseIdleConnections()
	c := w.newClaimer()
	c.calls.Backoff = retry.Backoff{Min: time.Millisecond, Max: time.Millisecond}
	for asked, want := range []int{1, 2, 3, 0} {
		response, err := w.claim(t.Context(), c,
			api.ClaimRequest{RequestID: uuid.New(), Pool: "local", Worker: "w1", Max: 1})
		if err != nil || (response != nil) != (want == 0) || c.calls.Failures() != want {
			t.Errorf("question %d: %v, %v, and %d failures in a row, want %d", asked+1, response, err,
				c.calls.Failures(), want)
		}
	}
}
