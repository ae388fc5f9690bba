package worker

import (
	"context"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// end records an end that no runtime has observed: the Job was never created, or can not be.
func (w *worker) end(a *attempt, category api.Category, message string) {
	at := w.now()
	abandoned := false
	w.table.update(a, func() {
		abandoned = a.abandoned
		if a.known.seen == nil || a.known.seen.Phase != job.Ended {
			a.known.seen = &job.Observation{
				Phase:    job.Ended,
				Category: category,
				Message:  message,
				EndedAt:  &at,
			}
		}
	})
	if abandoned { // nobody waits for this end
		w.leave(a)
	}
}

// leave takes the attempt out of the table; its output is still sent.
func (w *worker) leave(a *attempt) {
	w.output.finish(a.id, a.epoch)
	w.table.remove(a)
}

// forget takes out an attempt that somebody else holds now.
func (w *worker) forget(a *attempt) {
	w.output.drop(a.id, a.epoch)
	w.table.remove(a)
	w.unobserve(a)
}

// unobserve has the runtime forget the attempt, unless it has come back to us under a newer epoch.
func (w *worker) unobserve(a *attempt) {
	if other := w.table.find(a.ref); other == nil || other == a {
		w.runtime.Disown(a.ref)
	}
}

// found is the attempt's Job as the runtime knows it.
func (w *worker) found(a *attempt) job.Object {
	var found job.Object
	w.table.view(func() { found = job.Object{Ref: a.ref, UID: a.known.uid()} })
	return found
}

// release lets go of the Job of an attempt whose outcome is recorded. Its slot is free at once; what it has
// written and the runtime has not handed over yet is taken until the runtime has let go.
func (w *worker) release(a *attempt) {
	found := w.found(a)
	w.table.remove(a)
	w.insist("release", found, func(ctx context.Context, found job.Object) error {
		err := w.runtime.Finalize(ctx, found)
		if err == nil {
			w.output.finish(a.id, a.epoch)
		}
		return err
	})
}

// discard deletes the Job that lost the race for its attempt.
func (w *worker) discard(a *attempt) {
	found := w.found(a)
	w.output.drop(a.id, a.epoch)
	w.table.remove(a)
	w.insist("discard", found, w.runtime.DeleteDuplicate)
}

// grant lets the Job of an attempt run, which the server has taken note of, unless it is to end anyway.
func (w *worker) grant(a *attempt) {
	var waits bool
	w.table.view(func() { waits = a.known.job.Gated && !a.cancelled })
	if waits {
		w.insist("grant", w.found(a), w.runtime.Grant)
	}
}

// abandon ends the Job of an attempt that the server has ended without us; its end is then only let go of.
func (w *worker) abandon(a *attempt) {
	var over bool
	w.table.update(a, func() {
		a.abandoned, a.cancelled = true, true
		a.said.over = true
		over = a.known.seen != nil && a.known.seen.Phase == job.Ended
	})
	if over {
		w.release(a)
		return
	}
	w.cancel(a)
}

// suspect stops acting on an attempt that the server does not know, and looks again later.
func (w *worker) suspect(a *attempt) {
	found := w.found(a)
	w.forget(a)
	w.suspects.add(found, w.now())
}

// cancelled takes note that an attempt shall end. Before its Job exists, whoever brings it there ends it
// instead.
func (w *worker) cancelled(a *attempt) {
	first, launched := false, false
	w.table.update(a, func() {
		first, launched = !a.cancelled, a.known.job.UID != ""
		a.cancelled = true
	})
	if first {
		w.log.Info("cancelling attempt", "run", a.ref.RunID, "attempt", a.ref.Attempt)
	}
	if launched {
		w.cancel(a)
	}
}

// cancel has the runtime end the attempt's Job, again and again until it has taken it on.
func (w *worker) cancel(a *attempt) {
	begin := false
	w.table.update(a, func() {
		begin = !a.cancelling
		a.cancelling = true
		if a.settled == nil {
			a.settled = &job.Observation{Category: api.CategoryCancelled, Message: "cancelled"}
		}
	})
	if !begin {
		return
	}
	w.task(func() {
		retry := backoff{least: w.tuning.retryMin, most: w.tuning.retryMax}
		for {
			err := w.runtime.Cancel(w.alive, a.ref)
			if err == nil {
				return
			}
			w.log.Warn(
				"cancel did not reach the job, trying again",
				"run",
				a.ref.RunID,
				"attempt",
				a.ref.Attempt,
				"error",
				err,
			)
			var gone bool
			w.table.view(func() { gone = a.gone })
			if gone || !retry.wait(w.alive, 0) {
				return
			}
		}
	})
}

// insist does something to a Job until it has worked, or the worker ends: the next start finds the Job again.
func (w *worker) insist(what string, found job.Object, do func(context.Context, job.Object) error) {
	w.task(func() {
		retry := backoff{least: w.tuning.retryMin, most: w.tuning.retryMax}
		for {
			ctx, cancel := context.WithTimeout(w.alive, time.Minute)
			err := do(ctx, found)
			cancel()
			if err == nil {
				return
			}
			w.log.Warn(
				"job not let go of, trying again",
				"what",
				what,
				"run",
				found.RunID,
				"attempt",
				found.Attempt,
				"error",
				err,
			)
			if !retry.wait(w.alive, 0) {
				return
			}
		}
	})
}

// task does something beside the loops; the worker waits a while for it before it ends.
func (w *worker) task(do func()) {
	w.busy.Add(1)
	w.tasks.Go(func() {
		defer w.busy.Add(-1)
		do()
	})
}
