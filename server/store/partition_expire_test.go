package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// newWeekly is a PostgreSQL with weekly partitions, in the middle of the first of them.
func newWeekly(t *testing.T) *world {
	t.Helper()
	w := newPlain(t)
	w.partition(store.PartitionOptions{})
	w.pool("p")
	w.deployment("d", "p")
	w.Advance(7 * aDay) // past the partition of what was there before
	w.nextWeek()
	return w
}

// onlyRuns keeps runs for four weeks.
var onlyRuns = store.Retention{Runs: 28 * aDay}

// nextWeek moves the clock to the middle of the next partition.
func (w *world) nextWeek() {
	now := w.Now().UTC()
	w.Advance(now.Truncate(7 * aDay).Add(7*aDay + 84*time.Hour).Sub(now))
	w.check(w.MaintainPartitions(w.t.Context()))
}

// partitionsOfRuns are their names, without that of the table.
func (w *world) partitionsOfRuns() []string {
	return w.column(`SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'runs'::regclass ORDER BY 1`)
}

// lived leaves something in every table that belongs to runs.
func (w *world) livedOn(deployment string) uuid.UUID {
	w.t.Helper()
	w.run(deployment, func(n *store.NewRun) {
		n.IdempotencyKey = uuid.NewString()
		n.RuleFindings = []store.RuleFinding{finding("a", "no")}
	})
	c := w.claimOne("w")
	shown := running(c)
	shown.Indexes = []byte(`{"succeeded": "0"}`)
	w.accepts(manifest(c), submitted(c), shown)
	w.writes(c, 0, "said")
	must[*store.Result](w.t)(w.UpsertResult(w.t.Context(), c.RunID, c.AttemptID, []byte(`{}`)))
	w.accepts(succeeded(c))
	return c.RunID
}

// ofRuns are the tables with rows of runs.
func ofRuns() []string {
	return []string{
		"runs", "attempts", "manifests", "events", "idempotency_keys", "run_results", "run_rule_findings", "attempt_indexes",
		"outputs", "log_chunks",
	}
}

func TestRetentionEmptiesAWholePartition(t *testing.T) {
	t.Parallel()
	w := newWeekly(t)
	const many = 7
	for range many {
		w.livedOn("d")
	}
	w.nextWeek()
	young := w.livedOn("d")
	for range 3 {
		w.nextWeek()
		if removed := w.retain(onlyRuns); removed.Any() {
			t.Fatalf("removed %+v", removed)
		}
	}
	before := len(w.partitionsOfRuns())
	w.nextWeek()
	if removed := w.retain(onlyRuns); removed.Runs != many || removed.RunPartitions != 1 {
		t.Errorf("removed %+v", removed)
	}
	for _, table := range ofRuns() {
		if n := w.rows(table); n != 1 && !(table == "events" && n > 0) {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	w.isIn(young, "COMPLETED Completed")
	if n := w.countRuns(store.RunFilter{Pool: "p"})[lifecycle.Completed]; n != 1 {
		t.Errorf("%d runs are counted, want 1", n)
	}
	// A week more ahead; that of the plain table and the emptied one are gone, and there is one of the past.
	partitions := w.partitionsOfRuns()
	if len(partitions) != before || partitions[len(partitions)-2] != "runs_past" {
		t.Errorf("the partitions are %v", partitions)
	}
	if n := w.constraints("partition_sealed"); n != 0 {
		t.Errorf("%d partitions are sealed", n)
	}
	if again := w.retain(onlyRuns); again.Any() {
		t.Errorf("removed again: %+v", again)
	}
}

// TestALongRunKeepsItsPartition: what is old waits for it for a week, and is then removed run by run.
func TestALongRunKeepsItsPartition(t *testing.T) {
	t.Parallel()
	w := newWeekly(t)
	long := func() store.Claim {
		w.run("d")
		return w.claimOne("w")
	}()
	w.accepts(running(long))
	for range 3 {
		w.livedOn("d")
	}
	for range 5 {
		w.nextWeek()
	}
	if removed := w.retain(onlyRuns); removed.Any() {
		t.Errorf("removed %+v", removed)
	}
	w.nextWeek()
	if removed := w.retain(onlyRuns); removed.Runs != 3 || removed.RunPartitions != 0 {
		t.Errorf("removed %+v", removed)
	}
	w.isIn(long.RunID, "RUNNING Running")
	w.livedOn("d")
	for range 6 {
		w.nextWeek()
	}
	// It is not in the way of younger partitions.
	if removed := w.retain(onlyRuns); removed.Runs != 1 || removed.RunPartitions != 1 {
		t.Errorf("removed %+v", removed)
	}
	_, _, err := w.renew("w", leaseOf(long))
	w.check(err)
	w.accepts(succeeded(long))
	for range 5 {
		w.nextWeek()
	}
	if removed := w.retain(onlyRuns); removed.Runs != 1 || removed.RunPartitions != 1 {
		t.Errorf("removed %+v", removed)
	}
	if n := w.rows("runs"); n != 0 {
		t.Errorf("%d runs are left", n)
	}
	if partitions := w.partitionsOfRuns(); len(partitions) > 12 {
		t.Errorf("the partitions are %v", partitions)
	}
}

// TestARunThatEndsLateKeepsItsPartitionUntilItIsOld also retries a run whose partition waits.
func TestARunThatEndsLateKeepsItsPartitionUntilItIsOld(t *testing.T) {
	t.Parallel()
	w := newWeekly(t)
	late := w.livedOn("d")
	other := w.livedOn("d")
	for range 5 {
		w.nextWeek()
	}
	w.Advance(-3 * aDay) // two hours before the partition is old
	w.Advance(-26 * time.Hour)
	w.retryRun(late, actor)
	w.accepts(succeeded(w.claimOne("w")))
	w.Advance(3*aDay + 26*time.Hour)
	if removed := w.retain(onlyRuns); removed.Any() {
		t.Errorf("removed %+v", removed)
	}
	if n := w.constraints("partition_sealed"); n != 0 {
		t.Errorf("%d partitions are sealed", n)
	}
	w.retryRun(other, actor) // nothing keeps it
	w.accepts(succeeded(w.claimOne("w")))
	for range 6 {
		w.nextWeek()
	}
	if removed := w.retain(onlyRuns); removed.Runs != 2 || removed.RunPartitions != 1 {
		t.Errorf("removed %+v", removed)
	}
}

// TestEmptyingAPartitionContinuesAfterAFailure stops it at each of its statements that changes something.
func TestEmptyingAPartitionContinuesAfterAFailure(t *testing.T) {
	t.Parallel()
	w := newWeekly(t)
	old := w.livedOn("d")
	for range 5 {
		w.nextWeek()
	}
	const fail = `
		CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the server was killed'; END $$;
		CREATE TRIGGER fail %s EXECUTE FUNCTION fail()`
	truncated := strings.Replace(w.column("SELECT tableoid::regclass::text FROM runs")[0], "runs", "events", 1)
	for i, at := range []string{"BEFORE DELETE ON run_results", "BEFORE DELETE ON outputs", "BEFORE TRUNCATE ON " + truncated} {
		table := at[strings.LastIndex(at, " ")+1:]
		w.past(func(db *sql.DB) error {
			_, err := db.ExecContext(t.Context(), fmt.Sprintf(fail, at))
			return err
		})
		if removed, err := w.Expire(t.Context(), onlyRuns); err == nil || removed.Any() {
			t.Errorf("%s: removed %+v, %v", at, removed, err)
		}
		w.isIn(old, "COMPLETED Completed")
		if i == 0 { // from here on the run is about to be gone
			w.refuses(w.InTx(t.Context(), func(tx *store.Tx) error {
				_, err := tx.RetryRun(t.Context(), old, actor)
				return err
			}), store.NotFound)
		}
		w.past(func(db *sql.DB) error {
			_, err := db.ExecContext(t.Context(), "DROP TRIGGER fail ON "+table)
			return err
		})
	}
	if removed := w.retain(onlyRuns); removed.Runs != 1 || removed.RunPartitions != 1 {
		t.Errorf("removed %+v", removed)
	}
	for _, table := range ofRuns() {
		if n := w.rows(table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}

func TestASealedPartitionIsOpenedWhenRetentionBecomesLonger(t *testing.T) {
	t.Parallel()
	w := newWeekly(t)
	old := w.livedOn("d")
	for range 5 {
		w.nextWeek()
	}
	w.past(func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), "ALTER TABLE run_results RENAME TO away")
		return err
	})
	if _, err := w.Expire(t.Context(), onlyRuns); err == nil || w.constraints("partition_sealed") != 1 {
		t.Fatalf("it was not stopped after the seal: %v", err)
	}
	w.past(func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), "ALTER TABLE away RENAME TO run_results")
		return err
	})
	if removed := w.retain(store.Retention{Runs: 90 * aDay}); removed.Any() {
		t.Errorf("removed %+v", removed)
	}
	w.retryRun(old, actor)
}

// TestRunsThatNoPartitionWasMadeForGetOne: no server ran for months, so that runs are created in the rest.
func TestRunsThatNoPartitionWasMadeForGetOne(t *testing.T) {
	t.Parallel()
	w := newWeekly(t)
	w.Advance(100 * aDay)
	first := w.livedOn("d")
	if in := w.partitionOf(first); in != "runs_rest" {
		t.Fatalf("the run is in %s", in)
	}
	w.check(w.MaintainPartitions(t.Context()))
	if in := w.partitionOf(first); !strings.HasPrefix(in, "runs_p2") {
		t.Errorf("the run is in %s", in)
	}
	layout := must[store.RunLayout](t)(w.GetRunLayout(t.Context()))
	if layout.Until.Sub(w.Now()) < 28*aDay || layout.Partitions > 14 {
		t.Errorf("the layout is %+v", layout)
	}
	w.isIn(first, "COMPLETED Completed")
	w.nextWeek()
	w.nextWeek()
	second := w.livedOn("d")
	if w.partitionOf(second) == w.partitionOf(first) || w.partitionOf(second) == "runs_rest" {
		t.Errorf("the runs are in %s and %s", w.partitionOf(first), w.partitionOf(second))
	}
	if n := w.constraints("partition_end"); n != 0 {
		t.Errorf("%d constraints are left", n)
	}
}

func (w *world) partitionOf(run uuid.UUID) string {
	return w.column("SELECT tableoid::regclass::text FROM runs WHERE id = '" + run.String() + "'")[0]
}

// TestAClockThatJumpsNeverStopsNewRuns: forward past all partitions, and back before the lowest partition.
func TestAClockThatJumpsNeverStopsNewRuns(t *testing.T) {
	t.Parallel()
	w := newWeekly(t)
	w.livedOn("d")
	for range 6 {
		w.nextWeek()
	}
	w.retain(onlyRuns)
	w.Advance(10 * 365 * aDay)
	ahead := w.livedOn("d")
	w.Advance(-11 * 365 * aDay)
	behind := w.livedOn("d")
	if in := w.partitionOf(behind); in != "runs_past" {
		t.Errorf("the run of a clock that is behind is in %s", in)
	}
	w.Advance(365 * aDay)
	now := w.livedOn("d")
	w.check(w.MaintainPartitions(t.Context()))
	w.livedOn("d")
	for _, id := range []uuid.UUID{ahead, behind, now} {
		w.isIn(id, "COMPLETED Completed")
	}
	if removed := w.retain(onlyRuns); removed.Runs != 1 {
		t.Errorf("removed %+v", removed)
	}
	w.gone(behind)
}

// TestADropWaitsForLongTransactions: it gives way, and is tried again.
func TestADropWaitsForLongTransactions(t *testing.T) {
	t.Parallel()
	w := newWeekly(t)
	old := w.livedOn("d")
	for range 5 {
		w.nextWeek()
	}
	w.past(func(db *sql.DB) error {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(t.Context(), "SELECT 1 FROM "+w.partitionOf(old)); err != nil { // as a dump does
			return err
		}
		if removed := w.retain(onlyRuns); removed.Any() {
			t.Errorf("removed %+v", removed)
		}
		w.livedOn("d")
		return tx.Rollback()
	})
	if removed := w.retain(onlyRuns); removed.Runs != 1 || removed.RunPartitions != 1 {
		t.Errorf("removed %+v", removed)
	}
}

// TestListsWalkPartitionsInOrder: the newest first, and no sort. One run is read from one partition.
func TestListsWalkPartitionsInOrder(t *testing.T) {
	t.Parallel()
	w := newWeekly(t)
	for range 4 {
		w.livedOn("d")
		w.nextWeek()
	}
	id := w.livedOn("d")
	for query, want := range map[string]int{
		"SELECT id FROM runs WHERE pool_id = '" + uuid.NewString() + "' ORDER BY id DESC LIMIT 50":       len(w.partitionsOfRuns()),
		"SELECT id FROM runs WHERE deployment_id = '" + uuid.NewString() + "' ORDER BY id DESC LIMIT 50": len(w.partitionsOfRuns()),
		"SELECT id FROM runs WHERE id = '" + id.String() + "'":                                           1,
		"SELECT seq FROM events WHERE run_id = '" + id.String() + "' ORDER BY seq":                       1,
	} {
		plan := strings.Join(w.column("SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN "+query), "\n")
		if n := strings.Count(plan, "Index"); strings.Contains(plan, "Sort") || strings.Contains(plan, "Merge") ||
			strings.Count(plan, " on runs_")+strings.Count(plan, " on events_") != want || n == 0 {
			t.Errorf("%s reads not in order, or not %d partitions:\n%s", query, want, plan)
		}
	}
	list, next, err := w.ListRuns(t.Context(), store.RunFilter{Pool: "p"}, store.Page{Limit: 3})
	w.check(err)
	more, _, err := w.ListRuns(t.Context(), store.RunFilter{Pool: "p"}, store.Page{Limit: 3, Cursor: next.Cursor})
	w.check(err)
	if list = append(list, more...); len(list) != 5 || list[0].ID != id {
		t.Fatalf("the list is %v", list)
	}
	for i, run := range list[1:] {
		if run.ID.String() >= list[i].ID.String() {
			t.Errorf("run %s comes after %s", run.ID, list[i].ID)
		}
	}
}
