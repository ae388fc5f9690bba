package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
)

// CreatedRun is a run and whether an idempotency key had made it before.
type CreatedRun struct {
	Run
	Existed bool
}

// CreateRun creates a run with everything of its deployment that it takes over. An idempotency key that was used before
// on this deployment gives the run of then (existed), or IdempotencyMismatch where the body was another.
func (tx *Tx) CreateRun(ctx context.Context, n NewRun, actor string) (*Run, bool, error) {
	created, err := tx.CreateRuns(ctx, n.Deployment, []NewRun{n}, actor)
	if err != nil {
		return nil, false, err
	}
	return &created[0].Run, created[0].Existed, nil
}

// CreateRuns is CreateRun for many runs of one deployment, all or none. The answers are in order.
func (tx *Tx) CreateRuns(ctx context.Context, deployment string, runs []NewRun, actor string) ([]CreatedRun, error) {
	d, err := tx.deployment(ctx, deployment, deploymentForRun) // a delete waits, and then sees these runs
	if err != nil {
		return nil, err
	}
	now, err := tx.now(ctx)
	if err != nil {
		return nil, err
	}
	records := make([]newRunRecord, len(runs))
	for i, n := range runs {
		if n.Revision != uuid.Nil && n.Revision != d.RevisionID {
			return nil, &Error{Code: RevisionChanged, Message: fmt.Sprintf("deployment %q was changed meanwhile: try again", deployment)}
		}
		if records[i], err = newRun(d, n, now, actor); err != nil {
			return nil, err
		}
	}
	inserted, err := tx.insertRuns(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("create runs of deployment %q: %w", deployment, err)
	}
	var events []eventRecord
	for _, r := range records {
		if inserted[r.ID] {
			events = append(events, eventRecord{
				RunID: r.ID, Seq: 1, At: microsAt(now), Actor: actor, StateType: lifecycle.Scheduled, StateName: "Scheduled",
			})
			tx.hint(RunTopic(r.ID), RunsTopic())
		}
	}
	if err := bulk(ctx, tx, tx.s.dialect.insertEventsSQL(), events); err != nil {
		return nil, fmt.Errorf("append events: %w", err)
	}
	tx.hint(PoolTopic(d.Pool))
	return tx.created(ctx, d, runs, records, inserted)
}

type newRunRecord struct {
	ID              uuid.UUID `json:"id"`
	Name            string    `json:"name"`
	DeploymentID    uuid.UUID `json:"deployment_id"`
	RevisionID      uuid.UUID `json:"revision_id"`
	PoolID          uuid.UUID `json:"pool_id"`
	QueueID         uuid.UUID `json:"queue_id"`
	Parameters      string    `json:"parameters"`
	JobVariables    string    `json:"job_variables"`
	StoredNames     texts     `json:"stored_names"`
	Tags            texts     `json:"tags"`
	IdempotencyKey  *string   `json:"idempotency_key"`
	BodyHash        string    `json:"body_hash"`
	ScheduledTime   micros    `json:"scheduled_time"`
	StartDeadlineAt *micros   `json:"start_deadline_at"`
	CreatedAt       micros    `json:"created_at"`
	CreatedBy       string    `json:"created_by"`
	ScheduleID      *string   `json:"schedule_id"`
}

func newRun(d deploymentRow, n NewRun, now time.Time, actor string) (newRunRecord, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return newRunRecord{}, fmt.Errorf("make an id: %w", err)
	}
	if n.Name == "" {
		n.Name = runName(id)
	}
	due := now
	if n.ScheduledTime != nil {
		due = *n.ScheduledTime
	}
	r := newRunRecord{
		ID: id, Name: n.Name, DeploymentID: d.ID, RevisionID: d.RevisionID, PoolID: d.PoolID, QueueID: d.QueueID,
		Parameters: string(object(n.Parameters)), JobVariables: string(object(n.JobVariables)),
		StoredNames: textsOf(n.StoredNames), Tags: textsOf(union(d.Tags.v, n.Tags)), BodyHash: n.BodyHash,
		ScheduledTime: microsAt(due), StartDeadlineAt: startDeadline(d, due, now).micros(), CreatedAt: microsAt(now), CreatedBy: actor,
	}
	if n.IdempotencyKey != "" {
		r.IdempotencyKey = &n.IdempotencyKey
	}
	if n.ScheduleID != uuid.Nil {
		schedule := n.ScheduleID.String()
		r.ScheduleID = &schedule
	}
	return r, nil
}

func (d dialect) insertRunsSQL() string {
	return `
INSERT INTO runs (
	id, name, deployment_id, revision_id, pool_id, queue_id, state_type, state_name, state_message, state_at,
	cancel_reason, parameters, job_variables, stored_names, tags, idempotency_key, body_hash, scheduled_time, due_at,
	start_deadline_at, created_at, created_by, attempt, spent, category, last_event, schedule_id
)
SELECT
	id, name, deployment_id, revision_id, pool_id, queue_id, 'SCHEDULED', 'Scheduled', '', created_at,
	'', parameters, job_variables, stored_names, tags, idempotency_key, body_hash, scheduled_time, scheduled_time,
	start_deadline_at, created_at, created_by, 0, '{}', '', 1, schedule_id
FROM ` + d.records("id uuid", "name text", "deployment_id uuid", "revision_id uuid", "pool_id uuid", "queue_id uuid",
		"parameters text", "job_variables text", "stored_names text", "tags text", "idempotency_key text", "body_hash text",
		"scheduled_time time", "start_deadline_at time", "created_at time", "created_by text", "schedule_id uuid") + ` AS n
WHERE TRUE
ON CONFLICT (deployment_id, idempotency_key) DO NOTHING
RETURNING id`
}

// insertRuns returns which were inserted: not those whose idempotency key was used before.
func (tx *Tx) insertRuns(ctx context.Context, records []newRunRecord) (map[uuid.UUID]bool, error) {
	list := listOf(records)
	var ids []uuid.UUID
	if err := tx.all(ctx, &ids, tx.s.dialect.insertRunsSQL(), list); err != nil {
		return nil, err
	}
	inserted := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		inserted[id] = true
	}
	return inserted, nil
}

// created reads the runs that were inserted, and finds those that their keys made before.
func (tx *Tx) created(ctx context.Context, d deploymentRow, runs []NewRun, records []newRunRecord, inserted map[uuid.UUID]bool) ([]CreatedRun, error) {
	ids := make([]uuid.UUID, 0, len(inserted))
	for id := range inserted {
		ids = append(ids, id)
	}
	list := listOf(ids)
	var rows []runRow
	if err := tx.all(ctx, &rows, runSQL+" WHERE r.id IN "+tx.s.dialect.list("uuid"), list); err != nil {
		return nil, fmt.Errorf("read created runs: %w", err)
	}
	byID := make(map[uuid.UUID]runRow, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	created := make([]CreatedRun, len(runs))
	for i, n := range runs {
		if row, ok := byID[records[i].ID]; ok {
			created[i].Run = row.run()
			continue
		}
		first, err := tx.firstRun(ctx, d.ID, n)
		if err != nil {
			return nil, err
		}
		created[i] = CreatedRun{Run: *first, Existed: true}
	}
	return created, nil
}

// startDeadline counts from when the run is due, or from now where that has passed.
func startDeadline(d deploymentRow, due, now time.Time) *stamp {
	if d.StartDeadlineUS == nil {
		return nil
	}
	if due.Before(now) {
		due = now
	}
	at := due.Add(*duration(d.StartDeadlineUS))
	return stampOf(&at)
}

// RunOfKey returns the run that an idempotency key made of the deployment; nil where there is none yet. A repeated request
// has the same answer even where its body would be refused by now.
func (tx *Tx) RunOfKey(ctx context.Context, d *Deployment, key, bodyHash string) (*Run, error) {
	if key == "" {
		return nil, nil
	}
	run, err := tx.firstRun(ctx, d.ID, NewRun{IdempotencyKey: key, BodyHash: bodyHash})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return run, err
}

// firstRun is the run that an idempotency key made.
func (tx *Tx) firstRun(ctx context.Context, deployment uuid.UUID, n NewRun) (*Run, error) {
	var row runRow
	err := tx.get(ctx, &row, runSQL+" WHERE r.deployment_id = ? AND r.idempotency_key = ?", deployment, n.IdempotencyKey)
	if err != nil {
		return nil, fmt.Errorf("read the run of idempotency key %q: %w", n.IdempotencyKey, err)
	}
	if row.BodyHash != n.BodyHash {
		return nil, &Error{Code: IdempotencyMismatch, Message: fmt.Sprintf(
			"idempotency key %q made run %s from another body", n.IdempotencyKey, row.ID)}
	}
	run := row.run()
	return &run, nil
}

// union is a followed by what b adds.
func union(a, b []string) []string {
	seen := map[string]bool{}
	list := []string{}
	for _, s := range append(append([]string{}, a...), b...) {
		if !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	return list
}
