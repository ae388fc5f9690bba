package kube

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/worker/kube/observe"
)

// act does what follows from a view of an attempt that has not ended: carry out a decided end, stop stray
// pods, insist where pods do not go. It returns when to look again.
func (w *watcher) act(ctx context.Context, t *tracked, s observe.Snapshot, v observe.Result) (time.Duration, error) {
	planned, next := w.decide(t, s, v)
	if planned != nil && s.Job != nil {
		if err := w.carryOut(ctx, t, s.Job, *planned); err != nil {
			return 0, err
		}
	}
	for _, pod := range v.StrayPods {
		if err := w.deletePod(ctx, pod, metav1.DeleteOptions{}); err != nil {
			return 0, err
		}
	}
	insist, err := w.insist(ctx, s, planned)
	return sooner(next, insist), err
}

// decide returns the end that the attempt is to have: one that was decided before, or one that is due now.
func (w *watcher) decide(t *tracked, s observe.Snapshot, v observe.Result) (*observe.Outcome, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.planned != nil || s.Deleting() {
		if planned, ok := s.PlannedOutcome(); ok && t.planned == nil {
			t.planned = &planned
		}
		return t.planned, 0
	}
	due, wait := w.due(t, s, v)
	t.planned = due
	return due, wait
}

func (w *watcher) due(t *tracked, s observe.Snapshot, v observe.Result) (*observe.Outcome, time.Duration) {
	if v.Lingering == nil {
		t.outlived = time.Time{}
	} else {
		if t.outlived.IsZero() {
			t.outlived = s.Now
		}
		if wait := w.options.Timing.Outlived - s.Now.Sub(t.outlived); wait > 0 {
			return nil, wait
		}
		return v.Lingering, 0
	}
	if v.Waiting == nil || v.Waiting.Cause == "" {
		return nil, 0
	}
	limit := w.options.Deadlines.with(v.Policy).of(v.Waiting.Cause)
	if limit <= 0 {
		return nil, 0
	}
	if wait := limit - s.Now.Sub(v.Waiting.Since); wait > 0 {
		return nil, wait
	}
	return &observe.Outcome{
		Category: v.Waiting.Cause,
		Message:  fmt.Sprintf("given up after %s: %s", limit, v.Waiting.Summary),
	}, 0
}
