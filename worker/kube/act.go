package kube

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/worker/kube/jobclient"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// act does what follows from the observation of an attempt that has not ended: it carries out a planned
// outcome, deletes stray pods, and escalates where pods do not stop. It returns after which time to reconcile
// again.
func (w *watcher) act(
	ctx context.Context, a *attempt, s observe.Snapshot, observed observe.Result,
) (time.Duration, error) {
	planned, next := w.plan(a, s, observed)
	if planned != nil && s.Job != nil {
		if err := w.deleteFor(ctx, a, s.Job, *planned); err != nil {
			return 0, err
		}
	}
	for _, pod := range observed.StrayPods {
		if err := w.jobs.DeletePod(ctx, pod, jobclient.PodGracePeriod); err != nil {
			return 0, err
		}
	}
	escalation, err := w.escalate(ctx, s, planned)
	return sooner(next, escalation), err
}

// plan returns the planned outcome of the attempt: decided before, or due now. Without one it returns when
// one may become due.
func (w *watcher) plan(
	a *attempt, s observe.Snapshot, observed observe.Result,
) (*observe.Outcome, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.planned != nil || s.Deleting() {
		// An earlier worker may have planned the outcome and deleted the Job before it stopped.
		if planned, ok := s.PlannedOutcome(); ok && a.planned == nil {
			a.planned = &planned
		}
		return a.planned, 0
	}
	due, wait := w.due(a, s.Now, observed)
	a.planned = due
	return due, wait
}

// due returns the outcome that waiting has led to, or for how long to wait for it yet.
func (w *watcher) due(a *attempt, now time.Time, observed observe.Result) (*observe.Outcome, time.Duration) {
	if observed.GivenUp != nil {
		return observed.GivenUp, 0
	}
	if observed.Lingering == nil {
		a.lingeringSince = time.Time{}
	} else {
		if a.lingeringSince.IsZero() {
			a.lingeringSince = now
		}
		if wait := w.options.Timing.Lingering - now.Sub(a.lingeringSince); wait > 0 {
			return nil, wait
		}
		return observed.Lingering, 0
	}

	waiting := observed.Waiting
	since := a.waits.waitingSince(waiting, now)
	if waiting == nil || waiting.Cause == "" {
		return nil, 0
	}
	limit := w.options.Deadlines.withPolicy(observed.Policy).limit(waiting)
	if limit <= 0 {
		return nil, 0
	}
	if wait := limit - now.Sub(since); wait > 0 {
		return nil, wait
	}
	return &observe.Outcome{
		Category: waiting.Cause,
		Message:  fmt.Sprintf("gave up after waiting %s: %s", limit, waiting.Summary),
	}, 0
}
