package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// PurgeDeleted removes for good what LockDeleted has locked. The rows of pools and deployments, and their runs, are
// removed by the next sweeps.
func (tx *Tx) PurgeDeleted(ctx context.Context, items []DeletedItem, actor string) error {
	for _, item := range items {
		if err := tx.purge(ctx, item, actor); err != nil {
			return err
		}
		if err := tx.auditDeleted(ctx, AuditPurge, item, item.Name, actor); err != nil {
			return err
		}
	}
	return nil
}

const (
	unkeepPoolSQL = `
UPDATE pools
SET kept = FALSE
WHERE id = ?`
	unkeepDeploymentSQL = `
UPDATE deployments
SET kept = FALSE
WHERE id = ?`
	// What belongs to a pool cannot outlive it, whenever it was deleted.
	unkeepPoolDeploymentsSQL = `
UPDATE deployments
SET kept = FALSE
WHERE pool_id = ?
	AND kept`
	dropPoolDeletionsSQL = `
DELETE FROM deletions
WHERE pool_id = ?`
)

func (tx *Tx) purge(ctx context.Context, item DeletedItem, actor string) error {
	switch item.Kind {
	case DeletedPool:
		if err := tx.purgePool(ctx, item.Name, *item.objectID, actor); err != nil {
			return err
		}
	case DeletedDeployment:
		if _, err := tx.db.Exec(ctx, unkeepDeploymentSQL, item.objectID); err != nil {
			return fmt.Errorf("purge deployment %q: %w", item.Name, err)
		}
	}
	return tx.dropDeletion(ctx, item.ID)
}

// purgePool lets the sweep remove a deleted pool with all that belongs to it.
func (tx *Tx) purgePool(ctx context.Context, name string, id uuid.UUID, actor string) error {
	if err := tx.lapseKeys(ctx, name, actor); err != nil {
		return err
	}
	for _, query := range []string{unkeepPoolDeploymentsSQL, dropPoolDeletionsSQL, unkeepPoolSQL} {
		if _, err := tx.db.Exec(ctx, query, id); err != nil {
			return fmt.Errorf("purge work pool %q: %w", name, err)
		}
	}
	return nil
}

const oldDeletionsSQL = deletedSQL + `
WHERE x.id < ?
	AND x.deleted_at < ?
ORDER BY x.id
LIMIT ?`

// retainDeleted ends the time in which deleted objects can be restored.
func (s *Store) retainDeleted(ctx context.Context, keep Retention, removed *Expired) error {
	if keep.Deleted <= 0 {
		return nil
	}
	return s.batches(ctx, retainRuns, &removed.Deleted, func(tx *Tx) (int64, error) {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return 0, err
		}
		before := now.Add(-keep.Deleted)
		query := oldDeletionsSQL + tx.db.Dialect().Lock("FOR UPDATE OF x SKIP LOCKED")
		var rows []deletedRow
		if err := tx.db.All(ctx, &rows, query, firstID(before.Add(idSlack)), before, retainRuns); err != nil {
			return 0, err
		}
		for _, row := range rows {
			if err := tx.purge(ctx, row.item(), sweepActor); err != nil {
				return 0, err
			}
		}
		return int64(len(rows)), nil
	})
}

// RestorableUntil returns until when an object can be restored that was deleted at a time; nil: for ever.
func (r Retention) RestorableUntil(deletedAt time.Time) *time.Time {
	if r.Deleted <= 0 {
		return nil
	}
	until := deletedAt.Add(r.Deleted)
	return &until
}
