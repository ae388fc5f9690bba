package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// slotPatience is how long preparing and launching count as work. What takes longer is waiting for something
// (a quota, an API that is away), and must not keep others from being launched.
const slotPatience = 5 * time.Second

// begin brings an attempt from its claim to its Job, or to the end that this is not to be. ctx ends when the
// worker stops. It calls settled, early, where what is left to do may take any time.
func (w *worker) begin(ctx context.Context, a *attempt, settled func()) {
	p, ok := w.ready(ctx, a, settled)
	if !ok {
		return
	}
	if p.launched {
		w.adopt(ctx, a, p)
		return
	}
	free, err := w.slot(ctx)
	if err != nil {
		w.handBack(a, !p.taken)
		return
	}
	defer free()
	defer whenLate(free, settled).Stop()
	w.launch(ctx, a, p)
}

// whenLate does all this when what is under way has taken longer than slotPatience.
func whenLate(do ...func()) *time.Timer {
	return time.AfterFunc(slotPatience, func() {
		for _, f := range do {
			f()
		}
	})
}

// slot waits for the right to prepare or to launch, which so many may do at once; the returned function gives
// it back and may be called twice.
func (w *worker) slot(ctx context.Context) (free func(), err error) {
	select {
	case w.slots <- struct{}{}:
		return sync.OnceFunc(func() { <-w.slots }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// ready prepares the attempt and has the server accept its manifest. It returns false when there is nothing
// to launch: the attempt has been given its end, handed back, or is not ours any more.
func (w *worker) ready(ctx context.Context, a *attempt, settled func()) (prepared, bool) {
	claim := *a.claim // nobody else changes it before the attempt has its Job
	taken := hasManifest(claim)
	var stop bool
	w.table.view(func() { stop = a.cancelled && !taken })
	if stop {
		w.end(a, api.CategoryCancelled, "cancelled before it was launched")
		return prepared{}, false
	}
	free, err := w.slot(ctx)
	if err != nil {
		w.handBack(a, !taken)
		return prepared{}, false
	}
	timer := whenLate(free, settled)
	p, err := w.prepare(ctx, claim)
	timer.Stop()
	free()
	if ctx.Err() != nil {
		w.handBack(a, !taken)
		return prepared{}, false
	}
	if err != nil {
		var refused *job.Refused
		if !errors.As(err, &refused) {
			refused = &job.Refused{Category: api.CategoryUnknown, Message: err.Error()}
		}
		w.end(a, refused.Category, refused.Message)
		return prepared{}, false
	}
	w.table.update(a, func() {
		a.known.manifest, a.known.limits, a.known.failEvicted = p.raw, p.limits, p.failEvicted
		a.known.job = job.Launched{
			Namespace: p.attempt.Manifest.Namespace,
			Name:      p.attempt.Manifest.Name,
			UID:       p.uid,
		}
		a.known.tried = taken
		a.said.manifest, a.said.uid = taken, p.uid
	})
	p.attempt.HoldsLease = func() bool { return w.table.mayCreate(a) }
	return p, taken || w.manifestAccepted(ctx, a)
}

// manifestAccepted waits for the server to accept the manifest. Nothing has been created yet.
func (w *worker) manifestAccepted(ctx context.Context, a *attempt) bool {
	var accepted, cancelled bool
	ended := w.await(ctx, a, func() bool {
		accepted, cancelled = a.said.manifest, a.cancelled
		return accepted || cancelled || a.known.seen != nil || a.abandoned
	})
	switch {
	case ended == errStopping:
		w.handBack(a, true)
	case cancelled:
		w.end(a, api.CategoryCancelled, "cancelled before it was launched")
	case ended == nil:
		return accepted
	}
	return false
}

var (
	errStopping = errors.New("the worker stops")
	errGone     = errors.New("the attempt is held no more")
)

// await waits until the condition, read under the table's lock, holds. Only the goroutine that begins an
// attempt may await.
func (w *worker) await(ctx context.Context, a *attempt, condition func() bool) error {
	for {
		var holds, gone bool
		w.table.view(func() { holds, gone = condition(), a.gone })
		switch {
		case gone:
			return errGone
		case holds:
			return nil
		}
		select {
		case <-ctx.Done():
			return errStopping
		case <-a.poke:
		}
	}
}

// handBack gives the attempt back to the server, if nothing can have been created; otherwise its lease runs
// out, and who takes it over finds out.
func (w *worker) handBack(a *attempt, nothingCreated bool) {
	if nothingCreated {
		w.table.update(a, func() { a.known.handBack = true })
		return
	}
	w.leave(a)
}

// adopt goes on with a Job that was reported already, or may be there. A worker that stops leaves it to the
// next one.
func (w *worker) adopt(ctx context.Context, a *attempt, p prepared) {
	retry := backoff{least: w.tuning.retryMin, most: w.tuning.retryMax}
	for {
		err := w.runtime.Adopt(ctx, p.attempt)
		if err == nil {
			break
		}
		if refused := new(*job.Refused); errors.As(err, refused) {
			// Its Job may well run where this worker may not go: another one takes the attempt over.
			w.log.Error(
				"job can not be adopted by this worker: leaving the attempt to another",
				"run",
				a.ref.RunID,
				"attempt",
				a.ref.Attempt,
				"error",
				err,
			)
			w.leave(a)
			return
		}
		w.log.Warn(
			"job not adopted, trying again",
			"run",
			a.ref.RunID,
			"attempt",
			a.ref.Attempt,
			"error",
			err,
		)
		var gone bool
		w.table.view(func() { gone = a.gone })
		if gone || !retry.wait(ctx, 0) {
			return
		}
	}
	made := job.Launched{
		Namespace: p.attempt.Manifest.Namespace,
		Name:      p.attempt.Manifest.Name,
		UID:       p.uid,
		Adopted:   true,
	}
	made.Gated = p.launched // who reported it may have died before it was granted
	w.launched(a, made)
}
