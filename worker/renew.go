package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
)

// maxLeases is what the protocol allows in one call.
const maxLeases = 20000

// renewLoop renews all leases together until ctx ends. A lease that has run out is still renewed: until
// somebody takes the attempt over it stays ours.
func (w *worker) renewLoop(ctx context.Context) error {
	pulse := w.health.loop("renew", time.Minute+2*callTimeout+w.renewEvery)
	retry := backoff{
		least: w.tuning.retryMin,
		most:  max(w.tuning.retryMin, min(w.tuning.retryMax, w.renewEvery)),
	}
	timer := time.NewTimer(w.renewEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-w.renewNow:
		}
		for {
			pulse.beat()
			err := w.renewAll(ctx)
			if err == nil {
				retry.reset()
				break
			}
			if ctx.Err() != nil {
				return nil
			}
			call := asCallError(err)
			if call.denied() {
				return deniedError(err)
			}
			w.health.away(err)
			w.log.Warn("leases not renewed, trying again", "error", err, "overdue", w.table.overdue())
			if !retry.wait(ctx, call.retryAfter) {
				return nil
			}
		}
		timer.Reset(w.renewEvery)
	}
}

func (w *worker) renewAll(ctx context.Context) error {
	leases := w.table.leases(true)
	for len(leases) > 0 {
		part := leases[:min(len(leases), maxLeases)]
		leases = leases[len(part):]
		asked := w.now()
		response, err := w.client.renew(ctx, part)
		if err != nil {
			return err
		}
		w.health.reached()
		epochs := make(map[uuid.UUID]int64, len(part))
		for _, lease := range part {
			epochs[lease.AttemptID] = lease.Epoch
		}
		w.lost(ctx, response.Lost, epochs)
		for _, id := range response.Lost {
			delete(epochs, id)
		}
		renewed := part[:0]
		for _, lease := range part {
			if _, ok := epochs[lease.AttemptID]; ok {
				renewed = append(renewed, lease)
			}
		}
		seconds := response.LeaseSeconds
		if seconds <= 0 {
			seconds = w.leaseSeconds
		}
		w.table.renewed(renewed, asked.Add(time.Duration(seconds)*time.Second))
		for _, id := range response.Cancels {
			if a := w.table.get(id); a != nil {
				w.cancelled(a)
			}
		}
	}
	return nil
}

// lost lets go of attempts that are ours no more: another worker has taken them over, which must find them
// untouched, or they have ended without us, which leaves their Jobs to us. One that was claimed again
// meanwhile is not meant.
func (w *worker) lost(ctx context.Context, ids []uuid.UUID, epochs map[uuid.UUID]int64) {
	var lost []*attempt
	var jobs []api.AttemptRef
	for _, id := range ids {
		a := w.table.get(id)
		if a == nil || a.epoch != epochs[id] {
			continue
		}
		lost = append(lost, a)
		jobs = append(
			jobs,
			api.AttemptRef{RunID: a.ref.RunID, Attempt: int32(a.ref.Attempt), JobUID: text(w.found(a).UID)},
		)
	}
	if len(lost) == 0 {
		return
	}
	statuses, err := w.client.lookUp(ctx, w.runtime.ClusterID(), jobs)
	for i, a := range lost {
		level := slog.LevelWarn
		if err == nil && statuses[i].Status == api.AttemptStatusStatusEnded {
			level = slog.LevelDebug // most likely by our own report, whose answer is still on its way
		}
		w.log.Log(ctx, level, "lease lost", "run", a.ref.RunID, "attempt", a.ref.Attempt, "epoch", a.epoch)
		switch {
		case err != nil: // resync finds out
			w.suspect(a)
		case statuses[i].Status == api.AttemptStatusStatusEnded:
			w.abandon(a)
		case statuses[i].Status == api.AttemptStatusStatusDuplicate:
			w.discard(a)
		case statuses[i].Status == api.AttemptStatusStatusUnknown:
			w.suspect(a)
		default:
			w.forget(a)
		}
	}
}
