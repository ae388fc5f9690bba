package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// CreatedRun is a run and whether an earlier request with its idempotency key created it.
type CreatedRun struct {
	Run
	Existed bool
}

// CreateRun creates a run of a deployment. If an idempotency key was used before with this deployment, it
// returns the earlier run and true, or IdempotencyMismatch if the body differs.
func (tx *Tx) CreateRun(ctx context.Context, n NewRun, actor string) (*Run, bool, error) {
	created, err := tx.CreateRuns(ctx, n.Deployment, []NewRun{n}, actor)
	if err != nil {
		return nil, false, err
	}
	return &created[0].Run, created[0].Existed, nil
}

// CreateRun runs Tx.CreateRun in a transaction.
func (s *Store) CreateRun(ctx context.Context, n NewRun, actor string) (run *Run, existed bool, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		run, existed, err = tx.CreateRun(ctx, n, actor)
		return err
	})
	return run, existed, err
}

// CreateRuns is CreateRun for many runs of one deployment, all or none. The answers are in order.
func (tx *Tx) CreateRuns(
	ctx context.Context, deployment string, runs []NewRun, actor string,
) ([]CreatedRun, error) {
	d, err := tx.deploymentForRun(ctx, deployment) // a delete waits, and then sees these runs
	if err != nil {
		return nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	records := make([]newRunRecord, len(runs))
	maker, err := newRunMaker(d, now, actor)
	if err != nil {
		return nil, err
	}
	for i, n := range runs {
		if n.Revision != uuid.Nil && n.Revision != d.RevisionID {
			return nil, &Error{
				Code: RevisionChanged,
				Message: fmt.Sprintf("deployment %q was changed while the run was created: try again",
					deployment),
			}
		}
		if records[i], err = maker.newRecord(n); err != nil {
			return nil, err
		}
	}
	inserted, err := tx.insertRuns(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("create runs of deployment %q: %w", deployment, err)
	}
	if len(inserted) > 0 {
		if err := tx.putCreationFindings(ctx, runs, records, inserted); err != nil {
			return nil, err
		}
		tx.db.HintTurns(PoolTopic(d.Pool), len(inserted))
		tx.db.Hint(RunsTopic()) // new runs have no subscribers yet
	}
	return tx.created(ctx, d, runs, records, inserted)
}

// CreateRuns runs Tx.CreateRuns in a transaction.
func (s *Store) CreateRuns(
	ctx context.Context, deployment string, runs []NewRun, actor string,
) ([]CreatedRun, error) {
	return inTx(ctx, s, func(tx *Tx) ([]CreatedRun, error) {
		return tx.CreateRuns(ctx, deployment, runs, actor)
	})
}

type newRunRecord struct {
	ID              uuid.UUID      `json:"id"`
	Name            string         `json:"name"`
	DeploymentID    uuid.UUID      `json:"deployment_id"`
	RevisionID      uuid.UUID      `json:"revision_id"`
	PoolID          uuid.UUID      `json:"pool_id"`
	QueueID         uuid.UUID      `json:"queue_id"`
	Parameters      string         `json:"parameters"`
	JobVariables    string         `json:"job_variables"`
	StoredNames     string         `json:"stored_names"`
	Tags            string         `json:"tags"`
	IdempotencyKey  *string        `json:"idempotency_key"`
	BodyHash        string         `json:"body_hash"`
	ScheduledTime   database.Time  `json:"scheduled_time"`
	Timezone        string         `json:"timezone"`
	DueAt           database.Time  `json:"due_at"`
	StartDeadlineAt *database.Time `json:"-"`
	CreatedAt       database.Time  `json:"created_at"`
	CreatedBy       string         `json:"created_by"`
	ScheduleID      *uuid.UUID     `json:"schedule_id"`
	CallerKind      string         `json:"caller_kind"`
	CallerRole      string         `json:"caller_role"`
	Apart           bool           `json:"apart"`
	Traceparent     *string        `json:"traceparent"`
}

// runMaker makes runs of one deployment in one transaction.
type runMaker struct {
	d     deploymentRow
	now   time.Time
	ahead time.Duration // of now over the clock that makes IDs
	actor string
	none  string // an empty list as a text column has it
	tags  string // the deployment's
}

func newRunMaker(d deploymentRow, now time.Time, actor string) (runMaker, error) {
	m := runMaker{d: d, now: now, ahead: time.Until(now), actor: actor}
	var err error
	if m.none, err = database.StringsOf(nil).Text(); err == nil {
		m.tags, err = database.StringsOf(d.Tags.V).Text()
	}
	return m, err
}

func (m runMaker) newRecord(n NewRun) (newRunRecord, error) {
	id := n.ID
	if id == uuid.Nil {
		var err error
		if id, err = uuid.NewV7(); err != nil {
			return newRunRecord{}, fmt.Errorf("generate an ID: %w", err)
		}
	}
	if m.ahead.Abs() > idSlack {
		// By whole minutes: the difference is measured a bit differently each time, and IDs must keep their order.
		id = shiftID(id, m.ahead.Round(time.Minute))
	}
	if n.Name == "" {
		n.Name = RunName(id)
	}
	scheduled := m.now
	if n.ScheduledTime != nil {
		scheduled = *n.ScheduledTime
	}
	due := scheduled.Add(n.Delay)
	r := newRunRecord{
		ID: id, Name: n.Name, DeploymentID: m.d.ID, RevisionID: m.d.RevisionID, PoolID: m.d.PoolID, QueueID: m.d.QueueID,
		Parameters:   string(database.ObjectOrEmpty(n.Parameters)),
		JobVariables: string(database.ObjectOrEmpty(n.JobVariables)),
		StoredNames:  m.none, Tags: m.tags,
		BodyHash: n.BodyHash, ScheduledTime: database.Time(scheduled), Timezone: n.Timezone, DueAt: database.Time(due), StartDeadlineAt: startDeadline(m.d, due, m.now),
		CreatedAt: database.Time(m.now), CreatedBy: m.actor,
		CallerKind: n.CallerKind, CallerRole: n.CallerRole, Apart: isApart(id, scheduled),
	}
	var err error
	if len(n.StoredNames) > 0 {
		if r.StoredNames, err = database.StringsOf(n.StoredNames).Text(); err != nil {
			return r, err
		}
	}
	if len(n.Tags) > 0 {
		if r.Tags, err = database.StringsOf(union(m.d.Tags.V, n.Tags)).Text(); err != nil {
			return r, err
		}
	}
	if n.Traceparent != "" {
		r.Traceparent = &n.Traceparent
	}
	if n.IdempotencyKey != "" {
		r.IdempotencyKey = &n.IdempotencyKey
	}
	if n.ScheduleID != uuid.Nil {
		r.ScheduleID = &n.ScheduleID
	}
	return r, nil
}

// run is the run that a record makes.
func (r newRunRecord) run(d deploymentRow, n NewRun) Run {
	created := r.CreatedAt.Time()
	return Run{
		ID: r.ID, Name: r.Name, DeploymentID: d.ID, Deployment: d.Name, Pool: d.Pool, Queue: d.Queue,
		State:      lifecycle.State{Type: lifecycle.Scheduled, Name: "Scheduled", At: created},
		Parameters: json.RawMessage(r.Parameters), JobVariables: json.RawMessage(r.JobVariables),
		Tags:          union(d.Tags.V, n.Tags),
		ScheduledTime: r.ScheduledTime.Time(), Timezone: r.Timezone, DueAt: r.DueAt.Time(), CreatedAt: created, CreatedBy: r.CreatedBy, IdempotencyKey: n.IdempotencyKey,
	}
}

// insertRunsSQL inserts runs. Their state is in ready.
func insertRunsSQL(d database.Dialect) string {
	return `
INSERT INTO runs (
	id, name, deployment_id, revision_id, pool_id, queue_id, schedule_id, parameters, job_variables, stored_names, tags,
	idempotency_key, body_hash, scheduled_time, timezone, created_at, created_by, caller_kind, caller_role, traceparent, apart,
	state_type, state_name, state_message, state_at, due_at, attempt, spent, category, last_event
)
SELECT
	id, name, deployment_id, revision_id, pool_id, queue_id, schedule_id, parameters, job_variables, stored_names, tags,
	idempotency_key, body_hash, scheduled_time, timezone, created_at, created_by, caller_kind, caller_role, traceparent, apart,
	'SCHEDULED', 'Scheduled', '', created_at, due_at, 0, '{}', '', 1
FROM ` + database.RecordsOf[newRunRecord](d) + ` AS n`
}

type keyRecord struct {
	DeploymentID   uuid.UUID `json:"deployment_id"`
	IdempotencyKey string    `json:"idempotency_key"`
	RunID          uuid.UUID `json:"run_id"`
}

// insertKeysSQL skips idempotency keys that were used before.
func insertKeysSQL(d database.Dialect) string {
	return `
INSERT INTO idempotency_keys (deployment_id, idempotency_key, run_id)
SELECT deployment_id, idempotency_key, run_id
FROM ` + database.RecordsOf[keyRecord](d) + ` AS n
WHERE TRUE
ON CONFLICT DO NOTHING
RETURNING run_id`
}

// insertRuns returns which were inserted: not those whose idempotency key was used before.
func (tx *Tx) insertRuns(ctx context.Context, records []newRunRecord) ([]uuid.UUID, error) {
	records, err := tx.insertKeys(ctx, records)
	if err != nil || len(records) == 0 {
		return nil, err
	}
	ids := make([]uuid.UUID, len(records))
	ready := make([]readyRecord, len(records))
	for i, r := range records {
		ids[i], ready[i] = r.ID, r.ready()
	}
	dialect := tx.db.Dialect()
	return ids, tx.db.ExecBatch(ctx,
		database.NewStatement(insertRunsSQL(dialect), database.ListOf(records)),
		database.NewStatement(insertReadySQL(dialect), database.ListOf(ready)))
}

// insertKeys takes the idempotency keys of new runs. It returns the runs without a key that was used before.
func (tx *Tx) insertKeys(ctx context.Context, records []newRunRecord) ([]newRunRecord, error) {
	var keys []keyRecord
	for _, r := range records {
		if r.IdempotencyKey != nil {
			keys = append(keys, keyRecord{r.DeploymentID, *r.IdempotencyKey, r.ID})
		}
	}
	if len(keys) == 0 {
		return records, nil
	}
	var inserted []uuid.UUID
	if err := tx.db.All(ctx, &inserted, insertKeysSQL(tx.db.Dialect()), database.ListOf(keys)); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(records), func(r newRunRecord) bool {
		return r.IdempotencyKey != nil && !slices.Contains(inserted, r.ID)
	}), nil
}

// ready is the row of a new run that waits to be claimed.
func (r newRunRecord) ready() readyRecord {
	return readyRecord{
		runKey: runKey{
			ID: r.ID, DeploymentID: r.DeploymentID, QueueID: r.QueueID,
			termsKey: termsKey{RevisionID: r.RevisionID, PoolID: r.PoolID},
		},
		runState: runState{
			runProgress: runProgress{
				StateType: lifecycle.Scheduled, StateName: "Scheduled", StateAt: r.CreatedAt, LastEvent: 1,
			},
			runWait:    runWait{DueAt: r.DueAt, StartDeadlineAt: r.StartDeadlineAt},
			DeadlineAt: r.StartDeadlineAt,
		},
	}
}

// created returns the inserted runs, and the earlier runs of idempotency keys used before.
func (tx *Tx) created(
	ctx context.Context, d deploymentRow, runs []NewRun, records []newRunRecord, inserted []uuid.UUID,
) ([]CreatedRun, error) {
	isInserted := make(map[uuid.UUID]bool, len(inserted))
	for _, id := range inserted {
		isInserted[id] = true
	}
	created := make([]CreatedRun, len(runs))
	for i, n := range runs {
		if isInserted[records[i].ID] {
			created[i].Run = records[i].run(d, n)
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
func startDeadline(d deploymentRow, due, now time.Time) *database.Time {
	if d.StartDeadlineUS == nil {
		return nil
	}
	if due.Before(now) {
		due = now
	}
	at := due.Add(*database.Duration(d.StartDeadlineUS))
	return database.TimeOf(&at)
}

// FindRunByIdempotencyKey returns the run of the deployment created with an idempotency key, or nil. A
// repeated request gets the same answer even if its body has become invalid since.
func (q Reader) FindRunByIdempotencyKey(
	ctx context.Context, d *Deployment, key, bodyHash string,
) (*Run, error) {
	if key == "" {
		return nil, nil
	}
	run, err := q.firstRun(ctx, d.ID, NewRun{IdempotencyKey: key, BodyHash: bodyHash})
	if errors.Is(err, database.ErrNoRows) {
		return nil, nil
	}
	return run, err
}

const firstRunSQL = `
JOIN idempotency_keys k ON k.run_id = r.id
WHERE k.deployment_id = ?
	AND k.idempotency_key = ?`

// firstRun returns the run that was created with an idempotency key.
func (q Reader) firstRun(ctx context.Context, deployment uuid.UUID, n NewRun) (*Run, error) {
	var row runRow
	err := q.db.Get(ctx, &row, runSQL+firstRunSQL,
		deployment, n.IdempotencyKey)
	if err != nil {
		return nil, fmt.Errorf("read the run of idempotency key %q: %w", n.IdempotencyKey, err)
	}
	if row.BodyHash != n.BodyHash {
		return nil, &Error{Code: IdempotencyMismatch, Message: fmt.Sprintf(
			"idempotency key %q was used for run %s with a different body", n.IdempotencyKey, row.ID)}
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
