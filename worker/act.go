package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/berth-dev/berth/worker/held"
	"github.com/berth-dev/berth/worker/job"
)

// actTimeout bounds one call that acts on a Job.
const actTimeout = time.Minute

// perform does what a transition of the attempt asks for.
func (w *worker) perform(a *held.Attempt, action held.Action) {
	switch action {
	case held.Nothing:
	case held.CancelJob:
		w.cancelJob(a)
	case held.Finalize:
		w.finalize(a)
	case held.FinishOutput:
		w.output.Finish(a.ID, a.Epoch)
	case held.StopObserving:
		w.stopObserving(a)
	case held.Disown:
		// The output is left to the worker that holds the attempt.
		w.output.Drop(a.ID, a.Epoch)
		w.stopObserving(a)
	case held.DisownAndLookUp:
		w.output.Drop(a.ID, a.Epoch)
		w.stopObserving(a)
		w.unheld.add(w.table.Object(a), w.now())
	case held.DeleteDuplicate:
		w.output.Drop(a.ID, a.Epoch)
		w.act("delete duplicate", w.table.Object(a), w.runtime.DeleteDuplicate)
	}
}

// stopObserving has the runtime disown the attempt, unless it came back to us: the runtime knows no epochs.
func (w *worker) stopObserving(a *held.Attempt) {
	if newer := w.table.Find(a.Ref); newer == nil {
		w.runtime.Disown(a.Ref)
	}
}

// finalize finalizes the Job of an attempt. Output that the runtime still hands over is taken until then.
func (w *worker) finalize(a *held.Attempt) {
	w.act("finalize", w.table.Object(a), func(ctx context.Context, object job.Object) error {
		err := w.runtime.Finalize(ctx, object)
		if err == nil {
			w.output.Finish(a.ID, a.Epoch)
		}
		return err
	})
}

// cancel ends an attempt on the server's request. Before its Job exists, the goroutine that launches it ends
// it.
func (w *worker) cancel(a *held.Attempt) {
	action, changed := w.table.Cancel(a)
	if changed {
		w.logFor(a).Info("cancelling attempt")
	}
	w.perform(a, action)
}

// cancelJob has the runtime end the attempt's Job. It retries until the runtime has taken that on.
func (w *worker) cancelJob(a *held.Attempt) {
	w.task(func() {
		backoff := w.backoff()
		for {
			err := w.runtime.Cancel(w.alive, a.Ref)
			if err == nil {
				return
			}
			w.logFor(a).Warn("cannot cancel job, retrying", "error", err)
			if stage, _ := w.table.Stage(a); stage == held.Released || !backoff.Wait(w.alive, 0) {
				return
			}
		}
	})
}

// act does something to a Job. It retries until that worked or the worker ends: the next start discovers the
// Job.
func (w *worker) act(what string, object job.Object, do func(context.Context, job.Object) error) {
	w.task(func() {
		backoff := w.backoff()
		for {
			ctx, cancel := context.WithTimeout(w.alive, actTimeout)
			err := do(ctx, object)
			cancel()
			if err == nil {
				return
			}
			w.log.Warn("action on job failed, retrying",
				"action", what, "run", object.RunID, "attempt", object.Attempt, "error", err)
			if !backoff.Wait(w.alive, 0) {
				return
			}
		}
	})
}

// logFor returns a logger for messages about an attempt.
func (w *worker) logFor(a *held.Attempt) *slog.Logger {
	return w.log.With("run", a.Ref.RunID, "attempt", a.Ref.Attempt)
}

// task runs something beside the loops. A worker that stops waits some time for its tasks.
func (w *worker) task(do func()) {
	w.tasksRunning.Add(1)
	w.tasks.Go(func() {
		defer w.tasksRunning.Add(-1)
		do()
	})
}
