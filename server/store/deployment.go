package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
)

type deploymentRow struct {
	ID               uuid.UUID `db:"id"`
	Name             string    `db:"name"`
	PoolID           uuid.UUID `db:"pool_id"`
	Pool             string    `db:"pool"`
	QueueID          uuid.UUID `db:"queue_id"`
	Queue            string    `db:"queue"`
	RevisionID       uuid.UUID `db:"revision_id"`
	Description      string    `db:"description"`
	Tags             texts     `db:"tags"`
	ConcurrencyLimit *int32    `db:"concurrency_limit"`
	Paused           bool      `db:"paused"`
	CreatedAt        stamp     `db:"created_at"`
	UpdatedAt        stamp     `db:"updated_at"`
	revisionRow
}

// revisionRow is what a run takes over from its deployment.
type revisionRow struct {
	Version          string                            `db:"version"`
	JobVariables     document                          `db:"job_variables"`
	Parameters       document                          `db:"parameters"`
	ParameterSchema  document                          `db:"parameter_schema"`
	FrozenVariables  texts                             `db:"frozen_variables"`
	FrozenParameters texts                             `db:"frozen_parameters"`
	Retries          structured[lifecycle.RetryPolicy] `db:"retries"`
	TimeoutUS        *int64                            `db:"timeout_us"`
	StartDeadlineUS  *int64                            `db:"start_deadline_us"`
}

func (r deploymentRow) deployment() Deployment {
	return Deployment{
		ID: r.ID, Name: r.Name, Pool: r.Pool, Queue: r.Queue, Version: r.Version, Description: r.Description, Tags: r.Tags.v,
		JobVariables: r.JobVariables.raw(), Parameters: r.Parameters.raw(), ParameterSchema: r.ParameterSchema.raw(),
		FrozenVariables: r.FrozenVariables.v, FrozenParameters: r.FrozenParameters.v, ConcurrencyLimit: r.ConcurrencyLimit,
		Timeout: duration(r.TimeoutUS), StartDeadline: duration(r.StartDeadlineUS), Retries: r.Retries.v, Paused: r.Paused,
		CreatedAt: r.CreatedAt.time(), UpdatedAt: r.UpdatedAt.time(),
	}
}

const deploymentSQL = `
SELECT
	d.id, d.name, d.pool_id, p.name AS pool, d.queue_id, q.name AS queue, d.revision_id, d.description, d.tags,
	d.concurrency_limit, d.paused, d.created_at, d.updated_at,
	v.version, v.job_variables, v.parameters, v.parameter_schema, v.frozen_variables, v.frozen_parameters, v.retries,
	v.timeout_us, v.start_deadline_us
FROM deployments d
JOIN pools p ON p.id = d.pool_id
JOIN queues q ON q.id = d.queue_id
JOIN deployment_revisions v ON v.id = d.revision_id
WHERE d.deleted_at IS NULL`

// GetDeployment returns a deployment by name.
func (tx *Tx) GetDeployment(ctx context.Context, name string) (*Deployment, error) {
	row, err := tx.deployment(ctx, name, "")
	if err != nil {
		return nil, err
	}
	d := row.deployment()
	return &d, nil
}

// How a deployment's row is locked: creating a run excludes changes and a delete, not other runs.
const (
	deploymentForRun    = "FOR SHARE"
	deploymentForChange = "FOR NO KEY UPDATE"
)

const deploymentIDSQL = `
SELECT id
FROM deployments
WHERE name = ?
	AND deleted_at IS NULL`

// deployment reads a deployment's row, locked as given ("" not at all). The lock comes first, by itself: a locking
// join would lose the row when a change that it waited for has given the deployment another revision.
func (tx *Tx) deployment(ctx context.Context, name, lock string) (deploymentRow, error) {
	var row deploymentRow
	if lock != "" {
		var id uuid.UUID
		if err := tx.get(ctx, &id, deploymentIDSQL+tx.s.dialect.lock(lock), name); err != nil {
			return row, found(err, "deployment %q", name)
		}
	}
	err := tx.get(ctx, &row, deploymentSQL+" AND d.name = ?", name)
	return row, found(err, "deployment %q", name)
}

// ListDeployments lists the deployments of a pool, or of all pools for "", by name.
func (tx *Tx) ListDeployments(ctx context.Context, pool string, page Page) ([]Deployment, string, error) {
	after, err := page.after("deployment")
	if err != nil {
		return nil, "", err
	}
	query, args := deploymentSQL, []any{}
	if pool != "" {
		id, err := tx.poolRef(ctx, pool)
		if err != nil {
			return nil, "", err
		}
		query, args = query+" AND d.pool_id = ?", append(args, id)
	}
	var rows []deploymentRow
	if err := tx.all(ctx, &rows, query+" AND d.name > ? ORDER BY d.name LIMIT ?", append(args, after, page.size()+1)...); err != nil {
		return nil, "", fmt.Errorf("list deployments: %w", err)
	}
	rows, next := paged(rows, page, "deployment", func(r deploymentRow) string { return r.Name })
	deployments := make([]Deployment, len(rows))
	for i, r := range rows {
		deployments[i] = r.deployment()
	}
	return deployments, next, nil
}

// PutDeployment creates a deployment, or brings the one of that name to what is given; that one stays paused or not. It
// can not move to another pool while it has runs that are not finished.
func (tx *Tx) PutDeployment(ctx context.Context, d Deployment, actor string) (*Deployment, bool, error) {
	pool, queue, err := tx.lane(ctx, d.Pool, d.Queue)
	if err != nil {
		return nil, false, err
	}
	current, err := tx.deployment(ctx, d.Name, deploymentForChange)
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
	put, err := tx.GetDeployment(ctx, d.Name)
	return put, created, err
}

const queueIDSQL = `
SELECT id
FROM queues
WHERE pool_id = ?
	AND name = ?`

// lane finds pool and queue and keeps the pool from being deleted until the transaction ends.
func (tx *Tx) lane(ctx context.Context, pool, queue string) (poolID, queueID uuid.UUID, err error) {
	p, err := tx.lockPool(ctx, pool, poolForReference)
	if err != nil {
		return poolID, queueID, err
	}
	if queue == "" {
		queue = DefaultQueue
	}
	err = found(tx.get(ctx, &queueID, queueIDSQL, p.ID, queue), "queue %q of work pool %q", queue, pool)
	return p.ID, queueID, err
}

// wanted is the row of a deployment as given.
func wanted(d Deployment, pool, queue uuid.UUID) deploymentRow {
	row := deploymentRow{
		Name: d.Name, PoolID: pool, Pool: d.Pool, QueueID: queue, Description: d.Description, Tags: textsOf(d.Tags),
		ConcurrencyLimit: d.ConcurrencyLimit, Paused: d.Paused,
		revisionRow: revisionRow{
			Version: d.Version, JobVariables: object(d.JobVariables), Parameters: object(d.Parameters),
			FrozenVariables: textsOf(d.FrozenVariables), FrozenParameters: textsOf(d.FrozenParameters),
			TimeoutUS: microseconds(d.Timeout), StartDeadlineUS: microseconds(d.StartDeadline),
		},
	}
	row.Retries.v = d.Retries
	if len(d.ParameterSchema) > 0 {
		row.ParameterSchema = document(d.ParameterSchema)
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
	now, err := tx.now(ctx)
	if err != nil {
		return err
	}
	id, revision, err := twoIDs()
	if err != nil {
		return err
	}
	n, err := tx.exec(ctx, insertDeploymentSQL, id, row.Name, row.PoolID, row.QueueID, revision, row.Description, row.Tags,
		row.ConcurrencyLimit, row.Paused, now, actor, now, actor)
	if err != nil {
		return fmt.Errorf("create deployment %q: %w", row.Name, err)
	}
	if n == 0 {
		return &Error{Code: Conflict, Message: fmt.Sprintf("somebody else is creating deployment %q: try again", row.Name)}
	}
	return tx.insertRevision(ctx, id, revision, row.revisionRow, actor)
}

const insertRevisionSQL = `
INSERT INTO deployment_revisions (
	id, deployment_id, version, job_variables, parameters, parameter_schema, frozen_variables, frozen_parameters,
	retries, timeout_us, start_deadline_us, created_at, created_by
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func (tx *Tx) insertRevision(ctx context.Context, deployment, id uuid.UUID, r revisionRow, actor string) error {
	now, err := tx.now(ctx)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, insertRevisionSQL, id, deployment, r.Version, r.JobVariables, r.Parameters, r.ParameterSchema,
		r.FrozenVariables, r.FrozenParameters, r.Retries, r.TimeoutUS, r.StartDeadlineUS, now, actor)
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
	sameRevision := reflect.DeepEqual(current.revisionRow, next.revisionRow)
	if sameRevision && reflect.DeepEqual(current.mutable(), next.mutable()) {
		return nil
	}
	now, err := tx.now(ctx)
	if err != nil {
		return err
	}
	next.RevisionID = current.RevisionID
	if !sameRevision {
		if next.RevisionID, err = uuid.NewV7(); err != nil {
			return fmt.Errorf("make an id: %w", err)
		}
		if err := tx.insertRevision(ctx, current.ID, next.RevisionID, next.revisionRow, actor); err != nil {
			return err
		}
	}
	_, err = tx.exec(ctx, updateDeploymentSQL, next.PoolID, next.QueueID, next.RevisionID, next.Description, next.Tags,
		next.ConcurrencyLimit, now, actor, current.ID)
	if err != nil {
		return fmt.Errorf("update deployment %q: %w", current.Name, err)
	}
	tx.hint(PoolTopic(next.Pool)) // a limit may have been raised
	return nil
}

// mutable is what a deployment has beside its revision and its pause.
func (r deploymentRow) mutable() deploymentRow {
	return deploymentRow{
		PoolID: r.PoolID, QueueID: r.QueueID, Description: r.Description, Tags: r.Tags, ConcurrencyLimit: r.ConcurrencyLimit,
	}
}

const liveRunsOfDeploymentSQL = `
SELECT id
FROM runs
WHERE deployment_id = ?
	AND ended_at IS NULL`

// refuseLive refuses to move a deployment that has live runs to another pool: they count towards its limit there, and
// a claim locks one pool only.
func (tx *Tx) refuseLive(ctx context.Context, d deploymentRow) error {
	var id uuid.UUID
	err := tx.get(ctx, &id, liveRunsOfDeploymentSQL+" LIMIT 1", d.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for runs of deployment %q: %w", d.Name, err)
	}
	return &Error{Code: DeploymentHasLiveRuns, Message: fmt.Sprintf(
		"deployment %q has runs in work pool %q that are not finished: wait for them or cancel them before it moves", d.Name, d.Pool)}
}

const pauseDeploymentSQL = `
UPDATE deployments
SET paused = ?,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`

// SetDeploymentPaused pauses or resumes a deployment: paused, its runs are not claimed.
func (tx *Tx) SetDeploymentPaused(ctx context.Context, name string, paused bool, actor string) (*Deployment, error) {
	row, err := tx.deployment(ctx, name, deploymentForChange)
	if err != nil {
		return nil, err
	}
	now, err := tx.now(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.exec(ctx, pauseDeploymentSQL, paused, now, actor, row.ID); err != nil {
		return nil, fmt.Errorf("pause deployment %q: %w", name, err)
	}
	tx.hint(PoolTopic(row.Pool))
	return tx.GetDeployment(ctx, name)
}

const markDeploymentDeletedSQL = `
UPDATE deployments
SET deleted_at = ?,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`

// DeleteDeployment deletes a deployment with its runs, under the rules of DeletePool.
func (tx *Tx) DeleteDeployment(ctx context.Context, name string, force bool, actor string) error {
	row, err := tx.deployment(ctx, name, deploymentForChange)
	if err != nil {
		return err
	}
	now, err := tx.now(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, markDeploymentDeletedSQL, now, now, actor, row.ID); err != nil {
		return fmt.Errorf("delete deployment %q: %w", name, err)
	}
	return tx.cancelLive(ctx, force, actor, &Error{Code: DeploymentHasLiveRuns, Message: fmt.Sprintf("deployment %q has runs that are not finished", name)},
		liveRunsOfDeploymentSQL, row.ID)
}

func twoIDs() (a, b uuid.UUID, err error) {
	if a, err = uuid.NewV7(); err == nil {
		b, err = uuid.NewV7()
	}
	if err != nil {
		err = fmt.Errorf("make an id: %w", err)
	}
	return a, b, err
}
