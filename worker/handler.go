package worker

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/worker/held"
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
	delay := w.tuning.outputDelay
	if observed.LinesFollow {
		delay = w.tuning.linesDelay
	}
	action, ended := w.table.Observe(attempt, observed, delay)
	w.perform(attempt, action)
	switch {
	case !ended:
	case observed.LinesFollow:
		time.AfterFunc(delay, func() { w.table.AllowEnd(attempt) })
	default:
		w.awaitOutput(attempt)
	}
}

// awaitOutput has the end of an attempt wait a moment for the output that is still to be sent.
func (w *worker) awaitOutput(attempt *held.Attempt) {
	// The delay of the end has begun, so that output which is sent in between allows the end and is not missed.
	if !w.output.NotifyWhenSent(attempt.ID) {
		w.table.AllowEnd(attempt)
		return
	}
	time.AfterFunc(w.tuning.outputDelay, func() { w.table.AllowEnd(attempt) })
}

// LastLines completes the end of an attempt, unless that was reported without them.
func (h handler) LastLines(ref job.Ref, text string) {
	if attempt := h.w.table.Find(ref); attempt != nil {
		h.w.table.LastLines(attempt, text)
		h.w.awaitOutput(attempt)
	}
}

// outputSent is called when the last output of an attempt that has ended was sent.
func (w *worker) outputSent(id uuid.UUID) {
	if attempt := w.table.Get(id); attempt != nil {
		w.table.AllowEnd(attempt)
	}
}

// Output takes output of an attempt from its claim until its Job is finalized, which may be a while after its
// end.
func (h handler) Output(ctx context.Context, ref job.Ref, output job.Output) error {
	return h.w.output.Write(ctx, ref, output)
}

// Discovered has the server asked about a Job that this worker does not hold.
func (h handler) Discovered(object job.Object) { h.w.unheld.add(object, h.w.now()) }

// Gone ends the questions about a discovered Job.
func (h handler) Gone(object job.Object) { h.w.unheld.remove(object) }
