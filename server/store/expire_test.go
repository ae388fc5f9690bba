package store_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

const aDay = 24 * time.Hour

// usually is the default retention.
var usually = store.Retention{Runs: 90 * aDay, Logs: 30 * aDay, Audit: 365 * aDay}

func (w *world) retain(keep store.Retention) store.Expired {
	w.t.Helper()
	return w.expire(keep)
}

// says writes output of a claimed attempt, which goes on at an offset.
func (w *world) writes(c store.Claim, offset int64, text string) {
	w.t.Helper()
	w.check(w.AppendLogs(w.t.Context(), []store.LogChunk{{Lease: leaseOf(c), Offset: offset, Text: text}}))
}

// finished is a run that has written something and completed.
func (w *world) finished(deployment string) store.Claim {
	w.t.Helper()
	w.run(deployment)
	c := w.claimOne("w")
	w.accepts(manifest(c), submitted(c), running(c))
	w.writes(c, 0, "said "+c.RunID.String())
	w.accepts(succeeded(c))
	return c
}

func (w *world) gone(ids ...uuid.UUID) {
	w.t.Helper()
	for _, id := range ids {
		_, err := w.GetRun(w.t.Context(), id)
		w.refuses(err, store.NotFound)
		if events := w.listEvents(id, 0); len(events) != 0 {
			w.t.Errorf("%d events are left of run %s", len(events), id)
		}
	}
}

func TestExpiredRunsAreRemovedWithTheirDependents(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		old := w.finished("d")
		waits := w.run("d", func(n *store.NewRun) { n.ScheduledTime = ptr(w.Now().Add(200 * aDay)) })
		w.Advance(50 * aDay)
		young := w.finished("d")
		w.run("d")
		live := w.claimOne("w")
		w.accepts(manifest(live), submitted(live), running(live))
		w.writes(live, 0, "still here")
		if removed := w.retain(usually); removed.Runs != 0 {
			t.Errorf("removed %+v", removed)
		}
		w.Advance(41 * aDay)
		if removed := w.retain(store.Retention{}); removed.Any() {
			t.Errorf("records without a retention were removed: %+v", removed)
		}
		if removed := w.retain(usually); removed.Runs != 1 {
			t.Errorf("removed %+v", removed)
		}
		w.gone(old.RunID)
		w.isIn(young.RunID, "COMPLETED Completed")
		w.isIn(live.RunID, "RUNNING Running")
		w.isIn(waits.ID, "SCHEDULED Scheduled")
		w.Advance(100 * aDay)
		if removed := w.retain(usually); removed.Runs != 1 {
			t.Errorf("removed %+v", removed)
		}
		w.gone(young.RunID)
		w.isIn(live.RunID, "RUNNING Running")
		if got := w.output(live.RunID, 0); got != "still here" {
			t.Errorf("of a live run %q is left", got)
		}
		if again := w.retain(usually); again.Any() {
			t.Errorf("removed again: %+v", again)
		}
	})
}

func TestManyRunsAreRemovedInSmallBatches(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		const many = 450
		w.runs("d", many)
		list, _, err := w.ListRuns(t.Context(), store.RunFilter{}, store.Page{Limit: many})
		w.check(err)
		for _, run := range list[:many-1] {
			w.cancelRun(run.ID, actor)
		}
		w.Advance(91 * aDay)
		if removed := w.retain(usually); removed.Runs != many-1 {
			t.Errorf("removed %+v", removed)
		}
		if left := w.countRuns(store.RunFilter{}); fmt.Sprint(left) != "map[SCHEDULED:1]" {
			t.Errorf("left are %v", left)
		}
	})
}

func TestOutputIsRemovedBeforeItsRun(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		first := w.finished("d")
		w.run("d")
		live := w.claimOne("w")
		w.accepts(manifest(live), submitted(live), running(live))
		w.writes(live, 0, "one,")
		w.Advance(20 * aDay)
		_, _, err := w.renew("w", leaseOf(live))
		w.check(err)
		w.writes(live, 4, "two,")
		second := w.finished("d")
		w.Advance(15 * aDay)
		w.writes(live, 8, "three")
		removed := w.retain(usually)
		if removed.Runs != 0 || removed.LogChunks+removed.LogPartitions == 0 {
			t.Errorf("removed %+v", removed)
		}
		for id, want := range map[uuid.UUID]string{first.RunID: "", second.RunID: "said " + second.RunID.String(), live.RunID: "one,two,three"} {
			if got := w.output(id, 0); got != want {
				t.Errorf("the output is %q, want %q", got, want)
			}
		}
		w.isIn(first.RunID, "COMPLETED Completed")
		w.accepts(succeeded(live))
		w.retain(usually)
		chunks := w.listLogChunks(live.RunID, 0, 0, 0)
		if len(chunks) != 2 || chunks[0].Offset != 4 || chunks[0].Text != "two," {
			t.Errorf("of a run that has ended is left: %+v", chunks)
		}
	})
}

func TestExpiredAuditEntriesAreRemoved(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.Advance(200 * aDay)
		w.pool("q")
		w.Advance(200 * aDay)
		if removed := w.retain(usually); removed.Audit != 1 {
			t.Errorf("removed %+v", removed)
		}
		if lines := w.audited(store.AuditFilter{}); len(lines) != 1 {
			t.Errorf("left is %v", lines)
		}
	})
}

// onPostgres is a test of what only PostgreSQL has.
func onPostgres(t *testing.T, test func(w *world)) {
	t.Helper()
	onEach(t, func(w *world) {
		if w.Postgres {
			test(w)
		}
	})
}

func TestPartitionsAreCreatedAheadAndDroppedWhole(t *testing.T) {
	onPostgres(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		var total store.Expired
		var last store.Claim
		for range 40 {
			last = w.finished("d")
			removed := w.retain(store.Retention{Logs: 10 * aDay})
			total.LogPartitions += removed.LogPartitions
			total.LogChunks += removed.LogChunks
			w.Advance(aDay)
		}
		// The first holds two days; 40 days later those of the last ten and of today are left, and they are
		// whole.
		if total.LogPartitions != 28 || total.LogChunks != 0 {
			t.Errorf("removed %+v", total)
		}
		if w.output(last.RunID, 0) == "" {
			t.Error("what was written yesterday is gone")
		}
	})
}

func TestOutputWithoutAPartitionIsKeptAndExpires(t *testing.T) {
	onPostgres(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.Advance(60 * aDay) // no server ran to create partitions
		c := w.finished("d")
		w.retain(usually)
		if w.output(c.RunID, 0) == "" {
			t.Fatal("it is not kept")
		}
		w.Advance(aDay)
		next := w.finished("d")
		w.Advance(31 * aDay)
		if removed := w.retain(usually); removed.LogChunks != 1 || removed.LogPartitions != 1 {
			t.Errorf("removed %+v", removed)
		}
		if w.output(c.RunID, 0) != "" || w.output(next.RunID, 0) != "" {
			t.Error("it is kept for too long")
		}
	})
}

func TestOneServerAtATimeRemovesExpiredRecords(t *testing.T) {
	onPostgres(t, func(w *world) {
		w.one()
		w.accepts(succeeded(w.claimOne("w")))
		w.Advance(91 * aDay)
		db := must[*sql.DB](t)(sql.Open("postgres", w.URL))
		defer db.Close()
		other := must[*sql.Tx](t)(db.BeginTx(t.Context(), nil)) // as another server that removes a batch
		var locked bool
		w.check(
			other.QueryRowContext(t.Context(), "SELECT pg_try_advisory_xact_lock($1)", 0x6b656570).
				Scan(&locked),
		)
		if removed := w.retain(usually); removed.Any() || !locked {
			t.Errorf("two servers removed: %+v", removed)
		}
		w.check(other.Rollback())
		if removed := w.retain(usually); removed.Runs != 1 {
			t.Errorf("removed %+v", removed)
		}
	})
}
