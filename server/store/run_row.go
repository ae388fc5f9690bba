package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// This file has the statements that write the rows of runs and attempts, and their records.

type readyKey struct {
	DeploymentID uuid.UUID `json:"deployment_id"`
	RunID        uuid.UUID `json:"run_id"`
}

func deleteReadySQL(d database.Dialect) string {
	return `
DELETE FROM ready
WHERE (deployment_id, run_id) IN (SELECT deployment_id, run_id FROM ` + database.RecordsOf[readyKey](d) + ` AS n)`
}

type readyRecord struct {
	runKey
	runState
	HandedBackID *uuid.UUID `json:"handed_back_id"`
	Epoch        int64      `json:"epoch"`
}

// insertReadySQL reads the deployment's limit and pause, which choose the index of the row.
func insertReadySQL(d database.Dialect) string {
	return `
INSERT INTO ready (
	run_id, deployment_id, pool_id, queue_id, due_at, limited, state_name, state_message, state_at, attempt,
	last_event, spent, raised, started_at, start_deadline_at, timeout_at, deadline_at, template_timeout_us,
	template_infrastructure_max, handed_back_id, epoch
)
SELECT
	n.run_id, n.deployment_id, n.pool_id, n.queue_id, n.due_at, ` + deploymentGatedSQL + `,
	n.state_name, n.state_message, n.state_at, n.attempt,
	n.last_event, n.spent, n.raised, n.started_at, n.start_deadline_at, n.timeout_at, n.deadline_at, n.template_timeout_us,
	n.template_infrastructure_max, n.handed_back_id, n.epoch
FROM ` + database.RecordsOf[readyRecord](d) + ` AS n
JOIN deployments d ON d.id = n.deployment_id`
}

// deploymentGatedSQL is whether a deployment, as d, may keep its runs from being claimed.
const deploymentGatedSQL = "(d.paused OR d.concurrency_limit IS NOT NULL OR d.deleted_at IS NOT NULL)"

// claimTerms are what all attempts of one claim have in common.
type claimTerms struct {
	SessionID         uuid.UUID           `json:"session_id"`
	RequestID         uuid.UUID           `json:"request_id"`
	Worker            string              `json:"worker"`
	ClusterID         string              `json:"cluster_id"`
	TemplateVersionID uuid.UUID           `json:"template_version_id"`
	StateType         lifecycle.StateType `json:"state_type"`
	StateName         string              `json:"state_name"`
	StateMessage      string              `json:"state_message"`
	Phase             Phase               `json:"phase"`
	ClaimedAt         database.Time       `json:"claimed_at"`
}

// attemptInput is what an attempt is rendered from, beside its run and the template.
type attemptInput struct {
	FrozenRevisionID uuid.UUID `json:"frozen_revision_id"`
	Stored           string    `json:"stored"`
	JobKeyHashes     *string   `json:"job_key_hashes"`
}

// liveRecord is an attempt that a claim starts. Nothing was reported of it.
type liveRecord struct {
	runKey
	attemptKey
	attemptInput
	Raised                    *string                                    `json:"raised"`
	DueAt                     database.Time                              `json:"due_at"`
	StartedAt                 *database.Time                             `json:"started_at"`
	StartDeadlineAt           *database.Time                             `json:"start_deadline_at"`
	TimeoutAt                 *database.Time                             `json:"timeout_at"`
	DeadlineAt                *database.Time                             `json:"deadline_at"`
	Spent                     database.Structured[lifecycle.RetriesUsed] `json:"spent"`
	TemplateTimeoutUS         *int64                                     `json:"template_timeout_us"`
	TemplateInfrastructureMax *int                                       `json:"template_infrastructure_max"`
	LastEvent                 int64                                      `json:"last_event"`
}

func (r *lockedRun) liveRecord() liveRecord {
	return liveRecord{
		runKey: r.runKey, attemptKey: r.attempt.attemptKey, attemptInput: r.attempt.input, Raised: r.Raised, DueAt: r.DueAt,
		StartedAt: r.StartedAt, StartDeadlineAt: r.StartDeadlineAt, TimeoutAt: r.TimeoutAt, DeadlineAt: r.DeadlineAt,
		Spent: r.Spent, TemplateTimeoutUS: r.TemplateTimeoutUS, TemplateInfrastructureMax: r.TemplateInfrastructureMax,
		LastEvent: r.LastEvent,
	}
}

func insertLiveSQL(d database.Dialect) string {
	return `
INSERT INTO live (
	attempt_id, run_id, number, deployment_id, revision_id, pool_id, queue_id, session_id, epoch, leased_at, request_id,
	worker, cluster_id, template_version_id, frozen_revision_id, stored, raised, job_key_hashes, due_at, claimed_at,
	start_deadline_at, manifest_hash, template_timeout_us, template_infrastructure_max, job_namespace, job_name, job_uid,
	node, started_at, timeout_at, deadline_at, spent, cancel_reason, phase, state_type, state_name, state_message, state_at,
	diagnosis, last_event
)
SELECT
	n.attempt_id, n.run_id, n.number, n.deployment_id, n.revision_id, n.pool_id, n.queue_id, c.session_id, n.epoch,
	c.claimed_at, c.request_id, c.worker, c.cluster_id, c.template_version_id, n.frozen_revision_id, n.stored, n.raised,
	n.job_key_hashes, n.due_at, c.claimed_at, n.start_deadline_at, '', n.template_timeout_us,
	n.template_infrastructure_max, '', '', '', '', n.started_at, n.timeout_at, n.deadline_at, n.spent, '', c.phase,
	c.state_type, c.state_name, c.state_message, c.claimed_at, '', n.last_event
FROM ` + database.RecordsOf[liveRecord](d) + ` AS n
CROSS JOIN ` + database.RecordsOf[claimTerms](d) + ` AS c`
}

// liveUpdate are the columns that updateLiveSQL writes, and no more: each is an array for the database.
type liveUpdate struct {
	AttemptID uuid.UUID `json:"attempt_id"`
	runProgress
	CancelReason lifecycle.CancelReason `json:"cancel_reason"`
	DeadlineAt   *database.Time         `json:"deadline_at"`
	attemptState
	TemplateTimeoutUS *int64 `json:"template_timeout_us"`
}

func (r *lockedRun) liveUpdate() liveUpdate {
	return liveUpdate{
		AttemptID: r.attempt.AttemptID, runProgress: r.runProgress, CancelReason: r.CancelReason, DeadlineAt: r.DeadlineAt,
		attemptState: r.attempt.attemptState, TemplateTimeoutUS: r.TemplateTimeoutUS,
	}
}

func updateLiveSQL(d database.Dialect) string {
	return `
UPDATE live
SET state_type = n.state_type,
	state_name = n.state_name,
	state_message = n.state_message,
	state_at = n.state_at,
	cancelled_at = COALESCE(live.cancelled_at, CASE WHEN n.state_type = 'CANCELLING' THEN n.state_at END),
	cancel_reason = n.cancel_reason,
	phase = n.phase,
	manifest_hash = n.manifest_hash,
	job_namespace = n.job_namespace,
	job_name = n.job_name,
	job_uid = n.job_uid,
	node = n.node,
	diagnosis = n.diagnosis,
	submitted_at = n.submitted_at,
	running_at = n.running_at,
	suspended_at = n.suspended_at,
	started_at = n.started_at,
	timeout_at = n.timeout_at,
	deadline_at = n.deadline_at,
	spent = n.spent,
	template_timeout_us = n.template_timeout_us,
	template_infrastructure_max = n.template_infrastructure_max,
	last_event = n.last_event
FROM ` + database.RecordsOf[liveUpdate](d) + ` AS n
WHERE live.attempt_id = n.attempt_id`
}

func deleteLiveSQL(d database.Dialect) string {
	return `
DELETE FROM live
WHERE attempt_id IN ` + d.List("uuid")
}

type endedRecord struct {
	AttemptID uuid.UUID `json:"attempt_id"`
	Epoch     int64     `json:"epoch"`
	attemptReports
	Succeeded bool               `json:"succeeded"`
	ExitCode  *int32             `json:"exit_code"`
	Category  lifecycle.Category `json:"category"`
	Message   string             `json:"message"`
	LastLines string             `json:"last_lines"`
	Image     string             `json:"image"`
	EndedAt   database.Time      `json:"ended_at"`
}

// insertEndedSQL takes what the claim fixed from live, whose row goes after it.
func insertEndedSQL(d database.Dialect) string {
	return `
INSERT INTO attempts (
	run_id, number, id, worker, cluster_id, epoch, template_version_id, raised, job_key_hashes, job_namespace, job_name, job_uid,
	node, diagnosis, succeeded, exit_code, category, message, last_lines, image, claimed_at, submitted_at, running_at,
	ended_at
)
SELECT
	l.run_id, l.number, l.attempt_id, l.worker, l.cluster_id, n.epoch, l.template_version_id, l.raised, l.job_key_hashes,
	n.job_namespace, n.job_name, n.job_uid, n.node, n.diagnosis, n.succeeded, n.exit_code, n.category, n.message,
	n.last_lines, n.image, l.claimed_at, n.submitted_at, n.running_at, n.ended_at
FROM ` + database.RecordsOf[endedRecord](d) + ` AS n
JOIN live l ON l.attempt_id = n.attempt_id`
}

// runRecord are the columns that updateRunsSQL writes.
type runRecord struct {
	ID      uuid.UUID `json:"id"`
	PoolID  uuid.UUID `json:"pool_id"`
	QueueID uuid.UUID `json:"queue_id"`
	runProgress
	runWait
	runEnd
}

// updateRunsSQL writes the end of a run, or takes it back for a retry, which may be in another queue.
func updateRunsSQL(d database.Dialect) string {
	return `
UPDATE runs
SET pool_id = n.pool_id,
	queue_id = n.queue_id,
	state_type = n.state_type,
	state_name = n.state_name,
	state_message = n.state_message,
	state_at = n.state_at,
	due_at = n.due_at,
	started_at = n.started_at,
	start_deadline_at = n.start_deadline_at,
	timeout_at = n.timeout_at,
	ended_at = n.ended_at,
	attempt = n.attempt,
	spent = n.spent,
	exit_code = n.exit_code,
	category = n.category,
	last_event = n.last_event,
	template_infrastructure_max = n.template_infrastructure_max
FROM ` + database.RecordsOf[runRecord](d) + ` AS n
WHERE runs.id = n.id`
}

type manifestRecord struct {
	RunID    uuid.UUID `json:"run_id"`
	Number   int32     `json:"number"`
	Manifest string    `json:"manifest"`
	// RenderedAt is by the clock of the worker; nil where it did not say.
	RenderedAt *database.Time `json:"rendered_at"`
}

type manifestKey struct {
	RunID  uuid.UUID `json:"run_id"`
	Number int32     `json:"number"`
}

func deleteManifestsSQL(d database.Dialect) string {
	return `
DELETE FROM manifests
WHERE (run_id, number) IN (SELECT run_id, number FROM ` + database.RecordsOf[manifestKey](d) + ` AS n)`
}

func insertManifestsSQL(d database.Dialect) string {
	return `
INSERT INTO manifests (run_id, number, manifest, rendered_at)
SELECT run_id, number, manifest, rendered_at
FROM ` + database.RecordsOf[manifestRecord](d) + ` AS n`
}

func insertEventsSQL(d database.Dialect) string {
	return `
INSERT INTO events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT run_id, seq, at, actor, attempt, state_type, state_name, message
FROM ` + database.RecordsOf[eventRow](d) + ` AS n`
}

func (r *lockedRun) readyRecord() readyRecord {
	record := readyRecord{runKey: r.runKey, runState: r.runState}
	record.DeadlineAt = r.deadline(time.Time{})
	if a := r.attempt; a != nil && a.end != nil && a.end.handedBack {
		record.HandedBackID, record.Epoch = &a.AttemptID, a.Epoch
	}
	return record
}

func (r *lockedRun) endedRecord() endedRecord {
	o := r.attempt.end.outcome
	return endedRecord{
		AttemptID: r.attempt.AttemptID, Epoch: r.attempt.Epoch, attemptReports: r.attempt.attemptReports,
		Succeeded: o.Succeeded, ExitCode: o.ExitCode, Category: o.Category, Message: o.Reason(),
		LastLines: r.attempt.lastLines, Image: r.attempt.image, EndedAt: r.attempt.end.at,
	}
}
