package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/held"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/prepare"
)

// slowAfter is how long preparing and launching count as work. An attempt that takes longer waits for
// something (a quota, an API server that is away) and must not keep others from being launched.
const slowAfter = 5 * time.Second

const cancelledBeforeLaunch = "cancelled before it was launched"

// launchClaim brings a claimed attempt to its Job, or to the end that comes first. ctx ends when the worker
// stops. It calls waiting, once or more, as soon as what is left may take any time.
func (w *worker) launchClaim(ctx context.Context, a *held.Attempt, c api.Claim, waiting func()) {
	prepared, ok := w.prepare(ctx, a, c, waiting)
	if !ok {
		return
	}
	if prepared.UID != "" {
		w.adopt(ctx, a, prepared)
		return
	}

	free, err := w.launchSlot(ctx)
	if err != nil {
		w.stopAttempt(a, !held.JobMayExist(c))
		return
	}
	defer free()
	slow := time.AfterFunc(slowAfter, func() { free(); waiting() })
	defer slow.Stop()
	w.launch(ctx, a, prepared)
}

// launchSlot waits for the right to prepare or launch. The returned function frees it and may be repeated.
func (w *worker) launchSlot(ctx context.Context) (free func(), err error) {
	select {
	case w.launchSlots <- struct{}{}:
		return sync.OnceFunc(func() { <-w.launchSlots }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// prepare makes the manifest of the attempt, and waits until the server has accepted it if the claim asks for that. It
// returns false if there is nothing to launch: the attempt has ended, is handed back or is no longer held.
func (w *worker) prepare(
	ctx context.Context,
	a *held.Attempt,
	c api.Claim,
	waiting func(),
) (prepare.Prepared, bool) {
	if stage, jobMayExist := w.table.Stage(a); stage == held.Ending && !jobMayExist {
		w.end(a, api.CategoryCancelled, cancelledBeforeLaunch)
		return prepare.Prepared{}, false
	}

	prepared, err := w.prepareInSlot(ctx, c, waiting)
	if ctx.Err() != nil {
		w.stopAttempt(a, !held.JobMayExist(c))
		return prepared, false
	}
	if err != nil {
		refused := &job.Refused{Category: api.CategoryUnknown, Message: err.Error()}
		errors.As(err, &refused)
		w.perform(a, w.table.Refuse(a, refused))
		return prepared, false
	}

	w.table.Prepare(a, held.Prepared{
		Manifest:    prepared.Manifest,
		Limits:      prepared.Limits,
		FailEvicted: prepared.FailEvicted,
		Restored:    prepared.Restored,
		Job:         prepared.Job(),

		RuleFindings: prepared.RuleFindings,
	})
	prepared.Attempt.HoldsLease = func() bool { return w.table.MayCreate(a) }
	prepared.Attempt.LeaseEnds = func() time.Time { return w.table.LeaseEnds(a) }

	return prepared, !held.ManifestFirst(c) || w.waitForManifest(ctx, a)
}

// prepareInSlot prepares the attempt. Its error is of no interest if ctx has ended.
func (w *worker) prepareInSlot(ctx context.Context, c api.Claim, waiting func()) (prepare.Prepared, error) {
	free, err := w.launchSlot(ctx)
	if err != nil {
		return prepare.Prepared{}, err
	}
	defer free()
	slow := time.AfterFunc(slowAfter, func() { free(); waiting() })
	defer slow.Stop()
	return w.preparer.Prepare(ctx, c)
}

// waitForManifest waits until the server has accepted the manifest. Nothing has been created yet.
func (w *worker) waitForManifest(ctx context.Context, a *held.Attempt) bool {
	if err := w.table.Wait(ctx, a, held.ManifestAnswered); err != nil {
		w.stopAttempt(a, true)
		return false
	}
	switch stage, _ := w.table.Stage(a); stage {
	case held.Preparing:
		return true
	case held.Ending, held.Abandoned:
		w.end(a, api.CategoryCancelled, cancelledBeforeLaunch)
	}
	return false
}

// launch makes the attempt's Job exist. It retries until the Job was created or adopted, its manifest was
// refused for good, or launching is no longer wanted.
func (w *worker) launch(ctx context.Context, a *held.Attempt, prepared prepare.Prepared) {
	backoff := w.backoff()

	// True only while every error so far proves that no create reached the API server. A lost answer may hide
	// a created Job, and such an attempt must never be handed back: another worker would start it again.
	certainlyNotCreated := w.table.StartLaunching(a)

	for {
		launched, err := w.launchOnce(ctx, a, prepared)
		if err == nil {
			w.launched(a, launched)
			return
		}

		var refused *job.Refused
		if errors.As(err, &refused) {
			w.perform(a, w.table.Refuse(a, refused))
			return
		}

		var declined *job.Declined
		if errors.As(err, &declined) {
			w.declined(a, declined, certainlyNotCreated)
			return
		}

		leaseLost := errors.Is(err, job.ErrLeaseLost)
		certainlyNotCreated = certainlyNotCreated && leaseLost
		if w.stopLaunching(ctx, a, prepared, err, certainlyNotCreated) {
			return
		}

		if leaseLost {
			// A renewal may bring the lease back. If ctx ends first, the next launch creates nothing and
			// stops.
			_ = w.table.Wait(ctx, a, held.LeaseHeldOrNotLaunching)
			continue
		}
		w.logFor(a).Warn("launch failed, retrying", "error", err)
		backoff.Wait(ctx, 0)
	}
}

// launchOnce asks the runtime to launch. Once launching is no longer wanted, the runtime has some time to
// end by itself, because it asks for the lease before it creates: then it is certain whether it created the
// Job. After that time its context ends.
func (w *worker) launchOnce(
	ctx context.Context,
	a *held.Attempt,
	prepared prepare.Prepared,
) (job.Launched, error) {
	launching, cancel := context.WithCancel(w.alive)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.waitUntilUnwanted(ctx, launching, a, prepared.StartBy)
		patience := time.NewTimer(w.tuning.launchPatience)
		defer patience.Stop()
		select {
		case <-launching.Done():
		case <-patience.C:
			cancel()
		}
	}()

	launched, err := w.runtime.Launch(launching, prepared.Attempt)
	cancel()
	<-watched
	return launched, err
}

// waitUntilUnwanted returns when launching ends, or when it is no longer wanted: the worker stops (ctx),
// the attempt is to end or is lost, or its start deadline has passed.
func (w *worker) waitUntilUnwanted(ctx, launching context.Context, a *held.Attempt, startBy time.Time) {
	wanted, cancel := context.WithCancel(launching)
	if !startBy.IsZero() {
		cancel()
		wanted, cancel = context.WithDeadline(launching, startBy)
	}
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	// Either way it is over.
	_ = w.table.Wait(wanted, a, held.NotLaunching)
}

// stopLaunching decides whether a failed launch was the last one, and how the attempt then goes on.
func (w *worker) stopLaunching(
	ctx context.Context,
	a *held.Attempt,
	prepared prepare.Prepared,
	err error,
	certainlyNotCreated bool,
) bool {
	late := !prepared.StartBy.IsZero() && !w.now().Before(prepared.StartBy)
	category, message := api.CategoryCancelled, "cancelled"

	switch stage, _ := w.table.Stage(a); {
	case stage == held.Released:
		w.perform(a, held.StopObserving)
		return true
	case stage == held.Ended:
		// An observation was faster; its outcome counts.
		return true
	case stage == held.Ending, stage == held.Abandoned:
		if certainlyNotCreated {
			message = cancelledBeforeLaunch
		}
	case ctx.Err() != nil:
		if certainlyNotCreated {
			w.table.NotCreated(a)
		}
		w.stopAttempt(a, certainlyNotCreated)
		return true
	case late:
		category = api.CategoryUnknown
		message = fmt.Sprintf("not launched before its start deadline: %v", err)
	default:
		return false
	}

	if certainlyNotCreated {
		w.table.NotCreated(a)
		w.end(a, category, message)
		return true
	}
	// A Job may exist: find it, end it if it does, and record this outcome.
	w.table.EndAs(a, category, message)
	w.adopt(ctx, a, prepared)
	return true
}

// adopt goes on with a Job that was reported earlier, or that may exist. A worker that stops leaves the
// attempt to the next one.
func (w *worker) adopt(ctx context.Context, a *held.Attempt, prepared prepare.Prepared) {
	backoff := w.backoff()
	for {
		err := w.runtime.Adopt(ctx, prepared.Attempt)
		if err == nil {
			break
		}
		if errors.As(err, new(*job.Refused)) || errors.As(err, new(*job.Declined)) {
			// The Job may well run where this worker may not go.
			w.logFor(a).Error("cannot adopt job, leaving the attempt to another worker", "error", err)
			w.perform(a, w.table.Apply(a, held.LeftToOthers))
			return
		}
		w.logFor(a).Warn("adopt failed, retrying", "error", err)
		if stage, _ := w.table.Stage(a); stage == held.Released || !backoff.Wait(ctx, 0) {
			return
		}
	}

	adopted := prepared.Job()
	adopted.Adopted = true
	w.launched(a, adopted)
}

// launched records the Job.
func (w *worker) launched(a *held.Attempt, launched job.Launched) {
	action := w.table.Launched(a, launched)
	w.perform(a, action)
	if action == held.StopObserving {
		return
	}
	w.logFor(a).Info("launched attempt", "namespace", launched.Namespace, "job", launched.Name,
		"uid", launched.UID, "adopted", launched.Adopted)
}

// end decides the outcome of an attempt whose Job was never created.
func (w *worker) end(a *held.Attempt, category api.Category, message string) {
	w.perform(a, w.table.End(a, category, message))
}

// stopAttempt gives an attempt up because the worker stops: it is handed back if certainly nothing was
// created, and otherwise left to whoever takes it over.
func (w *worker) stopAttempt(a *held.Attempt, certainlyNotCreated bool) {
	event := held.LeftToOthers
	if certainlyNotCreated {
		event = held.StoppedBeforeCreate
	}
	w.perform(a, w.table.Apply(a, event))
}
