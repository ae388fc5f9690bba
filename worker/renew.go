package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/held"
	"github.com/berth-dev/berth/worker/retry"
)

// maxLeases is the protocol's limit for one call.
const maxLeases = 20000

// renewLoop renews all leases at once, a third of a lease apart. An expired lease is renewed as well: until
// another worker takes the attempt over, it stays ours.
func (w *worker) renewLoop() *retry.Loop {
	loop := w.newLoop("renew")
	// A failed renewal is repeated before the next one would be due.
	loop.Max = max(w.tuning.retryMin, min(w.tuning.retryMax, w.renewEvery))
	loop.Wake, loop.Every = w.renewNow, w.renewEvery
	loop.Send = func(ctx context.Context) (bool, error) { return false, w.renewAll(ctx) }
	return loop
}

func (w *worker) renewAll(ctx context.Context) error {
	first := w.renewFirst.Load()
	leases, unobserved := w.table.LeasesObserved(w.unobserved)
	if err := w.releaseUnobserved(ctx, unobserved); err != nil {
		return err
	}
	partial := len(leases) > maxLeases
	for len(leases) > 0 {
		part := leases[:min(len(leases), maxLeases)]
		leases = leases[len(part):]
		if err := w.renew(ctx, part, partial); err != nil {
			return err
		}
	}
	if first {
		w.renewFirst.Store(false)
		w.table.NotifyFreed()
	}
	return nil
}

func (w *worker) renew(ctx context.Context, leases []api.AttemptLease, partial bool) error {
	// Counted from before the question, a lease never seems to last longer than it does.
	asked := w.now()
	response, err := w.client.Renew(ctx, leases, partial)
	if err != nil {
		return err
	}
	w.health.Reached()

	lost := make(map[uuid.UUID]bool, len(response.Lost))
	for _, id := range response.Lost {
		lost[id] = true
	}
	var renewed, notRenewed []api.AttemptLease
	for _, lease := range leases {
		if lost[lease.AttemptID] {
			notRenewed = append(notRenewed, lease)
		} else {
			renewed = append(renewed, lease)
		}
	}

	leaseTime := time.Duration(response.LeaseSeconds) * time.Second
	if leaseTime <= 0 {
		leaseTime = w.leaseTime
	}
	w.table.Renewed(renewed, asked.Add(leaseTime))
	w.loseLeases(ctx, notRenewed)
	w.cancelAll(response.Cancels)
	return nil
}

// loseLeases finds out why leases were lost. Another worker that took an attempt over must find its Job
// untouched; an attempt that ended without us leaves its Job to us.
func (w *worker) loseLeases(ctx context.Context, leases []api.AttemptLease) {
	var attempts []*held.Attempt
	var refs []api.AttemptRef
	for _, lease := range leases {
		// An attempt that was claimed again meanwhile has another lease.
		attempt := w.table.Get(lease.AttemptID)
		if attempt != nil && attempt.Epoch == lease.Epoch {
			attempts = append(attempts, attempt)
			refs = append(refs, attemptRef(w.table.Object(attempt)))
		}
	}
	if len(attempts) == 0 {
		return
	}

	statuses, err := w.client.LookUp(ctx, w.runtime.ClusterID(), refs)
	for i, attempt := range attempts {
		// Without an answer, resync finds out later.
		event := held.UnknownAtServer
		if err == nil {
			event = lossOf(statuses[i].Status)
		}
		level := slog.LevelWarn
		if event == held.EndedAtServer {
			level = slog.LevelDebug // most likely by our own report, whose answer is still on its way
		}
		w.logFor(attempt).Log(ctx, level, "lease lost", "epoch", attempt.Epoch, "reason", string(event))
		w.perform(attempt, w.table.Apply(attempt, event))
	}
}

// lossOf is what the status of an attempt means for a worker whose lease was not renewed.
func lossOf(status api.AttemptStatusStatus) held.Event {
	switch status {
	case api.AttemptStatusStatusEnded:
		return held.EndedAtServer
	case api.AttemptStatusStatusDuplicate:
		return held.DuplicateRefused
	case api.AttemptStatusStatusUnknown:
		return held.UnknownAtServer
	}
	return held.LeaseLost
}
