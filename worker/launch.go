package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// launched takes note of the Job.
func (w *worker) launched(a *attempt, made job.Launched) {
	cancelled, granted := false, false
	held := w.table.update(a, func() {
		granted = made.Gated && made.UID != "" && a.said.uid == made.UID
		a.known.job, a.known.manifest, a.claim = made, nil, nil
		cancelled = a.cancelled
	})
	switch {
	case !held:
		w.unobserve(a)
		return
	case cancelled:
		w.cancel(a)
	case granted:
		w.grant(a)
	}
	w.log.Info("launched attempt", "run", a.ref.RunID, "attempt", a.ref.Attempt,
		"namespace", made.Namespace, "job", made.Name, "uid", made.UID, "adopted", made.Adopted)
}

// launch has the runtime create the Job, until it has, or until that is not wanted or possible any more.
func (w *worker) launch(ctx context.Context, a *attempt, p prepared) {
	var nothingYet bool
	w.table.view(func() { nothingYet = !a.known.tried })
	retry := backoff{least: w.tuning.retryMin, most: w.tuning.retryMax}
	for {
		w.table.view(func() { a.known.tried = true })
		made, err := w.launchOnce(ctx, a, p)
		if err == nil {
			w.launched(a, made)
			return
		}
		var refused *job.Refused
		if errors.As(err, &refused) {
			w.end(a, refused.Category, refused.Message)
			return
		}
		notHeld := errors.Is(err, job.ErrLeaseLost)
		nothingYet = nothingYet && notHeld
		if w.givenUp(ctx, a, p, err, nothingYet) {
			return
		}
		if !notHeld {
			w.log.Warn(
				"job not launched, trying again",
				"run",
				a.ref.RunID,
				"attempt",
				a.ref.Attempt,
				"error",
				err,
			)
			retry.wait(ctx, 0)
			continue
		}
		// Renewing may bring the lease back; being cancelled, stopped or lost ends the wait as well.
		_ = w.await(ctx, a, func() bool { return w.table.heldLocked(a) || a.cancelled || a.abandoned })
	}
}

// launchOnce launches with a context that ends some time after launching is not wanted any more: the runtime
// asks for the lease before it creates, so it usually ends by itself, and then it is certain what it did.
func (w *worker) launchOnce(ctx context.Context, a *attempt, p prepared) (job.Launched, error) {
	launching, cancel := context.WithCancel(w.alive)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		unwanted, done := w.untilUnwanted(ctx, launching, a, p)
		defer done()
		select {
		case <-launching.Done():
			return
		case <-unwanted:
		}
		timer := time.NewTimer(w.tuning.launchPatience)
		defer timer.Stop()
		select {
		case <-launching.Done():
		case <-timer.C:
			cancel()
		}
	}()
	made, err := w.runtime.Launch(launching, p.attempt)
	cancel()
	<-watched
	return made, err
}

// untilUnwanted returns a channel that is closed when the worker stops, or the attempt is cancelled, lost or
// late.
func (w *worker) untilUnwanted(
	ctx, launching context.Context,
	a *attempt,
	p prepared,
) (<-chan struct{}, func()) {
	unwanted := make(chan struct{})
	waiting, cancel := context.WithCancel(launching)
	if !p.startBy.IsZero() {
		cancel()
		waiting, cancel = context.WithDeadline(launching, p.startBy)
	}
	stop := context.AfterFunc(ctx, cancel)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(unwanted)
		// Whatever ends the wait, launching is not wanted any more.
		_ = w.await(waiting, a, func() bool { return a.cancelled || a.abandoned })
	}()
	return unwanted, func() { stop(); cancel(); <-ended }
}

// givenUp decides what a launch that did not succeed means: whether it is over, and how.
func (w *worker) givenUp(ctx context.Context, a *attempt, p prepared, err error, nothingYet bool) bool {
	var gone, cancelled bool
	w.table.view(func() {
		gone, cancelled = a.gone, a.cancelled
		if nothingYet {
			a.known.tried = false
		}
	})
	late := !p.startBy.IsZero() && !w.now().Before(p.startBy)
	switch {
	case gone:
		w.unobserve(a)
	case cancelled && nothingYet:
		w.end(a, api.CategoryCancelled, "cancelled before it was launched")
	case cancelled:
		w.settle(ctx, a, p, job.Observation{Category: api.CategoryCancelled, Message: "cancelled"})
	case ctx.Err() != nil:
		w.handBack(a, nothingYet)
	case late && nothingYet:
		w.end(a, api.CategoryUnknown, lateMessage(err))
	case late:
		w.settle(ctx, a, p, job.Observation{Category: api.CategoryUnknown, Message: lateMessage(err)})
	default:
		return false
	}
	return true
}

func lateMessage(err error) string {
	return fmt.Sprintf("not launched before its start deadline: %v", err)
}

// settle ends an attempt of which it is not known whether its Job exists: the runtime looks for it, ends it
// if it is there, and its end is what is given here.
func (w *worker) settle(ctx context.Context, a *attempt, p prepared, end job.Observation) {
	w.table.update(a, func() { a.settled, a.cancelled = &end, true })
	w.adopt(ctx, a, p)
}
