package worker

import (
	"context"
	"errors"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// errNotWanted tells a runtime to stop following.
var errNotWanted = errors.New("output of this attempt is not wanted any more")

// handler is what the runtime talks to.
type handler struct{ w *worker }

var _ job.Handler = handler{}

// Observed takes the newest observation. The first end counts: nothing replaces it.
func (h handler) Observed(ref job.Ref, seen job.Observation) {
	w := h.w
	a := w.table.find(ref)
	if a == nil {
		return
	}
	ended := seen.Phase == job.Ended
	pending, abandoned := false, false
	w.table.update(a, func() {
		if a.known.seen != nil && a.known.seen.Phase == job.Ended {
			ended = false
			return
		}
		seen = settled(seen, a.settled)
		a.known.seen = &seen
		abandoned = a.abandoned
		if pending = ended && w.output.hurry(a.id); pending {
			a.holdEnd = w.now().Add(w.tuning.outputDelay)
		}
	})
	switch {
	case ended && abandoned:
		w.release(a)
	case ended && pending:
		time.AfterFunc(w.tuning.outputDelay, func() { w.table.update(a, func() {}) })
	}
}

// settled is what an end means after we told the runtime to end the attempt: a Job that is only found gone
// has ended as we wanted it to.
func settled(seen job.Observation, as *job.Observation) job.Observation {
	if as == nil || seen.Phase != job.Ended || seen.Succeeded {
		return seen
	}
	if seen.Category == api.CategoryDeleted || seen.Category == api.CategoryCancelled {
		seen.Category = as.Category
		if seen.Category != api.CategoryCancelled || seen.Message == "" {
			seen.Message = as.Message
		}
	}
	return seen
}

// Output takes output of an attempt from its claim until its Job is let go of, which may be a while after its
// end.
func (h handler) Output(ctx context.Context, ref job.Ref, offset int64, text []byte) error {
	return h.w.output.write(ctx, ref, offset, text)
}

// Discovered takes note of a Job that nobody here launched.
func (h handler) Discovered(found job.Object) {
	h.w.suspects.add(found, h.w.now())
}

// Gone takes note that nobody needs to ask about a Job any more.
func (h handler) Gone(found job.Object) { h.w.suspects.remove(found) }
