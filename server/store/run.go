package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

type runRow struct {
	ID             uuid.UUID           `db:"id"`
	Name           string              `db:"name"`
	DeploymentID   uuid.UUID           `db:"deployment_id"`
	Deployment     string              `db:"deployment"`
	Pool           string              `db:"pool"`
	Queue          string              `db:"queue"`
	StateType      lifecycle.StateType `db:"state_type"`
	StateName      string              `db:"state_name"`
	StateMessage   string              `db:"state_message"`
	StateAt        database.Time       `db:"state_at"`
	Parameters     database.JSON       `db:"parameters"`
	JobVariables   database.JSON       `db:"job_variables"`
	Tags           database.Strings    `db:"tags"`
	ScheduledTime  database.Time       `db:"scheduled_time"`
	Timezone       string              `db:"timezone"`
	DueAt          database.Time       `db:"due_at"`
	CreatedAt      database.Time       `db:"created_at"`
	CreatedBy      string              `db:"created_by"`
	StartedAt      *database.Time      `db:"started_at"`
	EndedAt        *database.Time      `db:"ended_at"`
	Attempt        int32               `db:"attempt"`
	ExitCode       *int32              `db:"exit_code"`
	Category       lifecycle.Category  `db:"category"`
	IdempotencyKey *string             `db:"idempotency_key"`
	BodyHash       string              `db:"body_hash"`
}

func (r runRow) run() Run {
	run := Run{
		ID: r.ID, Name: r.Name, DeploymentID: r.DeploymentID, Deployment: r.Deployment, Pool: r.Pool, Queue: r.Queue,
		State: lifecycle.State{
			Type:    r.StateType,
			Name:    r.StateName,
			Message: r.StateMessage,
			At:      r.StateAt.Time(),
		},
		Parameters: r.Parameters.Raw(), JobVariables: r.JobVariables.Raw(), Tags: r.Tags.V,
		ScheduledTime: r.ScheduledTime.Time(), Timezone: r.Timezone, DueAt: r.DueAt.Time(), CreatedAt: r.CreatedAt.Time(), CreatedBy: r.CreatedBy,
		StartedAt: r.StartedAt.Ptr(), EndedAt: r.EndedAt.Ptr(), Attempt: r.Attempt, ExitCode: r.ExitCode, Category: r.Category,
	}
	if r.IdempotencyKey != nil {
		run.IdempotencyKey = *r.IdempotencyKey
	}
	return run
}

// runSQL reads a run with its state, wherever that is. It reads names by subqueries instead of joins: lists are planned
// at each execution, and this takes a third of the planning time. It also leaves the planner no join order to get wrong.
//
// Lists leave out parameters and job variables: a page of them could fill the memory of the server.
const (
	runSQL       = runColumns + ", r.parameters, r.job_variables" + fromRuns
	listedRunSQL = runColumns + fromRuns
	fromRuns     = "\nFROM runs r\n" + stateJoinsSQL
	runColumns   = `
SELECT
	r.id, r.name, r.deployment_id,
	(SELECT d.name FROM deployments d WHERE d.id = r.deployment_id) AS deployment,
	(SELECT p.name FROM pools p WHERE p.id = r.pool_id) AS pool,
	(SELECT q.name FROM queues q WHERE q.id = r.queue_id) AS queue,
	` + runStateTypeSQL + ` AS state_type,
	COALESCE(w.state_name, l.state_name, r.state_name) AS state_name,
	COALESCE(w.state_message, l.state_message, r.state_message) AS state_message,
	COALESCE(w.state_at, l.state_at, r.state_at) AS state_at,
	r.tags, r.scheduled_time, r.timezone, COALESCE(w.due_at, l.due_at, r.due_at) AS due_at, r.created_at, r.created_by,
	COALESCE(w.started_at, l.started_at, r.started_at) AS started_at, r.ended_at,
	COALESCE(w.attempt, l.number, r.attempt) AS attempt, r.exit_code, r.category, r.idempotency_key, r.body_hash`
)

// runStateTypeSQL is the state of a run; r has the last state only once the run has ended.
const runStateTypeSQL = "CASE WHEN w.run_id IS NOT NULL THEN 'SCHEDULED' ELSE COALESCE(l.state_type, r.state_type) END"

// stateJoinsSQL finds the current row of a run that has not ended: it is in one of the two tables.
const stateJoinsSQL = `LEFT JOIN ready w ON w.deployment_id = r.deployment_id AND w.run_id = r.id AND r.ended_at IS NULL
LEFT JOIN live l ON l.deployment_id = r.deployment_id AND l.run_id = r.id AND r.ended_at IS NULL`

// listedStatesSQL is stateJoinsSQL for a list. For some thousand runs, PostgreSQL would read all of ready and live, and
// sort the runs once more; so it may only look up each run.
func listedStatesSQL(d database.Dialect) string {
	if d == database.SQLite {
		return stateJoinsSQL
	}
	join := func(table, as string) string {
		return "LEFT JOIN LATERAL (\n\tSELECT * FROM " + table +
			" s WHERE s.deployment_id = r.deployment_id AND s.run_id = r.id AND r.ended_at IS NULL OFFSET 0\n) " + as + " ON TRUE"
	}
	return join("ready", "w") + "\n" + join("live", "l")
}

// GetRun returns a run.
func (q Reader) GetRun(ctx context.Context, id uuid.UUID) (*Run, error) {
	var row runRow
	if err := q.db.Get(ctx, &row, runSQL+" WHERE r.id = ?", id); err != nil {
		return nil, database.NotFoundError(err, "run %s", id)
	}
	run := row.run()
	return &run, nil
}

// CancelRun cancels a run. A run without an active attempt becomes CANCELLED at once, any other CANCELLING. A
// run that is already CANCELLING or CANCELLED is returned unchanged.
func (tx *Tx) CancelRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	runs, err := tx.cancelRuns(ctx, []uuid.UUID{id}, actor)
	if err != nil {
		return nil, err
	}
	r := runs[id]
	if r == nil {
		return nil, &Error{Code: NotFound, Message: fmt.Sprintf("run %s does not exist", id)}
	}
	if r.StateType.Terminal() && r.StateType != lifecycle.Cancelled {
		return nil, &Error{Code: RunFinished, Message: fmt.Sprintf("run %s has ended: %s", id, r.StateType)}
	}
	return tx.GetRun(ctx, id)
}

// CancelRun runs Tx.CancelRun in a transaction.
func (s *Store) CancelRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	return inTx(ctx, s, func(tx *Tx) (*Run, error) { return tx.CancelRun(ctx, id, actor) })
}

// cancelRuns cancels the runs that have not ended, on request of the actor.
func (tx *Tx) cancelRuns(
	ctx context.Context, ids []uuid.UUID, actor string,
) (map[uuid.UUID]*lockedRun, error) {
	runs, err := tx.lockRuns(ctx, ids)
	if err != nil {
		return nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		tx.cancel(r, lifecycle.CancelRequested, now, actor)
	}
	return runs, tx.saveRuns(ctx, runs)
}

// cancel moves a locked run to where a cancel takes it.
func (tx *Tx) cancel(r *lockedRun, reason lifecycle.CancelReason, now time.Time, actor string) {
	diagnosis := ""
	if r.attempt != nil {
		diagnosis = r.attempt.Diagnosis
	}
	state, ok := lifecycle.DecideCancel(r.StateType, reason, actor, diagnosis)
	if !ok {
		return
	}
	r.CancelReason = reason
	if state.Type == lifecycle.Failed {
		r.Category = lifecycle.Deadline
	}
	var attempt int32
	if state.Type == lifecycle.Cancelling {
		attempt = r.Attempt
	}
	r.DeadlineAt = nil
	r.move(state, now, actor, attempt)
	tx.db.Hint(PoolTopic(r.Pool))
}

const deploymentOfRunSQL = `
SELECT d.id, d.pool_id, d.queue_id, p.name AS pool, d.deleted_at IS NOT NULL AS gone
FROM deployments d
JOIN pools p ON p.id = d.pool_id
WHERE d.id = (SELECT deployment_id FROM runs WHERE id = ?)`

// RunRevision is what a run took over from its deployment when it was created.
type RunRevision struct {
	JobVariables json.RawMessage
	Parameters   json.RawMessage
	Version      string // that people gave; empty: none
	CreatedAt    time.Time
	CreatedBy    string
}

const runRevisionSQL = `
SELECT v.job_variables, v.parameters, v.version, v.created_at, v.created_by
FROM runs r
JOIN deployment_revisions v ON v.id = r.revision_id
WHERE r.id = ?`

// GetRunRevision returns the values of the deployment's revision that a run was created from.
func (q Reader) GetRunRevision(ctx context.Context, run uuid.UUID) (*RunRevision, error) {
	var row struct {
		JobVariables database.JSON `db:"job_variables"`
		Parameters   database.JSON `db:"parameters"`
		Version      string        `db:"version"`
		CreatedAt    database.Time `db:"created_at"`
		CreatedBy    string        `db:"created_by"`
	}
	if err := q.db.Get(ctx, &row, runRevisionSQL, run); err != nil {
		return nil, database.NotFoundError(err, "run %s", run)
	}
	return &RunRevision{
		JobVariables: row.JobVariables.Raw(), Parameters: row.Parameters.Raw(), Version: row.Version,
		CreatedAt: row.CreatedAt.Time(), CreatedBy: row.CreatedBy,
	}, nil
}

// RetryRun makes another attempt of a run that has ended, with fresh budgets and with the values that were
// fixed at its creation, in the pool and queue where its deployment is now. What is frozen when the attempt is
// claimed holds for it.
func (tx *Tx) RetryRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	var home runHome
	find := func() error {
		return database.NotFoundError(tx.db.Get(ctx, &home, deploymentOfRunSQL, id), "run %s", id)
	}
	if err := tx.enterDeployment(ctx, find, func() string { return home.Pool }); err != nil {
		return nil, err
	}
	if home.Gone {
		return nil, &Error{Code: Conflict, Message: fmt.Sprintf(
			"the deployment of run %s was deleted: restore the deployment first", id)}
	}
	if err := tx.retry(ctx, id, home, actor); err != nil {
		return nil, err
	}
	run, err := tx.GetRun(ctx, id)
	if err == nil {
		tx.db.HintTurns(PoolTopic(run.Pool), 1)
	}
	return run, err
}

// runHome is where the deployment of a run is now.
type runHome struct {
	ID      uuid.UUID `db:"id"`
	PoolID  uuid.UUID `db:"pool_id"`
	QueueID uuid.UUID `db:"queue_id"`
	Pool    string    `db:"pool"`
	Gone    bool      `db:"gone"`
}

func (tx *Tx) retry(ctx context.Context, id uuid.UUID, home runHome, actor string) error {
	runs, err := tx.lockRuns(ctx, []uuid.UUID{id})
	if err != nil {
		return err
	}
	r := runs[id]
	switch {
	case r == nil:
		return &Error{Code: NotFound, Message: fmt.Sprintf("run %s does not exist", id)}
	case !r.StateType.Terminal():
		return &Error{Code: RunNotFinished, Message: fmt.Sprintf("run %s has not ended: %s", id, r.StateType)}
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	r.CancelReason, r.Spent.V, r.ExitCode, r.Category = lifecycle.NotCancelled, lifecycle.RetriesUsed{}, nil, ""
	r.DueAt, r.StartDeadlineAt, r.TimeoutAt, r.Raised = database.Time(now), nil, nil, nil
	r.PoolID, r.QueueID = home.PoolID, home.QueueID
	r.move(lifecycle.State{Type: lifecycle.Scheduled, Name: "Scheduled", Message: "retried by " + actor},
		now, actor, 0)
	err = tx.saveRuns(ctx, runs)
	if database.IsCheckViolation(err) { // its partition is sealed
		return &Error{Code: NotFound, Message: fmt.Sprintf("run %s is older than the retention and is being removed", id)}
	}
	return err
}
