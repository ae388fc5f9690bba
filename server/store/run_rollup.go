package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// Ended runs are counted by hour in run_counts, so that a count does not have to read them. See the
// migration for what the tables have.

const (
	countColumns = "pool_id, queue_id, deployment_id, created, ended, state_type, category, took"
	// rollUpBatch is how many changes are moved at a time.
	rollUpBatch = 5000
	// rollUpEvery lets changes of the same hour come together.
	rollUpEvery = 10 * time.Second
	// rollUpLock is the key of the advisory lock: "coun" in ASCII.
	rollUpLock = 0x636f756e
)

const firstHourOfEndedSQL = `
SELECT MIN(created)
FROM (
	SELECT MIN(created) AS created
	FROM run_counts
	WHERE deployment_id = '00000000-0000-0000-0000-000000000000'
		AND span = %d
		AND ended >= ?
	UNION ALL
	SELECT created
	FROM run_count_changes
	WHERE ended >= ?
) AS c`

const (
	secondsPerHour = int64(time.Hour / time.Second)
	// recentHours is for how long back the hour is looked up; before, the day is enough.
	recentHours = 72
)

// firstHourOfEnded returns the hour, or the first hour of the day, in which the first run was created of all that have
// ended since a time; nil for none. Served by run_counts_ended.
func (q Reader) firstHourOfEnded(ctx context.Context, at time.Time) (*int64, error) {
	now, err := q.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	span, hour := int64(spanHour), at.Unix()/secondsPerHour
	if now.Sub(at) > recentHours*time.Hour {
		span = spanDay
	}
	var first *int64
	if err := q.db.Get(ctx, &first, fmt.Sprintf(firstHourOfEndedSQL, span), hour/span*span, hour); err != nil {
		return nil, fmt.Errorf("find the first run that ended since a time: %w", err)
	}
	return first, nil
}

// countedRun is a run that ends.
type countedRun struct {
	ID        uuid.UUID           `json:"id"`
	PoolID    uuid.UUID           `json:"pool_id"`
	QueueID   uuid.UUID           `json:"queue_id"`
	StateType lifecycle.StateType `json:"state_type"`
	Category  lifecycle.Category  `json:"category"`
	StartedAt *database.Time      `json:"started_at"`
	EndedAt   *database.Time      `json:"ended_at"`
	Waited    *int32              `json:"waited"` // as run_waits has it; nil: it was never claimed
}

// countRunsSQL adds runs that end to the counts. It runs with the update of these runs, and reads what that leaves as it
// is. The waits are a list, so that runs that waited for different times still share a row.
func countRunsSQL(d database.Dialect) string {
	waits := "GROUP_CONCAT(n.waited)"
	if d == database.Postgres {
		waits = "STRING_AGG(n.waited::TEXT, ',')"
	}
	return `
INSERT INTO run_count_changes (` + countColumns + `, n, waits, last_end)
SELECT
	n.pool_id, n.queue_id, r.deployment_id, ` + d.Hour("r.created_at") + `, ` + d.Hour("n.ended_at") + `, n.state_type, n.category,
	` + runTookSQL(d, "n") + `, COUNT(*), COALESCE(` + waits + `, ''),
	MAX(n.ended_at)
FROM ` + database.RecordsOf[countedRun](d) + ` AS n
JOIN runs r ON r.id = n.id
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8`
}

// keepCountsSQL keeps the counts of runs that retention is about to delete.
func keepCountsSQL(d database.Dialect) string {
	return `
INSERT INTO run_count_changes (` + countColumns + `, n, kept)
SELECT
	r.pool_id, r.queue_id, r.deployment_id, ` + d.Hour("r.created_at") + `, ` + d.Hour("r.ended_at") + `, r.state_type, r.category,
	` + runTookSQL(d, "r") + `, 0, COUNT(*)
FROM runs r
WHERE r.id IN ` + d.List("uuid") + `
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8`
}

// uncountRunsSQL takes runs that have ended from the counts, before they are updated.
func uncountRunsSQL(d database.Dialect) string {
	return `
INSERT INTO run_count_changes (` + countColumns + `, n)
SELECT
	r.pool_id, r.queue_id, r.deployment_id, ` + d.Hour("r.created_at") + `, ` + d.Hour("r.ended_at") + `, r.state_type, r.category,
	` + runTookSQL(d, "r") + `, -1
FROM runs r
WHERE r.id IN ` + d.List("uuid")
}

func runTookSQL(d database.Dialect, run string) string {
	if d == database.Postgres {
		return "run_took(" + run + ".started_at, " + run + ".ended_at)"
	}
	return "CASE WHEN " + run + ".started_at IS NULL THEN -100 ELSE CAST(FLOOR(4 * LN(MAX((" + run + ".ended_at - " + run +
		".started_at) / 1e6, 0.001)) / LN(2.0)) AS INTEGER) END"
}

// runCountRow is a row of run_counts.
type runCountRow struct {
	DeploymentID uuid.UUID           `db:"deployment_id" json:"deployment_id"`
	Span         int32               `db:"-" json:"span"`
	Created      int32               `db:"created" json:"created"`
	Ended        int32               `db:"ended" json:"ended"`
	PoolID       uuid.UUID           `db:"pool_id" json:"pool_id"`
	QueueID      uuid.UUID           `db:"queue_id" json:"queue_id"`
	StateType    lifecycle.StateType `db:"state_type" json:"state_type"`
	Category     string              `db:"category" json:"category"`
	Took         int32               `db:"took" json:"took"`
	N            int64               `db:"n" json:"n"`
}

// runCountChange is a row of run_count_changes.
type runCountChange struct {
	runCountRow
	Kept    int64          `db:"kept"`
	Waits   string         `db:"waits"`
	LastEnd *database.Time `db:"last_end"` // nil where no run has just ended
}

// runWaitRow is a row of run_waits.
type runWaitRow struct {
	SubjectID uuid.UUID `db:"subject_id" json:"subject_id"`
	Hour      int32     `db:"hour" json:"hour"`
	Waited    int32     `db:"waited" json:"waited"`
	N         int64     `db:"n" json:"n"`
}

// The spans of run_counts, in hours.
const (
	spanKept = -1 // hours, of what retention has removed
	spanAll  = 0
	spanHour = 1
	spanDay  = 24
)

// rollUpMark is when this process has looked for changes last.
type rollUpMark struct {
	mu sync.Mutex
	at time.Time
}

// isDue reports whether it is time to look again.
func (m *rollUpMark) isDue(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if since := now.Sub(m.at); since >= 0 && since < rollUpEvery {
		return false
	}
	m.at = now
	return true
}

// RollUpRuns moves changes of the counts to run_counts. Every server may call it at any time: one of them works, the
// others return at once.
func (s *Store) RollUpRuns(ctx context.Context) error {
	for n := rollUpBatch; n >= rollUpBatch; {
		var err error
		if n, err = inTx(ctx, s, func(tx *Tx) (int, error) { return tx.rollUpRuns(ctx) }); err != nil {
			return fmt.Errorf("count ended runs: %w", err)
		}
	}
	return nil
}

func takeChangesSQL(d database.Dialect) string {
	if d == database.Postgres {
		return `
DELETE FROM run_count_changes
WHERE ctid = ANY(ARRAY(SELECT ctid FROM run_count_changes LIMIT ?))
RETURNING ` + countColumns + ", n, kept, waits, last_end"
	}
	return `
DELETE FROM run_count_changes
WHERE rowid IN (SELECT rowid FROM run_count_changes LIMIT ?)
RETURNING ` + countColumns + ", n, kept, waits, last_end"
}

const runCountColumns = "deployment_id, span, created, ended, pool_id, queue_id, state_type, category, took"

func addCountsSQL(d database.Dialect) string {
	return `
INSERT INTO run_counts (` + runCountColumns + `, n)
SELECT ` + runCountColumns + `, n
FROM ` + database.RecordsOf[runCountRow](d) + ` AS c
WHERE TRUE
ON CONFLICT (` + runCountColumns + `) DO UPDATE
SET n = run_counts.n + excluded.n`
}

func clearCountsSQL(d database.Dialect) string {
	return `
DELETE FROM run_counts
WHERE n = 0
	AND (` + runCountColumns + `) IN (
		SELECT ` + runCountColumns + `
		FROM ` + database.RecordsOf[runCountRow](d) + ` AS c
	)`
}

func addWaitsSQL(d database.Dialect) string {
	return `
INSERT INTO run_waits (subject_id, hour, waited, n)
SELECT subject_id, hour, waited, n
FROM ` + database.RecordsOf[runWaitRow](d) + ` AS c
WHERE TRUE
ON CONFLICT (subject_id, hour, waited) DO UPDATE
SET n = run_waits.n + excluded.n`
}

func (tx *Tx) rollUpRuns(ctx context.Context) (int, error) {
	if got, err := tx.lockAlone(ctx, rollUpLock); err != nil || !got {
		return 0, err
	}
	dialect := tx.db.Dialect()
	var changes []runCountChange
	if err := tx.db.All(ctx, &changes, takeChangesSQL(dialect), rollUpBatch); err != nil || len(changes) == 0 {
		return 0, err
	}
	rows := rollUp(changes)
	var fewer []runCountRow
	for _, row := range rows {
		if row.N < 0 {
			fewer = append(fewer, row)
		}
	}
	waits, err := rollUpWaits(changes)
	if err != nil {
		return 0, err
	}
	add := appendChange(appendChange(nil, addCountsSQL(dialect), rows), addWaitsSQL(dialect), waits)
	add = appendChange(add, addOutcomesSQL(dialect), rollUpOutcomes(changes))
	if err := tx.db.ExecBatch(ctx, add...); err != nil {
		return 0, err
	}
	return len(changes), tx.db.ExecBatch(ctx, appendChange(nil, clearCountsSQL(dialect), fewer)...)
}

// rollUp adds changes up to rows of run_counts.
func rollUp(changes []runCountChange) []runCountRow {
	sums := map[runCountRow]int64{}
	add := func(row runCountRow, span int32, n int64) {
		row.Span, row.N = span, 0
		switch span {
		case spanAll:
			row.Created, row.Ended = 0, 0
		case spanKept:
			row.Created = row.Ended
		default:
			row.Created, row.Ended = row.Created-row.Created%span, row.Ended-row.Ended%span
		}
		sums[row] += n
	}
	for _, change := range changes {
		add(change.runCountRow, spanHour, change.N)
		add(change.runCountRow, spanKept, change.Kept)
		queue := change.runCountRow
		queue.DeploymentID, queue.Took = uuid.Nil, 0
		for _, span := range []int32{spanAll, spanDay, spanHour} {
			add(queue, span, change.N)
		}
		add(queue, spanKept, change.Kept)
	}
	rows := make([]runCountRow, 0, len(sums))
	for row, n := range sums {
		if row.N = n; n != 0 {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b runCountRow) int { // in the order of the index
		return cmp.Or(slices.Compare(a.DeploymentID[:], b.DeploymentID[:]), cmp.Compare(a.Span, b.Span), cmp.Compare(a.Created, b.Created))
	})
	return rows
}

// rollUpWaits adds changes up to rows of run_waits, in the order of its key.
func rollUpWaits(changes []runCountChange) ([]runWaitRow, error) {
	sums := map[runWaitRow]int64{}
	for _, change := range changes {
		waits, err := readWaits(change.Waits)
		if err != nil {
			return nil, err
		}
		for _, waited := range waits {
			sums[runWaitRow{SubjectID: change.DeploymentID, Hour: change.Ended, Waited: waited}]++
			sums[runWaitRow{SubjectID: change.QueueID, Hour: change.Ended, Waited: waited}]++
		}
	}
	rows := make([]runWaitRow, 0, len(sums))
	for row, n := range sums {
		row.N = n
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b runWaitRow) int {
		return cmp.Or(slices.Compare(a.SubjectID[:], b.SubjectID[:]), cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Waited, b.Waited))
	})
	return rows, nil
}

// readWaits reads the column waits of run_count_changes.
func readWaits(text string) ([]int32, error) {
	if text == "" {
		return nil, nil
	}
	items := strings.Split(text, ",")
	waits := make([]int32, len(items))
	for i, item := range items {
		n, err := strconv.ParseInt(item, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read how long runs waited: %w", err)
		}
		waits[i] = int32(n)
	}
	return waits, nil
}
