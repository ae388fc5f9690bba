package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// DeletedKind is a kind of object that can be brought back after it was deleted.
type DeletedKind string

// The kinds.
const (
	DeletedPool       DeletedKind = "pool"
	DeletedQueue      DeletedKind = "queue"
	DeletedVariable   DeletedKind = "variable"
	DeletedRule       DeletedKind = "rule" // of a pool, or of the installation without one
	DeletedDeployment DeletedKind = "deployment"
)

// DeleteOptions say how to delete an object.
type DeleteOptions struct {
	Force bool // also while it is in use
	// Permanently keeps nothing of it: it cannot be restored.
	Permanently bool
}

// Deletion is what one transaction deleted, as far as it can be restored.
type Deletion struct {
	ID    uuid.UUID // zero: nothing that can be restored
	Items []DeletedItem
}

// DeletedItem is an object that was deleted and can be restored. It never carries the value of a variable.
type DeletedItem struct {
	ID        uuid.UUID
	Deletion  uuid.UUID // the same for all objects that one request deleted
	Kind      DeletedKind
	Name      string
	Pool      string // that it belongs to; empty for pools, variables and rules of the installation
	DeletedAt time.Time
	DeletedBy string

	poolID     *uuid.UUID
	objectID   *uuid.UUID    // the row that is marked as deleted
	document   database.JSON // what has no such row
	poolIsGone bool
}

// Deleted returns what this transaction has deleted so far.
func (tx *Tx) Deleted() Deletion { return tx.deletion }

const insertDeletionSQL = `
INSERT INTO deletions (id, deletion_id, kind, name, pool_id, object_id, document, deleted_at, deleted_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`

// keepDeleted notes an object that was deleted, so that it can be restored.
func (tx *Tx) keepDeleted(ctx context.Context, item DeletedItem, actor string) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	if item.ID, err = uuid.NewV7(); err != nil {
		return fmt.Errorf("generate an ID: %w", err)
	}
	if tx.deletion.ID == uuid.Nil {
		tx.deletion.ID = item.ID
	}
	item.Deletion, item.DeletedAt, item.DeletedBy = tx.deletion.ID, now, actor
	_, err = tx.db.Exec(ctx, insertDeletionSQL, item.ID, item.Deletion, item.Kind, item.Name, item.poolID,
		item.objectID, item.document, now, actor)
	if err != nil {
		return fmt.Errorf("keep the deleted %s %q: %w", item.Kind, item.Name, err)
	}
	tx.deletion.Items = append(tx.deletion.Items, item)
	return nil
}

type deletedRow struct {
	ID         uuid.UUID     `db:"id"`
	Deletion   uuid.UUID     `db:"deletion_id"`
	Kind       DeletedKind   `db:"kind"`
	Name       string        `db:"name"`
	PoolID     *uuid.UUID    `db:"pool_id"`
	ObjectID   *uuid.UUID    `db:"object_id"`
	Pool       string        `db:"pool"`
	PoolIsGone bool          `db:"pool_is_gone"`
	DeletedAt  database.Time `db:"deleted_at"`
	DeletedBy  string        `db:"deleted_by"`
}

func (r deletedRow) item() DeletedItem {
	return DeletedItem{
		ID: r.ID, Deletion: r.Deletion, Kind: r.Kind, Name: r.Name, Pool: r.Pool,
		DeletedAt: r.DeletedAt.Time(), DeletedBy: r.DeletedBy,
		poolID: r.PoolID, objectID: r.ObjectID, poolIsGone: r.PoolIsGone,
	}
}

// deletedSQL reads neither values nor settings. A pool is named as it is now: it may have been restored under
// another name.
const deletedSQL = `
SELECT
	x.id, x.deletion_id, x.kind, x.name, x.pool_id, x.object_id, COALESCE(p.name, '') AS pool,
	p.deleted_at IS NOT NULL AS pool_is_gone, x.deleted_at, x.deleted_by
FROM deletions x
LEFT JOIN pools p ON p.id = x.pool_id`

// DeletedScope says which deleted objects a caller may see and restore: what it may delete. A kind without an entry
// is hidden. nil is all of a kind; a list is those in pools of these names that are not deleted.
// The rules of the installation are apart from the rules of pools.
type DeletedScope struct {
	Pools             map[DeletedKind][]string
	InstallationRules bool
}

// deletedKinds are in the order in which they are restored.
func deletedKinds() []DeletedKind {
	return []DeletedKind{DeletedPool, DeletedQueue, DeletedVariable, DeletedRule, DeletedDeployment}
}

// AllDeleted is the scope of a caller that may delete everything.
func AllDeleted() DeletedScope {
	s := DeletedScope{InstallationRules: true, Pools: map[DeletedKind][]string{}}
	for _, kind := range deletedKinds() {
		s.Pools[kind] = nil
	}
	return s
}

func (s DeletedScope) addTo(c *conditions, d database.Dialect) {
	visible := []string{"FALSE"}
	var args []any
	for _, kind := range deletedKinds() {
		pools, ok := s.Pools[kind]
		if !ok {
			continue
		}
		condition := "x.kind = ?"
		args = append(args, kind)
		if kind == DeletedRule {
			condition += " AND x.pool_id IS NOT NULL"
		}
		if pools != nil {
			condition += " AND p.deleted_at IS NULL AND p.name IN " + d.List("text")
			args = append(args, database.ListOf(pools))
		}
		visible = append(visible, condition)
	}
	if s.InstallationRules {
		visible, args = append(visible, "x.kind = ? AND x.pool_id IS NULL"), append(args, DeletedRule)
	}
	c.add("("+strings.Join(visible, " OR ")+")", args...)
}

// DeletedFilter narrows a list of deleted objects; empty fields do not.
type DeletedFilter struct {
	Deletion uuid.UUID
	Kind     DeletedKind
	Name     string
	Pool     string // that it belongs to, by its name now
	Scope    DeletedScope
}

func (f DeletedFilter) conditions(d database.Dialect) conditions {
	var c conditions
	f.Scope.addTo(&c, d)
	if f.Deletion != uuid.Nil {
		c.add("x.deletion_id = ?", f.Deletion)
	}
	if f.Kind != "" {
		c.add("x.kind = ?", f.Kind)
	}
	if f.Name != "" {
		c.add("x.name = ?", f.Name)
	}
	if f.Pool != "" {
		c.add("p.name = ?", f.Pool)
	}
	return c
}

// ListDeleted lists deleted objects that can be restored, the newest first.
func (q Reader) ListDeleted(ctx context.Context, f DeletedFilter, page Page) ([]DeletedItem, string, error) {
	after, more, err := page.AfterID("deleted")
	if err != nil {
		return nil, "", err
	}
	c := f.conditions(q.db.Dialect())
	if more {
		c.add("x.id < ?", after)
	}
	query := deletedSQL + " WHERE " + strings.Join(c.where, " AND ") + " ORDER BY x.id DESC LIMIT ?"
	var rows []deletedRow
	if err := q.db.All(ctx, &rows, query, append(c.args, page.Size()+1)...); err != nil {
		return nil, "", fmt.Errorf("list deleted objects: %w", err)
	}
	rows, next := database.CutPage(rows, page, "deleted", func(r deletedRow) string { return r.ID.String() })
	items := make([]DeletedItem, len(rows))
	for i, r := range rows {
		items[i] = r.item()
	}
	return items, next, nil
}

// DeletedSelection names what to restore or to purge: all that one request deleted, or the newest object of a kind
// and name. A pool comes with the deployments that were deleted with it.
type DeletedSelection struct {
	Deletion uuid.UUID
	Kind     DeletedKind
	Name     string
	Pool     string // of a queue or a rule; no pool is the installation for a rule
	Alone    bool   // a pool without its deployments
}

func (s DeletedSelection) String() string {
	switch {
	case s.Deletion != uuid.Nil:
		return "deletion " + s.Deletion.String()
	case s.Kind == DeletedQueue, s.Kind == DeletedRule && s.Pool != "":
		return fmt.Sprintf("deleted %s %q of work pool %q", s.Kind, s.Name, s.Pool)
	}
	return fmt.Sprintf("deleted %s %q", s.Kind, s.Name)
}

// LockDeleted finds what a selection names and locks it until the transaction ends, in the order in which it is
// restored. It fails with NotFound where there is nothing, or where another transaction was faster.
func (tx *Tx) LockDeleted(ctx context.Context, s DeletedSelection, scope DeletedScope) ([]DeletedItem, error) {
	items, err := tx.findDeleted(ctx, s, scope)
	if err != nil {
		return nil, err
	}
	locked := items[:0]
	for _, item := range items {
		held, err := tx.lockDeletedItem(ctx, &item)
		if err != nil {
			return nil, err
		}
		if held {
			locked = append(locked, item)
		}
	}
	if len(locked) == 0 {
		return nil, &Error{Code: NotFound, Message: fmt.Sprintf(
			"%s does not exist: it was restored already, or is no longer kept", s)}
	}
	slices.SortStableFunc(locked, func(a, b DeletedItem) int {
		return slices.Index(deletedKinds(), a.Kind) - slices.Index(deletedKinds(), b.Kind)
	})
	return locked, nil
}

func (tx *Tx) findDeleted(ctx context.Context, s DeletedSelection, scope DeletedScope) ([]DeletedItem, error) {
	filter := DeletedFilter{Deletion: s.Deletion, Kind: s.Kind, Name: s.Name, Pool: s.Pool, Scope: scope}
	c := filter.conditions(tx.Reader.db.Dialect())
	query := deletedSQL + " WHERE "
	if s.Deletion == uuid.Nil {
		if s.Kind == DeletedRule && s.Pool == "" {
			c.add("x.pool_id IS NULL")
		}
	}
	query += strings.Join(c.where, " AND ") + " ORDER BY x.id DESC"
	if s.Deletion == uuid.Nil {
		query += " LIMIT 1"
	}
	var rows []deletedRow
	if err := tx.db.All(ctx, &rows, query, c.args...); err != nil {
		return nil, fmt.Errorf("find %s: %w", s, err)
	}

	if s.Kind == DeletedPool && len(rows) == 1 && !s.Alone {
		var with []deletedRow
		const ofPool = deletedSQL + " WHERE x.deletion_id = ? AND x.pool_id = ? ORDER BY x.id"
		if err := tx.db.All(ctx, &with, ofPool, rows[0].Deletion, rows[0].ObjectID); err != nil {
			return nil, fmt.Errorf("find what was deleted with work pool %q: %w", s.Name, err)
		}
		rows = append(rows, with...)
	}
	items := make([]DeletedItem, len(rows))
	for i, r := range rows {
		items[i] = r.item()
	}
	return items, nil
}

const lockDeletionSQL = `
SELECT document
FROM deletions
WHERE id = ?`

// lockDeletedItem reads what is kept of an object. It returns false if another transaction has taken it.
func (tx *Tx) lockDeletedItem(ctx context.Context, item *DeletedItem) (bool, error) {
	err := tx.db.Get(ctx, &item.document, lockDeletionSQL+tx.db.Dialect().Lock("FOR UPDATE"), item.ID)
	if errors.Is(err, database.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock the deleted %s %q: %w", item.Kind, item.Name, err)
	}
	return true, nil
}

const dropDeletionSQL = `
DELETE FROM deletions
WHERE id = ?`

func (tx *Tx) dropDeletion(ctx context.Context, id uuid.UUID) error {
	if _, err := tx.db.Exec(ctx, dropDeletionSQL, id); err != nil {
		return fmt.Errorf("remove a kept deletion: %w", err)
	}
	return nil
}
