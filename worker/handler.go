package worker

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/worker/job"
)

// handler is what the runtime calls.
type handler struct{ w *worker }

var _ job.Handler = handler{}

// Observed takes the newest observation of an attempt. Its end waits a moment for the last output.
func (h handler) Observed(ref job.Ref, observed job.Observation) {
	w := h.w
	attempt := w.table.Find(ref)
	if attempt == nil {
		return
	}
	action, ended := w.table.Observe(attempt, observed, w.tuning.outputDelay)
	w.perform(attempt, action)
	if !ended {
		return
	}

	// The delay began above, so that output which is sent in between allows the end and is not missed.
	if !w.output.NotifyWhenSent(attempt.ID) {
		w.table.AllowEnd(attempt)
		return
	}
	time.AfterFunc(w.tuning.outputDelay, func() { w.table.AllowEnd(attempt) })
}

// outputSent is called when the last output of an attempt that has ended was sent.
func (w *worker) outputSent(id uuid.UUID) {
	if attempt := w.table.Get(id); attempt != nil {
		w.table.AllowEnd(attempt)
	}
}

// Output takes output of an attempt from its claim until its Job is finalized, which may be a while after its
// end.
func (h handler) Output(ctx context.Context, ref job.Ref, offset int64, text []byte) error {
	return h.w.output.Write(ctx, ref, offset, text)
}

// Discovered has the server asked about a Job that this worker does not hold.
func (h handler) Discovered(object job.Object) { h.w.unheld.add(object, h.w.now()) }

// Gone ends the questions about a discovered Job.
func (h handler) Gone(object job.Object) { h.w.unheld.remove(object) }
