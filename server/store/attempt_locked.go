package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// liveAttempt is an attempt's row that is locked and may be changed.
type liveAttempt struct {
	attemptProgress
	attemptRarelyChanged
	RunID     uuid.UUID     `db:"run_id"`
	Number    int32         `db:"number"`
	Epoch     int64         `db:"epoch"`
	ClaimedAt database.Time `db:"claimed_at"`

	was     attemptRarelyChanged // as it was read
	changed bool
	raise   *memoryRaise // the raised memory of the next attempt; nil: none
}

// attemptProgress is what every change of an attempt writes.
type attemptProgress struct {
	ID        uuid.UUID      `db:"id" json:"id"`
	Phase     Phase          `db:"phase" json:"phase"`
	Node      string         `db:"node" json:"node"`
	Diagnosis string         `db:"diagnosis" json:"diagnosis"`
	Succeeded bool           `db:"succeeded" json:"succeeded"`
	RunningAt *database.Time `db:"running_at" json:"running_at"`
	EndedAt   *database.Time `db:"ended_at" json:"ended_at"`
}

// attemptRarelyChanged holds the columns that most reports do not change, and so do not write.
type attemptRarelyChanged struct {
	Manifest     *string            `db:"-" json:"manifest"` // nil: as it is
	ManifestHash string             `db:"manifest_hash" json:"manifest_hash"`
	JobNamespace string             `db:"job_namespace" json:"job_namespace"`
	JobName      string             `db:"job_name" json:"job_name"`
	JobUID       string             `db:"job_uid" json:"job_uid"`
	ExitCode     *int32             `db:"exit_code" json:"exit_code"`
	Category     lifecycle.Category `db:"category" json:"category"`
	Message      string             `db:"message" json:"message"`
	LastLines    *string            `db:"-" json:"last_lines"` // nil: as they are
	HandedBack   bool               `db:"handed_back" json:"handed_back"`
	SubmittedAt  *database.Time     `db:"submitted_at" json:"submitted_at"`
}

// reportedRow is a run with an attempt of it.
type reportedRow struct {
	lockedRun
	A liveAttempt `db:"a"`
}

// reportedSQL locks runs and attempts, each attempt right after its run, in the order of the runs. Rows are
// read as they are once locked, so it may join only locked rows.
func reportedSQL(d database.Dialect) string {
	return `
SELECT
	` + d.RowClock() + ` AS clock,
	` + liveRunColumns + `,
	a.id AS "a.id", a.run_id AS "a.run_id", a.number AS "a.number", a.epoch AS "a.epoch", a.phase AS "a.phase",
	a.manifest_hash AS "a.manifest_hash", a.job_namespace AS "a.job_namespace", a.job_name AS "a.job_name",
	a.job_uid AS "a.job_uid", a.node AS "a.node", a.diagnosis AS "a.diagnosis", a.succeeded AS "a.succeeded",
	a.exit_code AS "a.exit_code", a.category AS "a.category", a.message AS "a.message", a.handed_back AS "a.handed_back",
	a.claimed_at AS "a.claimed_at", a.submitted_at AS "a.submitted_at", a.running_at AS "a.running_at",
	a.ended_at AS "a.ended_at"
FROM runs r
JOIN attempts a ON a.run_id = r.id
WHERE a.id IN ` + d.List("uuid") + `
ORDER BY r.id, a.id` + d.Lock("FOR NO KEY UPDATE OF r, a")
}

// lockReported locks attempts and their runs. Attempts that do not exist are omitted.
func (tx *Tx) lockReported(ctx context.Context, attempts []uuid.UUID) (*reportBatch, error) {
	var rows []*reportedRow
	if err := tx.db.All(ctx, &rows, reportedSQL(tx.db.Dialect()), database.ListOf(attempts)); err != nil {
		return nil, fmt.Errorf("lock runs and attempts: %w", err)
	}
	b := &reportBatch{
		runs:     make(map[uuid.UUID]*lockedRun, len(rows)),
		attempts: make(map[uuid.UUID]*liveAttempt, len(rows)),
	}
	runs := make([]*lockedRun, 0, len(rows))
	var clock *database.Time // the latest: a row that was waited for is read after that
	for _, row := range rows {
		row.was, row.A.was = row.runRarelyChanged, row.A.attemptRarelyChanged
		b.attempts[row.A.ID] = &row.A
		if b.runs[row.ID] == nil {
			b.runs[row.ID] = &row.lockedRun
			runs = append(runs, &row.lockedRun)
		}
		if row.Clock != nil && (clock == nil || row.Clock.Time().After(clock.Time())) {
			clock = row.Clock
		}
	}
	tx.db.AdvanceClock(clock)
	if err := tx.readTerms(ctx, runs); err != nil {
		return nil, err
	}
	var err error
	b.now, err = tx.db.Now(ctx)
	return b, err
}

// wholeAttempt is everything of a liveAttempt that may change.
type wholeAttempt struct {
	attemptProgress
	attemptRarelyChanged
}

func updateAttemptsSQL(d database.Dialect, whole bool) string {
	columns := []string{
		"id uuid", "phase text", "node text", "diagnosis text", "succeeded boolean", "running_at time",
		"ended_at time",
	}
	rest := ""
	if whole {
		columns = append(columns, "manifest text", "manifest_hash text", "job_namespace text",
			"job_name text", "job_uid text", "exit_code integer", "category text", "message text",
			"last_lines text", "handed_back boolean", "submitted_at time")
		rest = `,
	manifest = COALESCE(n.manifest, attempts.manifest),
	manifest_hash = n.manifest_hash,
	job_namespace = n.job_namespace,
	job_name = n.job_name,
	job_uid = n.job_uid,
	exit_code = n.exit_code,
	category = n.category,
	message = n.message,
	last_lines = COALESCE(n.last_lines, attempts.last_lines),
	handed_back = n.handed_back,
	submitted_at = n.submitted_at`
	}
	return `
UPDATE attempts
SET phase = n.phase,
	node = n.node,
	diagnosis = n.diagnosis,
	succeeded = n.succeeded,
	running_at = n.running_at,
	ended_at = n.ended_at` + rest + `
FROM ` + d.Records(columns...) + ` AS n
WHERE attempts.id = n.id`
}

func (b *reportBatch) save(ctx context.Context, tx *Tx) error {
	var changed []attemptProgress
	var whole []wholeAttempt
	for _, a := range b.attempts {
		switch {
		case !a.changed:
		case a.attemptRarelyChanged == a.was:
			changed = append(changed, a.attemptProgress)
		default:
			whole = append(whole, wholeAttempt{a.attemptProgress, a.attemptRarelyChanged})
		}
	}
	changes := tx.changesOf(b.runs)
	if len(changed) > 0 {
		changes = append(changes,
			database.NewStatement(updateAttemptsSQL(tx.db.Dialect(), false), database.ListOf(changed)))
	}
	if len(whole) > 0 {
		changes = append(changes,
			database.NewStatement(updateAttemptsSQL(tx.db.Dialect(), true), database.ListOf(whole)))
	}
	if err := tx.db.ExecBatch(ctx, changes...); err != nil {
		return fmt.Errorf("save attempts and runs: %w", err)
	}
	return tx.putRuleFindings(ctx, slices.Collect(maps.Values(b.findings)))
}
