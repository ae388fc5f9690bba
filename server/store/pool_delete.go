package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

const (
	markPoolDeletedSQL = `
UPDATE pools
SET deleted_at = ?,
	kept = ?,
	paused = TRUE,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`
	markPoolDeploymentsDeletedSQL = `
UPDATE deployments
SET deleted_at = ?,
	kept = ?,
	updated_at = ?,
	updated_by = ?
WHERE pool_id = ?
	AND deleted_at IS NULL
RETURNING id, name`
	restPoolSchedulesSQL = `
UPDATE schedules
SET next_due = NULL
WHERE next_due IS NOT NULL
	AND deployment_id IN (SELECT id FROM deployments WHERE pool_id = ?)`
)

// DeletePool deletes a pool with its queues, deployments and runs. It fails while there are deployments or
// unfinished runs, unless forced: then it deletes the deployments and cancels the runs, and held attempts stay until
// their worker has ended them. All readers stop seeing the pool at once. It can be restored with its deployments
// until retention ends that; of a permanent deletion, Sweep removes the rows soon.
func (tx *Tx) DeletePool(ctx context.Context, name string, o DeleteOptions, actor string) error {
	p, err := tx.lockPoolRow(ctx, name, poolForDelete)
	if err != nil {
		return err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	// This waits for transactions that create runs, so that the statements after it see these runs.
	if err := tx.excludeRuns(ctx, name); err != nil {
		return err
	}
	var deployments []userRow
	err = tx.db.All(ctx, &deployments, markPoolDeploymentsDeletedSQL, now, !o.Permanently, now, actor, p.ID)
	if err != nil {
		return fmt.Errorf("delete the deployments of work pool %q: %w", name, err)
	}
	if _, err := tx.db.Exec(ctx, markPoolDeletedSQL, now, !o.Permanently, now, actor, p.ID); err != nil {
		return fmt.Errorf("delete work pool %q: %w", name, err)
	}
	if len(deployments) > 0 && !o.Force {
		return tx.poolInUse(ctx, p.ID, name, deployments)
	}
	refusal := &Error{Code: PoolHasLiveRuns, Message: fmt.Sprintf("work pool %q has unfinished runs", name)}
	if err := tx.cancelUnfinished(ctx, o.Force, actor, refusal, unfinishedOfPool(p.ID)); err != nil {
		return err
	}
	if _, err := tx.db.Exec(ctx, restPoolSchedulesSQL, p.ID); err != nil {
		return fmt.Errorf("stop the schedules of work pool %q: %w", name, err)
	}
	if err := tx.keepPool(ctx, name, p, deployments, o, actor); err != nil {
		return err
	}
	for _, d := range deployments {
		with := deletion{DeleteOptions: DeleteOptions{Permanently: o.Permanently}, withPool: true}
		if err := tx.deleted(ctx, AuditDeployment, d.Name, name, with, actor); err != nil {
			return err
		}
	}
	return tx.deleted(ctx, AuditPool, name, name, deletion{DeleteOptions: o, deployments: len(deployments)}, actor)
}

// keepPool notes a deleted pool and its deployments, or lets the sweep remove them.
func (tx *Tx) keepPool(
	ctx context.Context, name string, p poolRow, deployments []userRow, o DeleteOptions, actor string,
) error {
	if o.Permanently {
		return tx.purgePool(ctx, name, p.ID, actor)
	}
	document, err := json.Marshal(keptPool{Paused: p.Paused})
	if err != nil {
		return fmt.Errorf("keep work pool %q: %w", name, err)
	}
	item := DeletedItem{Kind: DeletedPool, Name: name, objectID: &p.ID, document: database.JSON(document)}
	if err := tx.keepDeleted(ctx, item, actor); err != nil {
		return err
	}
	for _, d := range deployments {
		item := DeletedItem{Kind: DeletedDeployment, Name: d.Name, Pool: name, poolID: &p.ID, objectID: &d.ID}
		if err := tx.keepDeleted(ctx, item, actor); err != nil {
			return err
		}
	}
	return nil
}

// poolInUse says what a pool would take along. Its deployments have just been marked as deleted, which the
// transaction takes back with the error.
func (tx *Tx) poolInUse(ctx context.Context, id uuid.UUID, name string, deployments []userRow) error {
	refusal := &Error{Code: PoolInUse}
	sortUsers(deployments)
	addUsers(refusal, UserDeployment, name, deployments)
	names := someNames(refusal.Users, len(deployments))
	live, err := tx.addUnfinished(ctx, refusal, unfinishedOfPool(id))
	if err != nil {
		return err
	}
	refusal.Message = fmt.Sprintf(
		"work pool %q has deployments (%s) and %d unfinished runs: delete or move them first, or force the deletion",
		name, names, live)
	return refusal
}

// DeletePool runs Tx.DeletePool in a transaction.
func (s *Store) DeletePool(ctx context.Context, name string, o DeleteOptions, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.DeletePool(ctx, name, o, actor) })
}

func truncated(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
