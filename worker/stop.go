package worker

import (
	"context"
	"time"
)

// pollEvery is how often a worker that stops looks whether it is done.
const pollEvery = 5 * time.Millisecond

// stop shuts down in order, while all loops but the claimer still run: attempts that were claimed and not
// created are handed back, the runtime ends (a process runtime ends its processes and observes their ends),
// and what is due is sent. Each step is bounded; what does not reach the server is left to whoever takes the
// attempts over. If a loop has failed, alive has ended already and nothing can be sent.
func (w *worker) stop(alive context.Context, claimed <-chan struct{}, endRuntime func()) {
	w.log.Info("worker stops", "held", w.table.Len())
	w.table.Close()
	<-claimed
	w.launches.Wait()

	// Finalizing may have to read output, which ends with the runtime.
	// The tasks are counted last: one starts before its outcome stops counting as unrecorded.
	finalized := func() bool { return !w.table.Unrecorded() && w.tasksRunning.Load() == 0 }
	waitUntil(alive, w.tuning.stopPatience/2, finalized)
	endRuntime()

	flushed := func() bool {
		return !w.table.Unreported() && w.output.Empty() && w.tasksRunning.Load() == 0
	}
	if !waitUntil(alive, w.tuning.stopPatience, flushed) {
		w.log.Warn("worker stopped before all reports and output were delivered")
	}
}

// waitUntil waits until done, and reports whether that came to be within the patience.
func waitUntil(ctx context.Context, patience time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// releaseLeases ends the leases of Jobs that run on, so that another worker need not wait until they expire, and says
// goodbye. It comes after the last renewal.
func (w *worker) releaseLeases(alive context.Context) {
	ctx, cancel := context.WithTimeout(alive, w.tuning.stopPatience)
	defer cancel()
	leases := w.table.Leases()
	for len(leases) > 0 {
		part := leases[:min(len(leases), maxLeases)]
		leases = leases[len(part):]
		if err := w.client.ReleaseLeases(ctx, part); err != nil {
			w.log.Warn("cannot release leases; other workers take over when they expire", "error", err)
			return
		}
	}
	if err := w.client.Goodbye(ctx); err != nil {
		w.log.Warn("cannot say goodbye; the server counts this worker as alive for about a minute", "error", err)
	}
}
