package worker

import (
	"context"
	"sync"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/retry"
)

// maxLookups bounds one question about Jobs.
const maxLookups = 1000

// unheldJobs are Jobs of this installation whose attempts this worker does not hold: left by an earlier
// worker, held by another one, or unknown to the server.
type unheldJobs struct {
	mu   sync.Mutex
	jobs map[job.Object]*unheldJob
	wake chan struct{}
}

type unheldJob struct {
	// status is what the server said last, and since is when it said that first.
	status api.AttemptStatusStatus
	since  time.Time
	// askAt is when the server is asked next.
	askAt time.Time
}

func newUnheldJobs() *unheldJobs {
	return &unheldJobs{jobs: map[job.Object]*unheldJob{}, wake: make(chan struct{}, 1)}
}

// key is the Job without what may change while it exists.
func key(object job.Object) job.Object {
	object.Deleting = false
	return object
}

// add has the server asked about a Job. A Job that is known already stays as it is.
func (u *unheldJobs) add(object job.Object, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.jobs[key(object)]; ok {
		return
	}
	u.jobs[key(object)] = &unheldJob{askAt: now}
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *unheldJobs) remove(object job.Object) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.jobs, key(object))
}

// due returns the Jobs to ask about now. Each is due again after the interval.
func (u *unheldJobs) due(now time.Time, interval time.Duration) []job.Object {
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []job.Object
	for object, state := range u.jobs {
		if len(list) < maxLookups && !now.Before(state.askAt) {
			state.askAt = now.Add(interval)
			list = append(list, object)
		}
	}
	return list
}

// answered records what the server says of a Job, and returns for how long it has said so without
// interruption.
func (u *unheldJobs) answered(
	object job.Object,
	status api.AttemptStatusStatus,
	now time.Time,
) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	state, ok := u.jobs[key(object)]
	if !ok { // removed meanwhile
		return 0
	}
	if state.status != status {
		state.status, state.since = status, now
	}
	return now.Sub(state.since)
}

// resyncLoop asks the server about the Jobs of attempts that this worker does not hold.
func (w *worker) resyncLoop() *retry.Loop {
	loop := w.newLoop("resync")
	// Each Job has its own time, so look more often than each of them is due.
	loop.Wake, loop.Every = w.unheld.wake, w.tuning.resyncEvery/4
	loop.Send = func(ctx context.Context) (more bool, err error) {
		objects := w.unheld.due(w.now(), w.tuning.resyncEvery)
		if len(objects) == 0 {
			return false, nil
		}
		return true, w.resync(ctx, objects)
	}
	return loop
}

// resync asks what the server says of these Jobs, and acts on it.
func (w *worker) resync(ctx context.Context, objects []job.Object) error {
	refs := make([]api.AttemptRef, len(objects))
	for i, object := range objects {
		refs[i] = attemptRef(object)
	}
	statuses, err := w.client.LookUp(ctx, w.runtime.ClusterID(), refs)
	if err != nil {
		return err
	}
	for i, object := range objects {
		w.resyncJob(object, statuses[i].Status)
	}
	return nil
}

// resyncJob acts on one answer. The Job of an active attempt is left to its holder, or to whoever takes it
// over.
func (w *worker) resyncJob(object job.Object, status api.AttemptStatusStatus) {
	log := w.log.With("run", object.RunID, "attempt", object.Attempt, "uid", object.UID)
	lasted := w.unheld.answered(object, status, w.now())
	switch status {
	case api.AttemptStatusStatusEnded:
		// The worker that recorded the outcome may still read output.
		if lasted >= w.tuning.resyncEvery {
			log.Info("finalizing a job whose outcome is recorded")
			w.unheld.remove(object)
			w.act("finalize", object, w.runtime.Finalize)
		}
	case api.AttemptStatusStatusDuplicate:
		log.Warn("deleting a duplicate job of an attempt")
		w.unheld.remove(object)
		w.act("delete duplicate", object, w.runtime.DeleteDuplicate)
	case api.AttemptStatusStatusUnknown:
		if lasted >= w.tuning.unknownGrace {
			log.Warn("finalizing a job that the server does not know")
			w.unheld.remove(object)
			w.act("finalize unknown", object, w.runtime.FinalizeUnknown)
		}
	default:
		if w.table.Find(object.Ref) != nil {
			w.unheld.remove(object)
		}
	}
}

func attemptRef(object job.Object) api.AttemptRef {
	ref := api.AttemptRef{RunID: object.RunID, Attempt: int32(object.Attempt)}
	if object.UID != "" {
		ref.JobUID = &object.UID
	}
	return ref
}
