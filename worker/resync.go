package worker

import (
	"context"
	"sync"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// maxLookups bounds one question about Jobs.
const maxLookups = 1000

// suspects are Jobs of this installation that nobody here holds: left by an earlier worker, held by another
// one, or unknown to the server.
type suspects struct {
	mu   sync.Mutex
	jobs map[job.Object]*suspect
	wake chan struct{}
}

type suspect struct {
	// status is what the server says of it, and since is from when on it has said so.
	status api.AttemptStatusStatus
	since  time.Time
	// after is when it is looked up next.
	after time.Time
}

func newSuspects() *suspects {
	return &suspects{jobs: map[job.Object]*suspect{}, wake: make(chan struct{}, 1)}
}

// add takes note of a Job. Who is told again of one that is known changes nothing.
func (s *suspects) add(found job.Object, now time.Time) {
	found.Deleting = false // of no matter here, and it would make two of one
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.jobs[found]; !ok {
		s.jobs[found] = &suspect{after: now}
		poke(s.wake)
	}
}

func (s *suspects) remove(found job.Object) {
	found.Deleting = false
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.jobs, found)
}

// next returns those whose time has come, and puts them off until the one after.
func (s *suspects) next(now time.Time, every time.Duration) []job.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []job.Object
	for found, state := range s.jobs {
		if len(list) < maxLookups && !now.Before(state.after) {
			state.after = now.Add(every)
			list = append(list, found)
		}
	}
	return list
}

// said takes note of what the server says of the Job, and returns for how long it has said nothing else.
func (s *suspects) said(found job.Object, status api.AttemptStatusStatus, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, ok := s.jobs[found]
	if !ok { // let go of meanwhile
		return 0
	}
	if state.status != status {
		state.status, state.since = status, now
	}
	return now.Sub(state.since)
}

// resyncLoop asks the server about suspects until ctx ends.
func (w *worker) resyncLoop(ctx context.Context) error {
	pulse := w.health.loop("resync", time.Minute+callTimeout+w.tuning.lookEvery)
	retry := backoff{least: w.tuning.retryMin, most: w.tuning.retryMax}
	tick := time.NewTicker(w.tuning.lookEvery / 4) // each Job has its own time
	defer tick.Stop()
	for {
		pulse.beat()
		found := w.suspects.next(w.now(), w.tuning.lookEvery)
		if len(found) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-w.suspects.wake:
			case <-tick.C:
			}
			continue
		}
		err := w.look(ctx, found)
		if err == nil {
			retry.reset()
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		call := asCallError(err)
		if call.denied() {
			return deniedError(err)
		}
		w.log.Warn("jobs not looked up, trying again", "jobs", len(found), "error", err)
		if !retry.wait(ctx, call.retryAfter) {
			return nil
		}
	}
}

// look asks what the server says of these Jobs, and does it.
func (w *worker) look(ctx context.Context, found []job.Object) error {
	refs := make([]api.AttemptRef, len(found))
	for i, f := range found {
		refs[i] = api.AttemptRef{RunID: f.RunID, Attempt: int32(f.Attempt), JobUID: text(f.UID)}
	}
	statuses, err := w.client.lookUp(ctx, w.runtime.ClusterID(), refs)
	if err != nil {
		return err
	}
	for i, f := range found {
		w.looked(f, statuses[i].Status)
	}
	return nil
}

// looked acts on one answer. An attempt that is active is left alone: whoever holds it, or takes it over,
// sees to it.
func (w *worker) looked(found job.Object, status api.AttemptStatusStatus) {
	log := w.log.With(
		"run",
		found.RunID,
		"attempt",
		found.Attempt,
		"uid",
		found.UID,
		"status",
		string(status),
	)
	lasted := w.suspects.said(found, status, w.now())
	switch status {
	case api.AttemptStatusStatusEnded:
		if lasted >= w.tuning.lookEvery { // whoever has recorded the end may still be reading output
			log.Info("letting go of a job whose outcome is recorded")
			w.suspects.remove(found)
			w.insist("release", found, w.runtime.Finalize)
		}
	case api.AttemptStatusStatusDuplicate:
		log.Warn("discarding a job that lost the race for its attempt")
		w.suspects.remove(found)
		w.insist("discard", found, w.runtime.DeleteDuplicate)
	case api.AttemptStatusStatusUnknown:
		if lasted >= w.tuning.unknownGrace {
			log.Warn("letting go of a job that the server does not know")
			w.suspects.remove(found)
			w.insist("disown", found, w.runtime.FinalizeUnknown)
		}
	default:
		if w.table.find(found.Ref) != nil {
			w.suspects.remove(found)
		}
	}
}
