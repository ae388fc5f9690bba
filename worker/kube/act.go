package kube

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// act does what follows from a view of an attempt that has not ended: carry out a decided end, stop stray
// pods, insist where pods do not go. It returns when to look again.
func (w *watcher) act(ctx context.Context, t *tracked, s snapshot, v view) (time.Duration, error) {
	planned, next := w.decide(t, s, v)
	if planned != nil && s.job != nil {
		if err := w.carryOut(ctx, t, s.job, *planned); err != nil {
			return 0, err
		}
	}
	for _, pod := range v.strays {
		if err := w.deletePod(ctx, pod, metav1.DeleteOptions{}); err != nil {
			return 0, err
		}
	}
	insist, err := w.insist(ctx, s, planned)
	return sooner(next, insist), err
}

// decide returns the end that the attempt is to have: one that was decided before, or one that is due now.
func (w *watcher) decide(t *tracked, s snapshot, v view) (*end, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.planned != nil || s.deleting() {
		if planned, ok := s.planned(); ok && t.planned == nil {
			t.planned = &planned
		}
		return t.planned, 0
	}
	due, wait := w.due(t, s, v)
	t.planned = due
	return due, wait
}

func (w *watcher) due(t *tracked, s snapshot, v view) (*end, time.Duration) {
	if v.outlived == nil {
		t.outlived = time.Time{}
	} else {
		if t.outlived.IsZero() {
			t.outlived = s.now
		}
		if wait := w.options.Timing.Outlived - s.now.Sub(t.outlived); wait > 0 {
			return nil, wait
		}
		return v.outlived, 0
	}
	if v.waiting == nil || v.waiting.Cause == "" {
		return nil, 0
	}
	limit := w.options.Deadlines.with(v.policy).of(v.waiting.Cause)
	if limit <= 0 {
		return nil, 0
	}
	if wait := limit - s.now.Sub(v.waiting.Since); wait > 0 {
		return nil, wait
	}
	return &end{
		Category: v.waiting.Cause,
		Message:  fmt.Sprintf("given up after %s: %s", limit, v.waiting.Summary),
	}, 0
}
