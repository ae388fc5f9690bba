package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// liveAttempt is the attempt in a locked row of live.
type liveAttempt struct {
	attemptKey
	attemptState

	claimed    *claimTerms    // in this transaction
	input      attemptInput   // of one that was claimed in this transaction
	manifest   *string        // reported in this transaction
	renderedAt *database.Time // of that manifest
	lastLines  string         // reported in this transaction
	image      string         // reported in this transaction
	end        *attemptEnd    // how it ended in this transaction
	raise      *memoryRaise   // the raised memory of the next attempt; nil: none
	raised     *string        // the job variables that it was claimed with raised
}

// attemptKey is what a report needs of what a claim fixed.
type attemptKey struct {
	AttemptID uuid.UUID     `db:"attempt_id" json:"attempt_id"`
	Number    int32         `json:"number"` // that of the run in live
	Epoch     int64         `db:"epoch" json:"epoch"`
	ClaimedAt database.Time `db:"claimed_at" json:"-"`
}

// attemptState is what reports change.
type attemptState struct {
	Phase        Phase  `db:"phase" json:"phase"`
	ManifestHash string `db:"manifest_hash" json:"manifest_hash"`
	// SuspendedAt is since when a Job that ran is suspended; nil while it is not.
	SuspendedAt *database.Time `db:"suspended_at" json:"suspended_at"`
	attemptReports
}

// attemptReports is what stays of it once the attempt has ended.
type attemptReports struct {
	JobNamespace string         `db:"job_namespace" json:"job_namespace"`
	JobName      string         `db:"job_name" json:"job_name"`
	JobUID       string         `db:"job_uid" json:"job_uid"`
	Node         string         `db:"node" json:"node"`
	Diagnosis    string         `db:"diagnosis" json:"diagnosis"`
	SubmittedAt  *database.Time `db:"submitted_at" json:"submitted_at"`
	RunningAt    *database.Time `db:"running_at" json:"running_at"`
}

// attemptEnd is how an attempt ended.
type attemptEnd struct {
	at         database.Time
	due        database.Time // since when the attempt had waited
	handedBack bool
	outcome    lifecycle.Outcome // of one that was not handed back
}

// liveColumns are a lockedRun and its attempt in live, as l.
const liveColumns = `
	l.run_id AS id, l.deployment_id, l.revision_id, l.pool_id, l.queue_id,
	l.state_type, l.state_name, l.state_message, l.state_at, l.cancel_reason, l.due_at, l.started_at,
	l.start_deadline_at, l.timeout_at, l.deadline_at, l.number AS attempt, l.spent, '' AS category, l.last_event,
	l.template_timeout_us, l.template_infrastructure_max, l.raised,
	l.attempt_id AS "a.attempt_id", l.epoch AS "a.epoch", l.claimed_at AS "a.claimed_at", l.phase AS "a.phase",
	l.manifest_hash AS "a.manifest_hash", l.suspended_at AS "a.suspended_at",
	l.job_namespace AS "a.job_namespace", l.job_name AS "a.job_name", l.job_uid AS "a.job_uid", l.node AS "a.node",
	l.diagnosis AS "a.diagnosis", l.submitted_at AS "a.submitted_at", l.running_at AS "a.running_at"`

func liveByRunSQL(d database.Dialect) string {
	return `
SELECT
	` + d.RowClock() + ` AS clock,` + liveColumns + `
FROM ` + d.List("uuid") + ` AS n
JOIN runs r ON r.id = n.item
JOIN live l ON l.deployment_id = r.deployment_id AND l.run_id = r.id
ORDER BY l.run_id` + d.Lock("FOR NO KEY UPDATE OF l")
}

func liveByAttemptSQL(d database.Dialect) string {
	return `
SELECT
	` + d.RowClock() + ` AS clock,` + liveColumns + `
FROM live l
WHERE l.attempt_id IN ` + d.List("uuid") + `
ORDER BY l.run_id` + d.Lock("FOR NO KEY UPDATE")
}

// liveRow is a locked row of live.
type liveRow struct {
	lockedRun
	A liveAttempt `db:"a"`
}

// lockLive locks the rows of live that a query over IDs returns.
func (tx *Tx) lockLive(ctx context.Context, query string, ids []uuid.UUID, more ...any) ([]*lockedRun, error) {
	var rows []*liveRow
	args := append([]any{database.ListOf(ids)}, more...)
	if err := database.AllRecords(ctx, tx.db.Reader, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("lock attempts: %w", err)
	}
	runs := make([]*lockedRun, len(rows))
	for i, row := range rows {
		row.place, row.attempt, row.A.Number, row.A.raised = inLive, &row.A, row.Attempt, row.Raised
		runs[i] = &row.lockedRun
	}
	return runs, nil
}
