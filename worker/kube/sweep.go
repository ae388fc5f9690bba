package kube

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// sweepLoop replaces legacy finalizers by ours, at the start and now and then, until ctx ends. Jobs that are
// held by ours are then found and let go of as all others are.
func (w *watcher) sweepLoop(ctx context.Context) error {
	if len(w.options.LegacyFinalizers) == 0 {
		return nil
	}
	tick := time.NewTicker(w.options.Timing.Sweep)
	defer tick.Stop()
	for {
		w.sweep(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep goes once through the Jobs of the installation. One that can not be changed now is tried again the
// next time.
func (w *watcher) sweep(ctx context.Context) {
	for j := range w.allJobs() {
		if ctx.Err() != nil {
			return
		}
		if !w.finalizers.Legacy(j) {
			continue
		}
		if err := w.renew(ctx, j); err != nil {
			w.metrics.released.WithLabelValues(resultFailed).Inc()
			w.options.Log.Warn(
				"legacy finalizer could not be replaced, it is tried again later",
				"job",
				j.Namespace+"/"+j.Name,
				"error",
				hinted(err),
			)
		}
	}
}

// renew puts our finalizer in the place of legacy ones.
func (w *watcher) renew(ctx context.Context, j *batchv1.Job) error {
	err := w.change(ctx, j, false, func(ctx context.Context, current *batchv1.Job, uid types.UID) error {
		renew, changed := w.finalizers.Renew(current)
		if !changed || current.UID != uid {
			return nil
		}
		if err := w.patch(ctx, current, map[string]any{"metadata": renew}); err != nil {
			return err
		}
		w.metrics.released.WithLabelValues(resultReplaced).Inc()
		w.options.Log.Info(
			"legacy finalizer replaced",
			"job",
			j.Namespace+"/"+j.Name,
			"has",
			renew.Finalizers(),
		)
		return nil
	})
	if apierrors.IsNotFound(err) {
		w.metrics.released.WithLabelValues(resultAbsent).Inc()
		return nil
	}
	return err
}

// allJobs are the copies of the installation's Jobs in the namespaces served.
func (w *watcher) allJobs() func(yield func(*batchv1.Job) bool) {
	return func(yield func(*batchv1.Job) bool) {
		for _, informer := range w.jobs {
			for _, object := range informer.GetStore().List() {
				if !yield(object.(*batchv1.Job)) {
					return
				}
			}
		}
	}
}
