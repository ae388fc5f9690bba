package kube

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/jobclient"
)

// discovery is what was last reported of a discovered Job.
type discovery struct {
	deleting  bool
	at        time.Time
	finalized bool // there is nothing left to report
}

// reportDiscovered reports Jobs with the attempt's labels that are not the observed one: left by an earlier
// process, made by another worker, or a duplicate. Each is reported once, again when it is being deleted, and
// at every resync. Jobs without our finalizer need no attention.
func (w *watcher) reportDiscovered(ref job.Ref, observed *attempt) {
	if w.launching(ref) {
		return // the watch may be faster than the answer to create
	}
	for _, j := range w.jobsOf(ref) {
		deleting := j.DeletionTimestamp != nil
		if !w.jobs.Finalizers.Hold(j) || w.isJobOf(observed, j) || !w.noteDiscovery(j.UID, deleting) {
			continue
		}
		w.handler.Discovered(job.Object{Ref: ref, UID: string(j.UID), Deleting: deleting})
	}
}

func (w *watcher) launching(ref job.Ref) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, launching := w.launches[ref]
	return launching
}

// isJobOf reports whether the Job is the one that the attempt runs as.
func (w *watcher) isJobOf(a *attempt, j *batchv1.Job) bool {
	if a == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return a.uid == j.UID || (a.uid == "" && a.namespace == j.Namespace && a.name == j.Name)
}

// noteDiscovery notes that the Job is reported, and reports false if that would repeat what the handler
// knows.
func (w *watcher) noteDiscovery(uid types.UID, deleting bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	last, known := w.discovered[uid]
	// Finalized here: only the copy still shows the finalizer.
	if known && last.finalized {
		return false
	}
	// Slightly less than the interval, so that every resync reports.
	repeatAfter := w.options.Timing.Resync * 9 / 10
	if known && last.deleting == deleting && now.Sub(last.at) < repeatAfter {
		return false
	}
	w.discovered[uid] = discovery{deleting: deleting, at: now}
	return true
}

// markFinalized keeps a finalized Job from being reported while the watch still shows its finalizer. A Job
// that is not among the copies is not noted: no event would ever delete the note.
func (r *Runtime) markFinalized(j *batchv1.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ref, ok := jobclient.RefOf(j); ok && r.watcher != nil && r.watcher.jobWithUID(ref, j.UID) != nil {
		r.discovered[j.UID] = discovery{finalized: true}
	}
}
