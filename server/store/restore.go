package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// RestoreDeleted brings deleted objects back, which LockDeleted has locked: as they were, and under their names.
// as is another name for the first of them; empty: its own. Where a name is taken, it fails with AlreadyExists and
// nothing is restored.
func (tx *Tx) RestoreDeleted(ctx context.Context, items []DeletedItem, as, actor string) ([]DeletedItem, error) {
	restored := make([]DeletedItem, len(items))
	for i, item := range items {
		was := item.Name
		if i == 0 && as != "" {
			item.Name = as
		}
		if item.poolID != nil {
			name, err := tx.livePoolOf(ctx, item)
			if err != nil {
				return nil, err
			}
			item.Pool = name
		}
		if err := tx.restoreItem(ctx, item, actor); err != nil {
			return nil, err
		}
		if err := tx.dropDeletion(ctx, item.ID); err != nil {
			return nil, err
		}
		if err := tx.auditDeleted(ctx, AuditRestore, item, was, actor); err != nil {
			return nil, err
		}
		restored[i] = item
	}
	return restored, nil
}

func (tx *Tx) restoreItem(ctx context.Context, item DeletedItem, actor string) error {
	switch item.Kind {
	case DeletedPool:
		return tx.restorePool(ctx, item, actor)
	case DeletedQueue:
		return tx.restoreQueue(ctx, item)
	case DeletedVariable:
		return tx.restoreVariable(ctx, item, actor)
	case DeletedRule:
		return tx.restoreRule(ctx, item, actor)
	case DeletedDeployment:
		return tx.restoreDeployment(ctx, item, actor)
	}
	return fmt.Errorf("restore %q: there is no kind %q", item.Name, item.Kind)
}

// nameTaken refuses to restore an object under the name of another one.
func nameTaken(item DeletedItem) error {
	return &Error{Code: AlreadyExists, Message: fmt.Sprintf(
		"there is another %s %q now: restore the deleted one with berth %s restore under another name (--as), or delete "+
			"the other one first", item.Kind, item.Name, item.command())}
}

// command is the group of commands for the object.
func (item DeletedItem) command() string {
	if item.Kind == DeletedRule && item.poolID != nil {
		return "pool rule"
	}
	return string(item.Kind)
}

const poolByIDSQL = `
SELECT name, deleted_at IS NOT NULL AS gone
FROM pools
WHERE id = ?`

// livePoolOf returns the name of the pool that an object belongs to, and keeps the pool from being deleted until the
// transaction ends.
func (tx *Tx) livePoolOf(ctx context.Context, item DeletedItem) (string, error) {
	var pool struct {
		Name string `db:"name"`
		Gone bool   `db:"gone"`
	}
	err := tx.db.Get(ctx, &pool, poolByIDSQL+tx.db.Dialect().Lock(poolForReference), item.poolID)
	if err != nil {
		return "", database.NotFoundError(err, "the work pool of %s %q", item.Kind, item.Name)
	}
	if pool.Gone {
		return "", &Error{Code: Conflict, Message: fmt.Sprintf(
			"work pool %q of %s %q is deleted, too: restore the pool first", pool.Name, item.Kind, item.Name)}
	}
	return pool.Name, nil
}

const restoreDeploymentSQL = `
UPDATE deployments
SET name = ?,
	revision_id = ?,
	deleted_at = NULL,
	kept = FALSE,
	updated_at = ?,
	updated_by = ?
WHERE id = ?
	AND deleted_at IS NOT NULL
	AND NOT EXISTS (SELECT 1 FROM deployments t WHERE t.name = ? AND t.deleted_at IS NULL)`

// restoreDeployment brings a deployment back with a copy of its revision: servers remember names by revision, and the
// name may be another one now.
func (tx *Tx) restoreDeployment(ctx context.Context, item DeletedItem, actor string) error {
	revision, err := tx.copyRevision(ctx, *item.objectID, actor)
	if err != nil {
		return err
	}
	if err := tx.checkQueueOf(ctx, item); err != nil {
		return err
	}
	if err := tx.refuseUncancelled(ctx, item); err != nil {
		return err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	n, err := tx.db.Exec(ctx, restoreDeploymentSQL, item.Name, revision, now, actor, item.objectID, item.Name)
	if n == 0 && err == nil || database.IsUniqueViolation(err, "deployments_name") {
		return nameTaken(item)
	}
	if err != nil {
		return fmt.Errorf("restore deployment %q: %w", item.Name, err)
	}
	tx.db.Hint(PoolTopic(item.Pool))
	return tx.resumeRestoredSchedules(ctx, *item.objectID)
}

const currentRevisionSQL = `
SELECT
	v.version, v.job_variables, v.parameters, v.parameter_schema, v.frozen_variables, v.frozen_parameters, v.retries,
	v.timeout_us, v.start_deadline_us
FROM deployments d
JOIN deployment_revisions v ON v.id = d.revision_id
WHERE d.id = ?`

func (tx *Tx) copyRevision(ctx context.Context, deployment uuid.UUID, actor string) (uuid.UUID, error) {
	var row revisionRow
	if err := tx.db.Get(ctx, &row, currentRevisionSQL, deployment); err != nil {
		return uuid.Nil, fmt.Errorf("read the revision of a deleted deployment: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("generate an ID: %w", err)
	}
	return id, tx.insertRevision(ctx, deployment, id, row, actor)
}

const deletedQueueOfSQL = `
SELECT q.name
FROM deployments d
JOIN queues q ON q.id = d.queue_id
WHERE d.id = ?
	AND q.deleted_at IS NOT NULL`

// checkQueueOf refuses to restore a deployment whose queue was deleted after it.
func (tx *Tx) checkQueueOf(ctx context.Context, item DeletedItem) error {
	var names []string
	if err := tx.db.All(ctx, &names, deletedQueueOfSQL, item.objectID); err != nil {
		return fmt.Errorf("find the queue of deployment %q: %w", item.Name, err)
	}
	if len(names) == 0 {
		return nil
	}
	return &Error{Code: Conflict, Message: fmt.Sprintf(
		"queue %q of deployment %q is deleted, too: restore or create the queue in work pool %q first",
		names[0], item.Name, item.Pool)}
}

// The slots between the deletion and now count as decided: a schedule makes up for none of them.
const (
	skipSlotsSQL = `
UPDATE schedules
SET decided_until = CASE WHEN decided_until < ? THEN ? ELSE decided_until END,
	seen_until = CASE WHEN seen_until < ? THEN ? ELSE seen_until END,
	waiting = '[]'
WHERE deployment_id = ?`
	deploymentPausedSQL = `
SELECT paused
FROM deployments
WHERE id = ?`
)

func (tx *Tx) resumeRestoredSchedules(ctx context.Context, deployment uuid.UUID) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.db.Exec(ctx, skipSlotsSQL, now, now, now, now, deployment); err != nil {
		return fmt.Errorf("skip the slots of a restored deployment: %w", err)
	}
	var paused bool
	if err := tx.db.Get(ctx, &paused, deploymentPausedSQL, deployment); err != nil {
		return fmt.Errorf("read whether a restored deployment is paused: %w", err)
	}
	return tx.pauseSchedules(ctx, deployment, paused, now)
}

// keptPool is what a pool loses when it is deleted.
type keptPool struct {
	Paused bool `json:"paused"`
}

const restorePoolSQL = `
UPDATE pools
SET name = ?,
	deleted_at = NULL,
	kept = FALSE,
	paused = ?,
	updated_at = ?,
	updated_by = ?
WHERE id = ?
	AND deleted_at IS NOT NULL
	AND NOT EXISTS (SELECT 1 FROM pools t WHERE t.name = ? AND t.deleted_at IS NULL)`

func (tx *Tx) restorePool(ctx context.Context, item DeletedItem, actor string) error {
	var was keptPool
	if err := json.Unmarshal(item.document, &was); err != nil {
		return fmt.Errorf("read what is kept of work pool %q: %w", item.Name, err)
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	if err := tx.lapseKeysFor(ctx, item, actor); err != nil {
		return err
	}
	n, err := tx.db.Exec(ctx, restorePoolSQL, item.Name, was.Paused, now, actor, item.objectID, item.Name)
	if n == 0 && err == nil || database.IsUniqueViolation(err, "pools_name") {
		return nameTaken(item)
	}
	if err != nil {
		return fmt.Errorf("restore work pool %q: %w", item.Name, err)
	}
	tx.db.Hint(PoolTopic(item.Name))
	return tx.restoreKeys(ctx, *item.objectID, item.Name, actor)
}

// lapseKeysFor tells the keys of a pool that is about to be restored from those of other pools that had its name, or
// the one that it gets.
func (tx *Tx) lapseKeysFor(ctx context.Context, pool DeletedItem, actor string) error {
	var before string
	if err := tx.db.Get(ctx, &before, poolNameSQL, pool.objectID); err != nil {
		return database.NotFoundError(err, "deleted work pool %q", pool.Name)
	}
	if err := tx.lapseKeys(ctx, before, actor); err != nil || before == pool.Name {
		return err
	}
	return tx.lapseKeys(ctx, pool.Name, actor)
}

const poolNameSQL = `
SELECT name
FROM pools
WHERE id = ?`

const restoreQueueSQL = `
UPDATE queues
SET name = ?,
	deleted_at = NULL
WHERE id = ?
	AND deleted_at IS NOT NULL
	AND NOT EXISTS (SELECT 1 FROM queues t WHERE t.pool_id = queues.pool_id AND t.name = ? AND t.id <> queues.id)`

func (tx *Tx) restoreQueue(ctx context.Context, item DeletedItem) error {
	if _, err := tx.lockPoolRow(ctx, item.Pool, poolForChange); err != nil {
		return err
	}
	n, err := tx.db.Exec(ctx, restoreQueueSQL, item.Name, item.objectID, item.Name)
	if database.IsUniqueViolation(err, "queues_pool_id_name_key") {
		return nameTaken(item)
	}
	if err != nil {
		return fmt.Errorf("restore queue %q of work pool %q: %w", item.Name, item.Pool, err)
	}
	if n == 0 {
		return nameTaken(item)
	}
	return nil
}

// keptVariable is what is kept of a stored variable.
type keptVariable struct {
	Value   json.RawMessage `json:"value"`
	Project string          `json:"project,omitempty"`
}

const restoreVariableSQL = `
INSERT INTO variables (name, value, project, updated_at, updated_by)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING`

func (tx *Tx) restoreVariable(ctx context.Context, item DeletedItem, actor string) error {
	var kept keptVariable
	if err := json.Unmarshal(item.document, &kept); err != nil {
		return fmt.Errorf("read what is kept of variable %q: %w", item.Name, err)
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	var project *string
	if kept.Project != "" {
		project = &kept.Project
	}
	n, err := tx.db.Exec(ctx, restoreVariableSQL, item.Name, database.JSON(kept.Value), project, now, actor)
	if err != nil {
		return fmt.Errorf("restore variable %q: %w", item.Name, err)
	}
	if n == 0 {
		return nameTaken(item)
	}
	return nil
}

func (tx *Tx) restoreRule(ctx context.Context, item DeletedItem, actor string) error {
	var kept Rule
	if err := json.Unmarshal(item.document, &kept); err != nil {
		return fmt.Errorf("read what is kept of rule %q: %w", item.Name, err)
	}
	kept.Name = item.Name
	_, err := tx.UpdateRules(ctx, item.Pool, func(rules []Rule) ([]Rule, error) {
		for _, r := range rules {
			if r.Name == kept.Name {
				return nil, nameTaken(item)
			}
		}
		return append(rules, kept), nil
	}, actor)
	return err
}

// auditDeleted writes down that a deleted object was restored or purged. was is its name when it was deleted.
func (tx *Tx) auditDeleted(ctx context.Context, action AuditAction, item DeletedItem, was, actor string) error {
	e := AuditEntry{
		Actor: actor, Action: action, Kind: AuditKind(item.Kind), Name: item.Name, Pool: item.Pool,
		Detail: "deleted by " + item.DeletedBy + " at " + item.DeletedAt.Format("2006-01-02 15:04:05Z07:00"),
	}
	if item.Kind == DeletedPool {
		e.Pool = item.Name
	}
	if was != item.Name {
		e.Detail += fmt.Sprintf(", as %q", was)
	}
	return tx.audit(ctx, e)
}
