package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

type deploymentRow struct {
	ID               uuid.UUID                   `db:"id"`
	Name             string                      `db:"name"`
	PoolID           uuid.UUID                   `db:"pool_id"`
	Pool             string                      `db:"pool"`
	QueueID          uuid.UUID                   `db:"queue_id"`
	Queue            string                      `db:"queue"`
	RevisionID       uuid.UUID                   `db:"revision_id"`
	Description      string                      `db:"description"`
	Tags             database.Strings            `db:"tags"`
	ConcurrencyLimit *int32                      `db:"concurrency_limit"`
	Paused           bool                        `db:"paused"`
	Pause            database.Structured[*Pause] `db:"pause"`
	Project          string                      `db:"project"`
	CreatedAt        database.Time               `db:"created_at"`
	UpdatedAt        database.Time               `db:"updated_at"`
	revisionRow
}

// revisionRow is what a run takes over from its deployment.
type revisionRow struct {
	Version          string                                     `db:"version"`
	JobVariables     database.JSON                              `db:"job_variables"`
	Parameters       database.JSON                              `db:"parameters"`
	ParameterSchema  database.JSON                              `db:"parameter_schema"`
	FrozenVariables  database.Strings                           `db:"frozen_variables"`
	FrozenParameters database.Strings                           `db:"frozen_parameters"`
	Retries          database.Structured[lifecycle.RetryPolicy] `db:"retries"`
	TimeoutUS        *int64                                     `db:"timeout_us"`
	StartDeadlineUS  *int64                                     `db:"start_deadline_us"`
}

func (r deploymentRow) deployment() Deployment {
	return Deployment{
		ID: r.ID, Name: r.Name, Pool: r.Pool, Queue: r.Queue, Version: r.Version, Description: r.Description, Tags: r.Tags.V,
		JobVariables: r.JobVariables.Raw(), Parameters: r.Parameters.Raw(), ParameterSchema: r.ParameterSchema.Raw(),
		FrozenVariables: r.FrozenVariables.V, FrozenParameters: r.FrozenParameters.V, ConcurrencyLimit: r.ConcurrencyLimit,
		Timeout: database.Duration(r.TimeoutUS), StartDeadline: database.Duration(r.StartDeadlineUS),
		Retries: r.Retries.V, Paused: r.Paused, Pause: r.Pause.V, Project: r.Project,
		CreatedAt: r.CreatedAt.Time(), UpdatedAt: r.UpdatedAt.Time(), Revision: r.RevisionID,
	}
}

// Lists leave out job variables, parameters and their schema: a page of them could fill the memory of the server.
const (
	deploymentSQL       = deploymentColumns + ", v.job_variables, v.parameters, v.parameter_schema" + fromDeployments
	listedDeploymentSQL = deploymentColumns + fromDeployments
	deploymentColumns   = `
SELECT
	d.id, d.name, d.pool_id, p.name AS pool, d.queue_id, q.name AS queue, d.revision_id, d.description, d.tags,
	d.concurrency_limit, d.paused, d.pause, COALESCE(d.project, '') AS project, d.created_at, d.updated_at,
	v.version, v.frozen_variables, v.frozen_parameters, v.retries, v.timeout_us, v.start_deadline_us`
	fromDeployments = `
FROM deployments d
JOIN pools p ON p.id = d.pool_id
JOIN queues q ON q.id = d.queue_id
JOIN deployment_revisions v ON v.id = d.revision_id
WHERE d.deleted_at IS NULL`
)

// GetDeployment returns a deployment by name.
func (q Reader) GetDeployment(ctx context.Context, name string) (*Deployment, error) {
	row, err := q.deployment(ctx, name)
	if err != nil {
		return nil, err
	}
	d := row.deployment()
	return &d, nil
}

// LockDeployment is GetDeployment with a lock against other changes until the transaction ends.
func (tx *Tx) LockDeployment(ctx context.Context, name string) (*Deployment, error) {
	row, err := tx.deploymentForChange(ctx, name)
	if err != nil {
		return nil, err
	}
	d := row.deployment()
	return &d, nil
}

// runsLock is the first key of the advisory locks between transactions that create runs and transactions that change
// deployments: "runs" in ASCII. The second is the hash of the pool's name. A row lock that many share would be written with each run.
const runsLock = 0x72756e73

// enterDeployment finds a deployment and keeps the deployments of its pool from changes until the transaction ends.
func (tx *Tx) enterDeployment(ctx context.Context, find func() error, pool func() string) error {
	if err := find(); err != nil || tx.db.Dialect() == database.SQLite {
		return err
	}
	for {
		entered := pool()
		var one int
		if err := tx.db.Get(ctx, &one, sharedPoolLockSQL, runsLock, entered); err != nil {
			return fmt.Errorf("wait for changes in work pool %q: %w", entered, err)
		}
		// It is read again behind the lock, and may have moved to another pool before.
		if err := find(); err != nil || pool() == entered {
			return err
		}
	}
}

// excludeRuns keeps runs of a pool's deployments from being created until the transaction ends. It waits for the
// transactions that create some.
func (tx *Tx) excludeRuns(ctx context.Context, pool string) error {
	if tx.db.Dialect() == database.SQLite {
		return nil
	}
	var one int
	if err := tx.db.Get(ctx, &one, exclusivePoolLockSQL, runsLock, pool); err != nil {
		return fmt.Errorf("wait for the runs that are created in work pool %q: %w", pool, err)
	}
	return nil
}

const (
	lockDeploymentSQL = `
SELECT id
FROM deployments
WHERE name = ?
	AND deleted_at IS NULL`
	poolOfDeploymentSQL = `
SELECT p.name
FROM deployments d
JOIN pools p ON p.id = d.pool_id
WHERE d.name = ?
	AND d.deleted_at IS NULL`
)

// deployment reads a deployment's row.
func (q Reader) deployment(ctx context.Context, name string) (deploymentRow, error) {
	var row deploymentRow
	err := q.db.Get(ctx, &row, deploymentSQL+" AND d.name = ?", name)
	return row, database.NotFoundError(err, "deployment %q", name)
}

// deploymentForRun reads the row of a deployment of which runs are created.
func (tx *Tx) deploymentForRun(ctx context.Context, name string) (row deploymentRow, err error) {
	find := func() (err error) {
		row, err = tx.deployment(ctx, name)
		return err
	}
	return row, tx.enterDeployment(ctx, find, func() string { return row.Pool })
}

// excludeClaimsOf waits for the claims in the pool of a deployment and keeps others out until the transaction ends, as a
// limit or a pause requires. It comes before deploymentForChange.
func (tx *Tx) excludeClaimsOf(ctx context.Context, deployment string) error {
	var pool string
	if err := tx.db.Get(ctx, &pool, poolOfDeploymentSQL, deployment); err != nil {
		return database.NotFoundError(err, "deployment %q", deployment)
	}
	return tx.waitForPool(ctx, pool, poolForChange)
}

// deploymentForChange reads the row of a deployment that is changed, and locks it. The lock is a statement by itself: a
// locking join would lose the row if a change that it waited for created another revision.
func (tx *Tx) deploymentForChange(ctx context.Context, name string) (deploymentRow, error) {
	var pool string
	if err := tx.db.Get(ctx, &pool, poolOfDeploymentSQL, name); err != nil {
		return deploymentRow{}, database.NotFoundError(err, "deployment %q", name)
	}
	if err := tx.excludeRuns(ctx, pool); err != nil {
		return deploymentRow{}, err
	}
	var id uuid.UUID
	if err := tx.db.Get(ctx, &id, lockDeploymentSQL+tx.db.Dialect().Lock("FOR NO KEY UPDATE"), name); err != nil {
		return deploymentRow{}, database.NotFoundError(err, "deployment %q", name)
	}
	row, err := tx.deployment(ctx, name)
	if err == nil && row.Pool != pool {
		err = tx.excludeRuns(ctx, row.Pool)
	}
	return row, err
}

// DeploymentFilter narrows a list of deployments; empty fields do not.
type DeploymentFilter struct {
	Pool   string
	Pools  []string // any of these, beside Pool; nil: all
	Queue  string
	Tags   []string // all of them
	Paused *bool
	// Failing: its newest run that was not cancelled and has ended has failed or crashed.
	Failing *bool
	Text    string // in name or description, whatever its case
	// WithValues also reads job variables, parameters and their schema. The caller reads small pages.
	WithValues bool
}

// ListDeployments lists the deployments that match the filter, by name. As ListRuns, it looks at a limited number of
// deployments: a page may not be full, and has a cursor.
func (q Reader) ListDeployments(
	ctx context.Context, f DeploymentFilter, page Page,
) ([]Deployment, string, error) {
	after, err := page.After("deployment")
	if err != nil {
		return nil, "", err
	}
	served, order, err := q.deploymentIndex(ctx, f, after)
	if err != nil {
		return nil, "", err
	}
	rest := q.deploymentFilter(f)
	query, next := listedDeploymentSQL, ""
	if f.WithValues {
		query = deploymentSQL
	}
	if len(rest.where) > 0 {
		var ids []uuid.UUID
		if ids, next, err = q.deploymentsAmong(ctx, served, order, rest, page.Size()+1); err != nil {
			return nil, "", err
		}
		served = conditions{}
		order = "d.name"
		served.add("d.id IN "+q.db.Dialect().List("uuid"), database.ListOf(ids))
	}
	var rows []deploymentRow
	query += " AND " + strings.Join(served.where, " AND ") + " ORDER BY " + order + " LIMIT ?"
	if err := q.db.All(ctx, &rows, query, append(served.args, page.Size()+1)...); err != nil {
		return nil, "", fmt.Errorf("list deployments: %w", err)
	}
	rows, cut := database.CutPage(rows, page, "deployment", func(r deploymentRow) string { return r.Name })
	deployments := make([]Deployment, len(rows))
	for i, r := range rows {
		deployments[i] = r.deployment()
	}
	return deployments, cmp.Or(cut, next), nil
}

const (
	deploymentWindowSQL = `
FROM (
	SELECT *
	FROM deployments d
	WHERE d.deleted_at IS NULL
		AND %s
	ORDER BY %s
	LIMIT ?
) AS d`
	deploymentsAmongSQL = `
SELECT d.id` + deploymentWindowSQL + `
JOIN queues q ON q.id = d.queue_id%s
ORDER BY d.name
LIMIT ?`
	lastDeploymentSQL = `
SELECT d.name` + deploymentWindowSQL + `
ORDER BY d.name
LIMIT 1
OFFSET ?`
)

// deploymentsAmong finds deployments among the first of an index. It returns a cursor where fewer match, and there are
// more in the index.
func (q Reader) deploymentsAmong(
	ctx context.Context, served conditions, order string, rest conditions, size int,
) (ids []uuid.UUID, next string, err error) {
	ids = []uuid.UUID{}
	where := strings.Join(served.where, " AND ")
	most := q.s.searched
	args := append(append(slices.Clone(served.args), most), append(rest.args, size)...)
	if err := q.db.All(ctx, &ids, fmt.Sprintf(deploymentsAmongSQL, where, order, rest.sql()), args...); err != nil {
		return nil, "", fmt.Errorf("search deployments: %w", err)
	}
	if len(ids) >= size {
		return ids, "", nil
	}
	var last string
	err = q.db.Get(ctx, &last, fmt.Sprintf(lastDeploymentSQL, where, order), append(slices.Clone(served.args), most, most-1)...)
	switch {
	case errors.Is(err, database.ErrNoRows):
		return ids, "", nil
	case err != nil:
		return nil, "", fmt.Errorf("find how far deployments were searched: %w", err)
	}
	return ids, database.NewCursor("deployment", last), nil
}

// deploymentIndex returns the conditions that choose from an index, and its order.
func (q Reader) deploymentIndex(
	ctx context.Context, f DeploymentFilter, after string,
) (c conditions, order string, err error) {
	c.add("d.name > ?", after)
	if f.Pools != nil { // a page must not look empty to a key for few of many pools
		c.add("d.pool_id IN (SELECT id FROM pools WHERE deleted_at IS NULL AND name IN "+q.db.Dialect().List("text")+")",
			database.ListOf(f.Pools))
	}
	if f.Pool == "" {
		return c, "d.name", nil
	}
	id, err := q.poolRef(ctx, f.Pool)
	c.add(q.db.Dialect().Leading("d.pool_id", "uuid"), id)
	return c, "d.pool_id, d.name", err
}

const (
	// endedRunsLookedAt is among how many newest runs of a deployment the last one that ended is looked for.
	endedRunsLookedAt = 200
	// lastRunFailedSQL reports whether the last run of deployment d has failed. Served by runs_deployment, mostly with one row.
	lastRunFailedSQL = `
COALESCE((
	SELECT r.state_type IN ('FAILED', 'CRASHED')
	FROM (
		SELECT n.id, n.state_type, n.ended_at
		FROM runs n
		WHERE n.deployment_id = d.id
		ORDER BY n.id DESC
		LIMIT ?
	) AS r
	WHERE r.ended_at IS NOT NULL AND r.state_type <> 'CANCELLED'
	ORDER BY r.id DESC
	LIMIT 1
), FALSE)`
)

// deploymentFilter returns the conditions that no index serves.
func (q Reader) deploymentFilter(f DeploymentFilter) conditions {
	var c conditions
	if f.Queue != "" {
		c.add("q.name = ?", f.Queue)
	}
	for _, tag := range f.Tags {
		c.add(q.db.Dialect().Contains("d.tags"), tag)
	}
	if f.Paused != nil {
		c.add("d.paused = ?", *f.Paused)
	}
	if f.Failing != nil {
		c.add(lastRunFailedSQL+" = ?", endedRunsLookedAt, *f.Failing)
	}
	if f.Text != "" {
		pattern := contains(f.Text)
		c.add(`(LOWER(d.name) LIKE ? ESCAPE '\' OR LOWER(d.description) LIKE ? ESCAPE '\')`, pattern, pattern)
	}
	return c
}

const pauseDeploymentSQL = `
UPDATE deployments
SET paused = ?,
	pause = ?,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`

// UpdateDeploymentPaused pauses or resumes a deployment: paused, its runs are not claimed and its schedules
// rest.
func (tx *Tx) UpdateDeploymentPaused(
	ctx context.Context, name string, c PauseChange, actor string,
) (*Deployment, error) {
	if err := tx.excludeClaimsOf(ctx, name); err != nil {
		return nil, err
	}
	row, err := tx.deploymentForChange(ctx, name)
	if err != nil {
		return nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	after := c.over(row.Pause.V, actor, now)
	pause, err := pauseText(after)
	if err != nil {
		return nil, err
	}
	if _, err := tx.db.Exec(ctx, pauseDeploymentSQL, c.Paused, pause, now, actor, row.ID); err != nil {
		return nil, fmt.Errorf("pause deployment %q: %w", name, err)
	}
	if err := tx.pauseSchedules(ctx, row.ID, c.Paused, now); err != nil {
		return nil, err
	}
	if before := row.Pause.V; before != nil && !c.Paused {
		if err := tx.addGaps(ctx, row.ID, pausedGap(before, now)); err != nil {
			return nil, err
		}
	}
	tx.db.Hint(PoolTopic(row.Pool))
	if err := tx.deploymentPaused(ctx, row, after, actor); err != nil {
		return nil, err
	}
	return tx.GetDeployment(ctx, name)
}

const markDeploymentDeletedSQL = `
UPDATE deployments
SET deleted_at = ?,
	kept = ?,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`

// DeleteDeployment deletes a deployment with its runs, under the rules of DeletePool.
func (tx *Tx) DeleteDeployment(ctx context.Context, name string, o DeleteOptions, actor string) error {
	row, err := tx.deploymentForChange(ctx, name)
	if err != nil {
		return err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.db.Exec(ctx, markDeploymentDeletedSQL, now, !o.Permanently, now, actor, row.ID); err != nil {
		return fmt.Errorf("delete deployment %q: %w", name, err)
	}
	refusal := &Error{
		Code: DeploymentHasLiveRuns, Message: fmt.Sprintf("deployment %q has unfinished runs", name),
	}
	if err := tx.cancelUnfinished(ctx, o.Force, actor, refusal, unfinishedOfDeployment(row.ID)); err != nil {
		return err
	}
	if err := tx.pauseSchedules(ctx, row.ID, true, now); err != nil {
		return err
	}
	if !o.Permanently {
		item := DeletedItem{
			Kind: DeletedDeployment, Name: name, Pool: row.Pool, poolID: &row.PoolID, objectID: &row.ID,
		}
		if err := tx.keepDeleted(ctx, item, actor); err != nil {
			return err
		}
	}
	return tx.deleted(ctx, AuditDeployment, name, row.Pool, deletion{DeleteOptions: o}, actor)
}
