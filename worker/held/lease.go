package held

import (
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// Leases lists the leases of all attempts that the server has not ended by itself.
func (t *Table) Leases() []api.AttemptLease {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]api.AttemptLease, 0, len(t.byID))
	for _, a := range t.byID {
		if a.stage != Abandoned {
			list = append(list, api.AttemptLease{AttemptID: a.ID, Epoch: a.Epoch})
		}
	}
	return list
}

// A Judgement says whether an attempt, held since a time, cannot be observed.
type Judgement func(ref job.Ref, since time.Time) bool

// LeasesObserved lists the leases to renew, and those to release because their attempts cannot be observed and have
// not been released before. Where there is nothing to observe yet, or the end is known, nothing is released.
func (t *Table) LeasesObserved(unobserved Judgement) (renew, release []api.AttemptLease) {
	type lease struct {
		api.AttemptLease
		ref      job.Ref
		since    time.Time
		released bool
	}
	t.mu.Lock()
	renew = make([]api.AttemptLease, 0, len(t.byID))
	var asked []lease
	for _, a := range t.byID {
		l := api.AttemptLease{AttemptID: a.ID, Epoch: a.Epoch}
		switch a.stage {
		case Abandoned:
		case Launching, Live, Ending:
			asked = append(asked, lease{l, a.Ref, a.claimed, a.released})
		default:
			renew = append(renew, l)
		}
	}
	t.mu.Unlock()

	// The judgement takes other locks.
	for _, l := range asked {
		switch {
		case !unobserved(l.ref, l.since):
			renew = append(renew, l.AttemptLease)
		case !l.released:
			release = append(release, l.AttemptLease)
		}
	}
	t.expire(release)
	return renew, release
}

// expire ends leases by our own clock, before the server is asked to end them.
func (t *Table) expire(leases []api.AttemptLease) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for _, lease := range leases {
		if a, ok := t.byID[lease.AttemptID]; ok && a.Epoch == lease.Epoch && now.Before(a.expires) {
			a.expires = now
		}
	}
}

// Released records that leases were released while their attempts stay held.
func (t *Table) Released(leases []api.AttemptLease) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, lease := range leases {
		if a, ok := t.byID[lease.AttemptID]; ok && a.Epoch == lease.Epoch {
			a.released = true
		}
	}
}

// Renewed records that the server renewed these leases. A lease of an older epoch is another one.
func (t *Table) Renewed(leases []api.AttemptLease, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, lease := range leases {
		if a, ok := t.byID[lease.AttemptID]; ok && a.Epoch == lease.Epoch && until.After(a.expires) {
			a.expires, a.released = until, false
			notify(a.changed)
		}
	}
}
