package kube

import (
	"context"
	"time"

	"github.com/berth-dev/berth/worker/kube/cluster"
)

// sweepLoop replaces legacy finalizers by ours at intervals, until ctx ends; awaitList does so at the start. A Job that
// ours holds is then discovered and finalized like any other.
func (w *watcher) sweepLoop(ctx context.Context) error {
	if len(w.options.LegacyFinalizers) == 0 {
		return nil
	}
	tick := time.NewTicker(w.options.Timing.Sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.sweep(ctx)
		}
	}
}

// sweep replaces the legacy finalizers of all Jobs once. A Job that cannot be changed is tried again by the
// next sweep.
func (w *watcher) sweep(ctx context.Context) {
	if len(w.options.LegacyFinalizers) == 0 {
		return
	}
	for j := range w.allJobs() {
		if ctx.Err() != nil {
			return
		}
		if !w.jobs.Finalizers.Legacy(j) {
			continue
		}
		if err := w.jobs.ReplaceLegacyFinalizers(ctx, j); err != nil {
			w.options.Log.Warn("legacy finalizer not replaced, retrying at the next sweep",
				"job", j.Namespace+"/"+j.Name, "error", cluster.WithHint(err))
		}
	}
}
