package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

type attemptRow struct {
	ID              uuid.UUID          `db:"id"`
	RunID           uuid.UUID          `db:"run_id"`
	Number          int32              `db:"number"`
	Phase           Phase              `db:"phase"`
	Worker          string             `db:"worker"`
	ClusterID       string             `db:"cluster_id"`
	Epoch           int64              `db:"epoch"`
	LeaseExpiresAt  database.Time      `db:"lease_expires_at"`
	TemplateVersion int32              `db:"template_version"`
	JobNamespace    string             `db:"job_namespace"`
	JobName         string             `db:"job_name"`
	JobUID          string             `db:"job_uid"`
	Node            string             `db:"node"`
	Diagnosis       string             `db:"diagnosis"`
	Raised          database.JSON      `db:"raised"`
	ExitCode        *int32             `db:"exit_code"`
	Category        lifecycle.Category `db:"category"`
	Message         string             `db:"message"`
	LastLines       string             `db:"last_lines"`
	Image           string             `db:"image"`
	ClaimedAt       database.Time      `db:"claimed_at"`
	SubmittedAt     *database.Time     `db:"submitted_at"`
	RunningAt       *database.Time     `db:"running_at"`
	EndedAt         *database.Time     `db:"ended_at"`
	Indexes         database.JSON      `db:"indexes"`
}

func (r attemptRow) attempt() Attempt {
	return Attempt{
		ID: r.ID, RunID: r.RunID, Number: r.Number, Phase: r.Phase, Worker: r.Worker, ClusterID: r.ClusterID, Epoch: r.Epoch,
		LeaseExpiresAt: r.LeaseExpiresAt.Time(), TemplateVersion: r.TemplateVersion, JobNamespace: r.JobNamespace,
		JobName: r.JobName, JobUID: r.JobUID, Node: r.Node, Diagnosis: r.Diagnosis, Raised: r.Raised.Raw(),
		ExitCode: r.ExitCode, Category: r.Category,
		Message: r.Message, LastLines: r.LastLines, Image: r.Image, ClaimedAt: r.ClaimedAt.Time(), SubmittedAt: r.SubmittedAt.Ptr(),
		RunningAt: r.RunningAt.Ptr(), EndedAt: r.EndedAt.Ptr(), Indexes: r.Indexes.Raw(),
	}
}

// listAttemptsSQL is served by the primary keys of attempts and attempt_indexes, and by the unique index of live.
const listAttemptsSQL = `
SELECT
	a.id, a.run_id, a.number, 'ended' AS phase, a.worker, a.cluster_id, a.epoch, a.ended_at AS lease_expires_at,
	t.version AS template_version, a.job_namespace, a.job_name, a.job_uid, a.node, a.diagnosis, a.raised, a.exit_code,
	a.category, a.message, a.last_lines, a.image, a.claimed_at, a.submitted_at, a.running_at, a.ended_at, i.indexes
FROM attempts a
JOIN template_versions t ON t.id = a.template_version_id
LEFT JOIN attempt_indexes i ON i.run_id = a.run_id AND i.attempt = a.number
WHERE a.run_id = ?
UNION ALL
SELECT
	l.attempt_id, l.run_id, l.number, l.phase, l.worker, l.cluster_id, l.epoch, COALESCE(s.expires_at, l.leased_at),
	t.version, l.job_namespace, l.job_name, l.job_uid, l.node, l.diagnosis, l.raised, NULL,
	'', '', '', '', l.claimed_at, l.submitted_at, l.running_at, NULL, i.indexes
FROM runs r
JOIN live l ON l.deployment_id = r.deployment_id AND l.run_id = r.id
JOIN template_versions t ON t.id = l.template_version_id
LEFT JOIN worker_sessions s ON s.id = l.session_id
LEFT JOIN attempt_indexes i ON i.run_id = l.run_id AND i.attempt = l.number
WHERE r.id = ?
ORDER BY 3`

// ListAttempts lists the attempts of a run by number.
func (q Reader) ListAttempts(ctx context.Context, runID uuid.UUID) ([]Attempt, error) {
	var rows []attemptRow
	if err := q.db.All(ctx, &rows, listAttemptsSQL, runID, runID); err != nil {
		return nil, fmt.Errorf("list the attempts of run %s: %w", runID, err)
	}
	attempts := make([]Attempt, len(rows))
	for i, r := range rows {
		attempts[i] = r.attempt()
	}
	return attempts, nil
}

const manifestSQL = `
SELECT manifest
FROM manifests
WHERE run_id = ?
	AND number = ?`

// GetManifest returns the Job manifest of an attempt as it was reported.
func (q Reader) GetManifest(ctx context.Context, runID uuid.UUID, attempt int32) (json.RawMessage, error) {
	var manifest database.JSON
	if err := q.db.Get(ctx, &manifest, manifestSQL, runID, attempt); err != nil {
		return nil, database.NotFoundError(err, "the manifest of attempt %d of run %s", attempt, runID)
	}
	return manifest.Raw(), nil
}

const (
	attemptStatusesSQL = `
SELECT a.id, a.run_id, a.number, a.epoch, a.job_uid, a.ended_at
FROM attempts a
WHERE a.run_id IN `
	liveStatusesSQL = `
UNION ALL
SELECT l.attempt_id, l.run_id, l.number, l.epoch, l.job_uid, NULL
FROM runs r
JOIN live l ON l.deployment_id = r.deployment_id AND l.run_id = r.id
WHERE r.id IN `
)

// ListAttemptStatuses returns the status of the attempts that Jobs in a cluster refer to, one per reference,
// in order. It answers for every pool: otherwise a worker would delete the Jobs of another pool as unknown.
func (q Reader) ListAttemptStatuses(ctx context.Context, refs []AttemptRef) ([]AttemptStatus, error) {
	runs := make([]uuid.UUID, len(refs))
	for i, ref := range refs {
		runs[i] = ref.RunID
	}
	list, in := database.ListOf(runs), q.db.Dialect().List("uuid")
	var rows []attemptRow
	if err := q.db.All(ctx, &rows, attemptStatusesSQL+in+liveStatusesSQL+in, list, list); err != nil {
		return nil, fmt.Errorf("list attempt statuses: %w", err)
	}
	known := make(map[AttemptRef]attemptRow, len(rows))
	for _, r := range rows {
		known[AttemptRef{RunID: r.RunID, Attempt: r.Number}] = r
	}
	answers := make([]AttemptStatus, len(refs))
	for i, ref := range refs {
		r, ok := known[AttemptRef{RunID: ref.RunID, Attempt: ref.Attempt}]
		answers[i] = AttemptStatus{Status: attemptStatus(r, ok, ref), AttemptID: r.ID, Epoch: r.Epoch}
	}
	return answers, nil
}

func attemptStatus(r attemptRow, ok bool, ref AttemptRef) string {
	switch {
	case !ok:
		return "unknown"
	case ref.JobUID != "" && r.JobUID != "" && ref.JobUID != r.JobUID:
		return "duplicate"
	case r.EndedAt != nil:
		return "ended"
	}
	return "active"
}
