package worker

import (
	"context"
	"time"

	"github.com/berth-dev/berth/worker/job"
)

// stop is the way out, while all loops but the claimer still run: what was claimed and not created goes back,
// the runtime ends (a process runtime ends its processes, and their ends are observed), and what is due is
// sent. Each step is bounded; what does not get through is left to whoever takes the attempts over. alive has
// ended already where a loop has failed: nothing can be sent then.
func (w *worker) stop(alive context.Context, claimed <-chan struct{}, endRuntime func()) {
	w.log.Info("worker stops", "held", w.table.size())
	w.table.close()
	<-claimed
	w.begins.Wait()
	w.letGo(alive)
	endRuntime()
	patience, cancel := context.WithTimeout(alive, w.tuning.stopPatience)
	defer cancel()
	if !w.flush(patience) {
		w.log.Warn("worker stopped with reports or output not delivered")
	}
}

// letGo waits a while for the Jobs that have ended to be let go of: there may be output that is not read yet,
// and reading ends with the runtime.
func (w *worker) letGo(alive context.Context) {
	patience, cancel := context.WithTimeout(alive, w.tuning.stopPatience/2)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for w.busy.Load() > 0 || w.table.ending() {
		select {
		case <-patience.Done():
			return
		case <-tick.C:
		}
	}
}

// close lets nothing more be created.
func (t *table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, a := range t.byID {
		poke(a.poke)
	}
}

// flush waits until there is nothing left to send, and reports whether that came to be.
func (w *worker) flush(ctx context.Context) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for w.table.unsaid() || !w.output.empty() || w.busy.Load() > 0 {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// unsaid reports whether anything is due.
func (t *table) unsaid() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.byID {
		if len(a.due()) > 0 {
			return true
		}
	}
	return false
}

// ending reports whether there is an end that is to be recorded.
func (t *table) ending() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.byID {
		if a.known.seen != nil && a.known.seen.Phase == job.Ended && !a.said.over {
			return true
		}
	}
	return false
}

// giveBack gives back the leases of the Jobs that run on, so that another worker need not wait for them to
// run out. It comes after the last renewal; what does not get through runs out by itself.
func (w *worker) giveBack(alive context.Context) {
	ctx, cancel := context.WithTimeout(alive, w.tuning.stopPatience)
	defer cancel()
	leases := w.table.leases(true)
	for len(leases) > 0 {
		part := leases[:min(len(leases), maxLeases)]
		leases = leases[len(part):]
		if err := w.client.release(ctx, part); err != nil {
			w.log.Warn("leases not given back: other workers take over when they have run out", "error", err)
			return
		}
	}
}
