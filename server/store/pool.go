package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// DefaultQueue is the queue that every pool has.
const DefaultQueue = "default"

type poolRow struct {
	ID               uuid.UUID                   `db:"id"`
	Name             string                      `db:"name"`
	Type             string                      `db:"type"`
	Description      string                      `db:"description"`
	ConcurrencyLimit *int32                      `db:"concurrency_limit"`
	Paused           bool                        `db:"paused"`
	Pause            database.Structured[*Pause] `db:"pause"`
	TemplateVersion  int32                       `db:"template_version"`
	CreatedAt        database.Time               `db:"created_at"`
	UpdatedAt        database.Time               `db:"updated_at"`
	SlotsUsed        int32                       `db:"slots_used"`
	Project          string                      `db:"project"`
	// RunTokenAudiences is empty for NULL.
	RunTokenAudiences database.Strings `db:"run_token_audiences"`
	References        *string          `db:"allowed_references"`
	Approvals         *string          `db:"approval_policy"`
	OpenApprovals     int32            `db:"open_approvals"`
}

func (r poolRow) pool() Pool {
	return Pool{
		ID: r.ID, Name: r.Name, Type: r.Type, Description: r.Description, ConcurrencyLimit: r.ConcurrencyLimit,
		Paused: r.Paused, Pause: r.Pause.V, TemplateVersion: r.TemplateVersion, SlotsUsed: r.SlotsUsed, Project: r.Project,
		RunTokenAudiences: r.RunTokenAudiences.V,
		References:        rawOrNil(r.References),
		Approvals:         readPolicy(r.Approvals),
		OpenApprovals:     r.OpenApprovals,
		CreatedAt:         r.CreatedAt.Time(), UpdatedAt: r.UpdatedAt.Time(),
	}
}

const poolSQL = `
SELECT
	p.id, p.name, p.type, p.description, p.concurrency_limit, p.paused, p.pause, p.template_version, p.created_at, p.updated_at,
	COALESCE(p.project, '') AS project, p.run_token_audiences, p.allowed_references, p.approval_policy,
	(SELECT COUNT(*) FROM approvals o WHERE o.pool_id = p.id AND o.state = 'open') AS open_approvals,
	(SELECT COUNT(*) FROM live l WHERE l.pool_id = p.id) AS slots_used
FROM pools p
WHERE p.deleted_at IS NULL`

// GetPool returns a pool by name.
func (q Reader) GetPool(ctx context.Context, name string) (*Pool, error) {
	var row poolRow
	if err := q.db.Get(ctx, &row, poolSQL+" AND p.name = ?", name); err != nil {
		return nil, database.NotFoundError(err, "work pool %q", name)
	}
	p := row.pool()
	return &p, nil
}

// ListPools lists pools by name, all of them for nil names. The cursor contains only names of listed pools.
func (q Reader) ListPools(ctx context.Context, names []string, page Page) ([]Pool, string, error) {
	after, err := page.After("pool")
	if err != nil {
		return nil, "", err
	}
	query, args := poolSQL+" AND p.name > ?", []any{after}
	if names != nil {
		query, args = query+" AND p.name IN "+q.db.Dialect().
			List("text"),
			append(args, database.ListOf(names))
	}
	var rows []poolRow
	if err := q.db.All(ctx, &rows, query+" ORDER BY p.name LIMIT ?", append(args, page.Size()+1)...); err != nil {
		return nil, "", fmt.Errorf("list work pools: %w", err)
	}
	rows, next := database.CutPage(rows, page, "pool", func(r poolRow) string { return r.Name })
	pools := make([]Pool, len(rows))
	for i, r := range rows {
		pools[i] = r.pool()
	}
	return pools, next, nil
}

const insertPoolSQL = `
INSERT INTO pools (
	id, name, type, description, concurrency_limit, paused, pause, run_token_audiences, allowed_references, approval_policy,
	template_version, created_at, created_by, updated_at, updated_by
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)
ON CONFLICT DO NOTHING`

// CreatePool creates a pool with its default queue and its first template version.
func (tx *Tx) CreatePool(ctx context.Context, p NewPool, actor string) (*Pool, error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("generate an ID: %w", err)
	}
	policy, err := policyText(p.Approvals)
	if err != nil {
		return nil, err
	}
	pause, err := pauseText(PauseChange{Paused: p.Paused}.over(nil, actor, now))
	if err != nil {
		return nil, err
	}
	n, err := tx.db.Exec(ctx, insertPoolSQL, id, p.Name, p.Type, p.Description, p.ConcurrencyLimit, p.Paused, pause,
		database.StringsOf(p.RunTokenAudiences), textOrNil(p.References), policy, now, actor, now, actor)
	if err != nil {
		return nil, fmt.Errorf("create work pool %q: %w", p.Name, err)
	}
	if n == 0 {
		return nil, &Error{Code: AlreadyExists, Message: fmt.Sprintf("work pool %q already exists", p.Name)}
	}
	if err := tx.lapseKeys(ctx, p.Name, actor); err != nil {
		return nil, err
	}
	if _, err := tx.addQueue(ctx, Queue{Pool: p.Name, Name: DefaultQueue, Priority: 1}, actor); err != nil {
		return nil, err
	}
	saved, err := tx.saveTemplate(ctx, p.Name, p.Template, nil, actor)
	if err != nil {
		return nil, err
	}
	if err := tx.poolCreated(ctx, p, saved, actor); err != nil {
		return nil, err
	}
	return tx.GetPool(ctx, p.Name)
}

// CreatePool runs Tx.CreatePool in a transaction.
func (s *Store) CreatePool(ctx context.Context, p NewPool, actor string) (*Pool, error) {
	return inTx(ctx, s, func(tx *Tx) (*Pool, error) { return tx.CreatePool(ctx, p, actor) })
}

const updatePoolSQL = `
UPDATE pools
SET description = ?,
	concurrency_limit = ?,
	paused = ?,
	pause = ?,
	run_token_audiences = ?,
	allowed_references = ?,
	approval_policy = ?,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`

// UpdatePool changes the fields of c that are set.
func (tx *Tx) UpdatePool(ctx context.Context, name string, c PoolUpdate, actor string) (*Pool, error) {
	if _, err := tx.lockPoolRow(ctx, name, poolForChange); err != nil {
		return nil, err
	}
	p, err := tx.GetPool(ctx, name)
	if err != nil {
		return nil, err
	}
	before := *p
	if c.Description != nil {
		p.Description = *c.Description
	}
	if c.ConcurrencyLimit != nil {
		p.ConcurrencyLimit = c.ConcurrencyLimit
	}
	if c.NoConcurrencyLimit {
		p.ConcurrencyLimit = nil
	}
	if c.RunTokenAudiences != nil {
		p.RunTokenAudiences = *c.RunTokenAudiences
	}
	if c.References != nil {
		p.References = c.References
	}
	if c.Approvals != nil {
		p.Approvals = *c.Approvals
	}
	if p.UpdatedAt, err = tx.db.Now(ctx); err != nil {
		return nil, err
	}
	if c.Pause != nil {
		p.Paused, p.Pause = c.Pause.Paused, c.Pause.over(p.Pause, actor, p.UpdatedAt)
	}
	pause, err := pauseText(p.Pause)
	if err != nil {
		return nil, err
	}
	policy, err := policyText(p.Approvals)
	if err != nil {
		return nil, err
	}
	_, err = tx.db.Exec(ctx, updatePoolSQL, p.Description, p.ConcurrencyLimit, p.Paused, pause,
		database.StringsOf(p.RunTokenAudiences), textOrNil(p.References), policy, p.UpdatedAt, actor, p.ID)
	if err != nil {
		return nil, fmt.Errorf("update work pool %q: %w", name, err)
	}
	tx.db.Hint(PoolTopic(name))
	return p, tx.poolUpdated(ctx, before, *p, actor)
}

// allowedReferencesSQL reads one row by the unique index on the names of pools.
const allowedReferencesSQL = `
SELECT p.allowed_references
FROM pools p
WHERE p.name = ?
	AND p.deleted_at IS NULL`

// GetAllowedReferences returns what job variables of a pool may refer to now, as JSON; nil allows nothing.
func (q Reader) GetAllowedReferences(ctx context.Context, pool string) (json.RawMessage, error) {
	var text *string
	if err := q.db.Get(ctx, &text, allowedReferencesSQL, pool); err != nil {
		return nil, database.NotFoundError(err, "work pool %q", pool)
	}
	return rawOrNil(text), nil
}

func rawOrNil(text *string) json.RawMessage {
	if text == nil {
		return nil
	}
	return json.RawMessage(*text)
}

func textOrNil(raw json.RawMessage) *string {
	if raw == nil {
		return nil
	}
	text := string(raw)
	return &text
}

// UpdatePool runs Tx.UpdatePool in a transaction.
func (s *Store) UpdatePool(ctx context.Context, name string, c PoolUpdate, actor string) (*Pool, error) {
	return inTx(ctx, s, func(tx *Tx) (*Pool, error) { return tx.UpdatePool(ctx, name, c, actor) })
}

// Lock modes of a pool's row. A claim and a change exclude each other, but no transaction that only refers to
// the pool. A delete excludes all others. Claims of a pool without limits exclude changes, but not each
// other; they take the advisory lock only.
const (
	poolForReference = "FOR KEY SHARE"
	poolForClaims    = "" // without a row lock
	poolForChange    = "FOR NO KEY UPDATE"
	poolForDelete    = "FOR UPDATE"
)

const lockPoolRowSQL = `
SELECT p.id, p.concurrency_limit, p.paused, p.template_version
FROM pools p
WHERE p.name = ?
	AND p.deleted_at IS NULL`

func (tx *Tx) lockPoolRow(ctx context.Context, name, how string) (poolRow, error) {
	if err := tx.waitForPool(ctx, name, how); err != nil {
		return poolRow{}, err
	}
	var p poolRow
	if err := tx.db.Get(ctx, &p, lockPoolRowSQL+tx.db.Dialect().Lock(how), name); err != nil {
		return p, database.NotFoundError(err, "work pool %q", name)
	}
	return p, nil
}

// poolsLock is the first key of the advisory locks of pools: "pool" in ASCII. The second is the hash of
// the name.
const poolsLock = 0x706f6f6c

const (
	sharedPoolLockSQL = `
SELECT 1 FROM pg_advisory_xact_lock_shared(?, hashtext(?))`
	exclusivePoolLockSQL = `
SELECT 1 FROM pg_advisory_xact_lock(?, hashtext(?))`
)

// waitForPool takes the advisory lock that precedes the lock of a pool's row. PostgreSQL grants shared row
// locks past waiting exclusive ones, which would starve while claims overlap; it grants advisory locks in
// order.
func (tx *Tx) waitForPool(ctx context.Context, name, how string) error {
	query := exclusivePoolLockSQL
	switch {
	case tx.db.Dialect() == database.SQLite || how == poolForReference:
		return nil
	case how == poolForClaims:
		query = sharedPoolLockSQL
	}
	var one int
	if err := tx.db.Get(ctx, &one, query, poolsLock, name); err != nil {
		return fmt.Errorf("queue for work pool %q: %w", name, err)
	}
	return nil
}

// RunHome is the pool of a run.
type RunHome struct {
	Pool       string `db:"pool"`
	Deployment string `db:"deployment"`
	// PoolDeleted: another pool may have the name now.
	PoolDeleted bool `db:"pool_deleted"`
}

const runHomeSQL = `
SELECT p.name AS pool, d.name AS deployment, p.deleted_at IS NOT NULL AS pool_deleted
FROM runs r
JOIN pools p ON p.id = r.pool_id
JOIN deployments d ON d.id = r.deployment_id
WHERE r.id = ?`

// GetRunHome returns where a run belongs.
func (q Reader) GetRunHome(ctx context.Context, run uuid.UUID) (RunHome, error) {
	var home RunHome
	err := q.db.Get(ctx, &home, runHomeSQL, run)
	return home, database.NotFoundError(err, "run %s", run)
}
