package kube

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/worker/job"
)

// report tells of Jobs with the attempt's labels that are not the one tracked: left by an earlier process,
// made by another worker, or a second one of the same attempt. Each is told once, again when somebody deletes
// it, and at every resync. Jobs without our finalizer need nobody.
func (w *watcher) report(ref job.Ref, t *tracked) {
	if w.launching(ref) {
		return // the watch may be faster than the answer to create
	}
	for _, j := range w.jobsOf(ref) {
		if !w.finalizers.Hold(j) || w.isTracked(t, j) || !w.worthTelling(j.UID, j.DeletionTimestamp != nil) {
			continue
		}
		w.handler.Discovered(job.Object{Ref: ref, UID: string(j.UID), Deleting: j.DeletionTimestamp != nil})
	}
}

func (w *watcher) launching(ref job.Ref) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, launching := w.launches[ref]
	return launching
}

func (w *watcher) isTracked(t *tracked, j *batchv1.Job) bool {
	if t == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return t.uid == j.UID || (t.uid == "" && t.namespace == j.Namespace && t.name == j.Name)
}

// worthTelling notes that the Job is told of and reports whether that says something new.
func (w *watcher) worthTelling(uid types.UID, deleting bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	earlier, known := w.reported[uid]
	if known && earlier.released {
		return false
	}
	if known && earlier.deleting == deleting && now.Sub(earlier.at) < w.options.Timing.Resync*9/10 {
		return false
	}
	w.reported[uid] = report{deleting: deleting, at: now}
	return true
}

// settled keeps a Job that was just released from being told of again while the watch still shows it with its
// finalizer. One that is gone from the copies is not noted: nobody would take the note away again.
func (r *Runtime) settled(j *batchv1.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ref, ok := refOf(j); ok && r.watcher != nil && r.watcher.jobWithUID(ref, j.UID) != nil {
		r.reported[j.UID] = report{released: true}
	}
}

// reportAll tells of everything that the first look shows.
func (w *watcher) reportAll() {
	for _, informer := range w.jobs {
		for _, object := range informer.GetStore().List() {
			if ref, ok := refOf(object.(*batchv1.Job)); ok {
				w.report(ref, w.trackedOf(ref))
			}
		}
	}
}
