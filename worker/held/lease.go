package held

import (
	"time"

	"github.com/berth-dev/berth/server/api"
)

// Leases lists the leases of all attempts that the server has not ended by itself.
func (t *Table) Leases() []api.AttemptLease {
	return t.leases(func(s Stage) bool { return s != Abandoned })
}

// CancellableLeases lists the leases of the attempts that a cancel would change. A claim that listed others
// would be answered with the same cancel at once, again and again.
func (t *Table) CancellableLeases() []api.AttemptLease {
	return t.leases(func(s Stage) bool { return s == Preparing || s == Launching || s == Live })
}

func (t *Table) leases(wanted func(Stage) bool) []api.AttemptLease {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]api.AttemptLease, 0, len(t.byID))
	for _, a := range t.byID {
		if wanted(a.stage) {
			list = append(list, api.AttemptLease{AttemptID: a.ID, Epoch: a.Epoch})
		}
	}
	return list
}

// Renewed records that the server renewed these leases. A lease of an older epoch is another one.
func (t *Table) Renewed(leases []api.AttemptLease, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, lease := range leases {
		if a, ok := t.byID[lease.AttemptID]; ok && a.Epoch == lease.Epoch && until.After(a.expires) {
			a.expires = until
			notify(a.changed)
		}
	}
}

// Overdue is how long ago the first lease expired; 0 if none has. It leaves out what Leases leaves out: the
// Job of an abandoned attempt may take long to end, and its lease is not renewed meanwhile.
func (t *Table) Overdue() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var longest time.Duration
	now := t.now()
	for _, a := range t.byID {
		if a.stage != Abandoned {
			longest = max(longest, now.Sub(a.expires))
		}
	}
	return longest
}
