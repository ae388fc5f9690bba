package store_test

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// modelLate is for how long after that runs may stay that wait for the end of a partition of half an hour.
const modelLate = 2 * 30 * time.Minute

// modelKeep lies between jumps of the clock, so that seconds decide nothing.
const modelKeep = 13 * modelJump / 2

// retain removes what has ended long ago, and nothing else: what is live stays, however old it is.
func (m *model) retain() {
	m.t.Helper()
	old := map[uuid.UUID]bool{}
	list, _, err := m.ListRuns(m.t.Context(), store.RunFilter{Pool: "p"}, store.Page{Limit: 200})
	m.check(err)
	start := m.Now()
	for _, run := range list {
		if m.run(run.ID).state.Terminal() && run.EndedAt.Before(start.Add(-modelKeep)) {
			old[run.ID] = true
		}
	}
	removed := m.world.retain(store.Retention{Runs: modelKeep, Logs: modelKeep})
	if m.Partitions {
		m.mayStay(old, start)
	}
	if int(removed.Runs) != len(old) {
		m.failf("%d runs were removed, want %d", removed.Runs, len(old))
	}
	m.runs = slices.DeleteFunc(m.runs, func(r *modelRun) bool { return old[r.id] })
	for id, a := range m.attempts {
		if old[a.run.id] {
			delete(m.attempts, id)
		}
	}
}

// mayStay takes the runs out of old that wait for the end of their partition.
func (m *model) mayStay(old map[uuid.UUID]bool, start time.Time) {
	m.t.Helper()
	list, _, err := m.ListRuns(m.t.Context(), store.RunFilter{Pool: "p"}, store.Page{Limit: 200})
	m.check(err)
	for _, run := range list {
		if old[run.ID] && run.EndedAt.Before(start.Add(-modelKeep-modelLate)) {
			m.failf("run %s is still there, and ended at %s", run.ID, run.EndedAt)
		}
		delete(old, run.ID)
	}
}
