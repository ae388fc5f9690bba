package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/held"
	"github.com/berth-dev/berth/worker/job"
)

// AccessChanged takes what the runtime says of its access to the infrastructure. A worker without any claims
// nothing and is not ready; it polls on, for cancels and as a sign of life.
func (h handler) AccessChanged(access job.Access) {
	w := h.w
	w.access.Store(&access)
	var lost []string
	for _, namespace := range slices.Sorted(maps.Keys(access.Lost)) {
		lost = append(lost, fmt.Sprintf("namespace %q is not served: %v", namespace, access.Lost[namespace]))
	}
	w.health.SetAccess(access.Err, lost)
	// Attempts that were released meanwhile are renewed first: a claim would take them over.
	w.renewFirst.Store(true)
	select {
	case w.renewNow <- struct{}{}:
	default:
	}
	w.table.NotifyFreed()
}

// lostNamespaces is what the server is told of the access.
func (w *worker) lostNamespaces() []api.LostNamespace {
	var lost []api.LostNamespace
	access := w.access.Load()
	for _, namespace := range slices.Sorted(maps.Keys(access.Lost)) {
		lost = append(lost, api.LostNamespace{Namespace: namespace, Reason: access.Lost[namespace].Error()})
	}
	return lost
}

// reachesNothing reports whether the runtime has no access to any part of its infrastructure.
func (w *worker) reachesNothing() bool { return w.access.Load().Err != nil }

// unobserved reports whether an attempt could not be observed for so long that another worker should have it.
func (w *worker) unobserved(ref job.Ref, since time.Time) bool {
	return min(w.runtime.Unobserved(ref), w.now().Sub(since)) >= w.tuning.unobservedPatience
}

// releaseUnobserved lets other workers take over attempts that this one cannot observe. They stay in the table: as
// soon as they can be observed again they are renewed again, and until another worker has them they are ours.
func (w *worker) releaseUnobserved(ctx context.Context, leases []api.AttemptLease) error {
	for len(leases) > 0 {
		part := leases[:min(len(leases), maxLeases)]
		leases = leases[len(part):]
		if err := w.client.ReleaseLeases(ctx, part); err != nil {
			return err
		}
		w.log.Warn("attempts cannot be observed for too long: other workers may take them over",
			"attempts", len(part))
		w.table.Released(part)
	}
	return nil
}

// declined gives an attempt up that the runtime cannot launch here: it is handed back if certainly nothing was
// created, and otherwise left to whoever takes it over.
func (w *worker) declined(a *held.Attempt, declined *job.Declined, certainlyNotCreated bool) {
	w.logFor(a).Warn("attempt not launched, leaving it to other workers", "reason", declined.Message)
	if certainlyNotCreated {
		w.perform(a, w.table.HandBack(a, declined.Message, declined.Namespace))
		return
	}
	w.perform(a, w.table.Apply(a, held.LeftToOthers))
}
