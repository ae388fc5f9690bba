package store

import (
	"context"
	"fmt"
	"reflect"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// UpsertDeployment creates a deployment or updates the one of that name, which stays paused or not. A
// deployment cannot move to another pool while it has unfinished runs.
func (tx *Tx) UpsertDeployment(ctx context.Context, d Deployment, actor string) (*Deployment, bool, error) {
	pool, queue, err := tx.lockPoolAndQueue(ctx, d.Pool, d.Queue)
	if err != nil {
		return nil, false, err
	}
	if err := tx.excludeClaimsForLimit(ctx, d); err != nil {
		return nil, false, err
	}
	current, err := tx.deploymentForChange(ctx, d.Name)
	created := IsCode(err, NotFound)
	if err != nil && !created {
		return nil, false, err
	}
	next := wanted(d, pool, queue)
	if created {
		err = tx.insertDeployment(ctx, next, actor)
	} else {
		err = tx.changeDeployment(ctx, current, next, actor)
	}
	if err != nil {
		return nil, false, err
	}
	if err := tx.deploymentPut(ctx, current, next, created, actor); err != nil {
		return nil, false, err
	}
	put, err := tx.GetDeployment(ctx, d.Name)
	return put, created, err
}

// excludeClaimsForLimit waits for the claims that know another limit of the deployment.
func (tx *Tx) excludeClaimsForLimit(ctx context.Context, d Deployment) error {
	current, err := tx.deployment(ctx, d.Name)
	if IsCode(err, NotFound) {
		return nil
	}
	if err != nil || reflect.DeepEqual(current.ConcurrencyLimit, d.ConcurrencyLimit) {
		return err
	}
	return tx.waitForPool(ctx, current.Pool, poolForChange)
}

const queueIDSQL = `
SELECT id
FROM queues
WHERE pool_id = ?
	AND name = ?
	AND deleted_at IS NULL`

// lockPoolAndQueue finds pool and queue and keeps the pool from being deleted until the transaction ends.
func (tx *Tx) lockPoolAndQueue(
	ctx context.Context, pool, queue string,
) (poolID, queueID uuid.UUID, err error) {
	p, err := tx.lockPoolRow(ctx, pool, poolForReference)
	if err != nil {
		return poolID, queueID, err
	}
	if queue == "" {
		queue = DefaultQueue
	}
	err = database.NotFoundError(tx.db.Get(ctx, &queueID, queueIDSQL, p.ID, queue),
		"queue %q of work pool %q", queue, pool)
	return p.ID, queueID, err
}

// wanted returns the row of a deployment with the values of d.
func wanted(d Deployment, pool, queue uuid.UUID) deploymentRow {
	row := deploymentRow{
		Name: d.Name, PoolID: pool, Pool: d.Pool, QueueID: queue, Queue: d.Queue, Description: d.Description, Tags: database.StringsOf(d.Tags),
		ConcurrencyLimit: d.ConcurrencyLimit, Paused: d.Paused,
		revisionRow: revisionRow{
			Version: d.Version, JobVariables: database.ObjectOrEmpty(d.JobVariables), Parameters: database.ObjectOrEmpty(d.Parameters),
			FrozenVariables: database.StringsOf(
				d.FrozenVariables), FrozenParameters: database.StringsOf(d.FrozenParameters),
			TimeoutUS: database.Microseconds(
				d.Timeout), StartDeadlineUS: database.Microseconds(d.StartDeadline),
		},
	}
	row.Retries.V = d.Retries
	if len(d.ParameterSchema) > 0 {
		row.ParameterSchema = database.JSON(d.ParameterSchema)
	}
	return row
}

const insertDeploymentSQL = `
INSERT INTO deployments (
	id, name, pool_id, queue_id, revision_id, description, tags, concurrency_limit, paused,
	created_at, created_by, updated_at, updated_by
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING`

func (tx *Tx) insertDeployment(ctx context.Context, row deploymentRow, actor string) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	id, revision, err := twoIDs()
	if err != nil {
		return err
	}
	n, err := tx.db.Exec(ctx, insertDeploymentSQL, id, row.Name, row.PoolID, row.QueueID, revision,
		row.Description, row.Tags, row.ConcurrencyLimit, row.Paused, now, actor, now, actor)
	if err != nil {
		return fmt.Errorf("create deployment %q: %w", row.Name, err)
	}
	if n == 0 {
		return &Error{
			Code:    Conflict,
			Message: fmt.Sprintf("deployment %q is being created by another request: try again", row.Name),
		}
	}
	return tx.insertRevision(ctx, id, revision, row.revisionRow, actor)
}

const insertRevisionSQL = `
INSERT INTO deployment_revisions (
	id, deployment_id, version, job_variables, parameters, parameter_schema, frozen_variables, frozen_parameters,
	retries, timeout_us, start_deadline_us, created_at, created_by
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (tx *Tx) insertRevision(
	ctx context.Context, deployment, id uuid.UUID, r revisionRow, actor string,
) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(ctx, insertRevisionSQL, id, deployment, r.Version, r.JobVariables, r.Parameters,
		r.ParameterSchema, r.FrozenVariables, r.FrozenParameters, r.Retries, r.TimeoutUS, r.StartDeadlineUS,
		now, actor)
	if err != nil {
		return fmt.Errorf("save a revision of the deployment: %w", err)
	}
	return nil
}

const updateDeploymentSQL = `
UPDATE deployments
SET pool_id = ?,
	queue_id = ?,
	revision_id = ?,
	description = ?,
	tags = ?,
	concurrency_limit = ?,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`

func (tx *Tx) changeDeployment(ctx context.Context, current, next deploymentRow, actor string) error {
	if next.PoolID != current.PoolID {
		if err := tx.refuseLive(ctx, current); err != nil {
			return err
		}
	}
	samePool := next.PoolID == current.PoolID // its template is what runs are validated against
	sameRevision := samePool && reflect.DeepEqual(current.revisionRow, next.revisionRow)
	if sameRevision && reflect.DeepEqual(current.mutable(), next.mutable()) {
		return nil
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	next.RevisionID = current.RevisionID
	if !sameRevision {
		if next.RevisionID, err = uuid.NewV7(); err != nil {
			return fmt.Errorf("generate an ID: %w", err)
		}
		if err := tx.insertRevision(ctx, current.ID, next.RevisionID, next.revisionRow, actor); err != nil {
			return err
		}
	}
	_, err = tx.db.Exec(ctx, updateDeploymentSQL, next.PoolID, next.QueueID, next.RevisionID,
		next.Description, next.Tags, next.ConcurrencyLimit, now, actor, current.ID)
	if err != nil {
		return fmt.Errorf("update deployment %q: %w", current.Name, err)
	}
	tx.db.Hint(PoolTopic(next.Pool)) // a limit may have been raised
	return nil
}

// mutable is what a deployment has beside its revision and its pause.
func (r deploymentRow) mutable() deploymentRow {
	return deploymentRow{
		PoolID: r.PoolID, QueueID: r.QueueID, Description: r.Description, Tags: r.Tags, ConcurrencyLimit: r.ConcurrencyLimit,
	}
}

// refuseLive refuses to move a deployment that has live runs to another pool: they count towards its limit
// there, and a claim locks one pool only.
func (tx *Tx) refuseLive(ctx context.Context, d deploymentRow) error {
	ids, err := tx.firstUnfinished(ctx, unfinishedOfDeployment(d.ID), 1)
	if err != nil || len(ids) == 0 {
		return err
	}
	return &Error{Code: DeploymentHasLiveRuns, Message: fmt.Sprintf(
		"deployment %q has unfinished runs in work pool %q: wait for them or cancel them before you move it",
		d.Name, d.Pool)}
}

func twoIDs() (a, b uuid.UUID, err error) {
	if a, err = uuid.NewV7(); err == nil {
		b, err = uuid.NewV7()
	}
	if err != nil {
		err = fmt.Errorf("generate an ID: %w", err)
	}
	return a, b, err
}
