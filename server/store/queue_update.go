package store

import (
	"context"
	"fmt"
	"time"
)

// QueueUpdate holds the fields to change; nil leaves a field as it is.
type QueueUpdate struct {
	Priority           *int32
	ConcurrencyLimit   *int32
	NoConcurrencyLimit bool
	Objective          *time.Duration // 0: none from now on
	Pause              *PauseChange
}

// GetQueue returns a queue of a pool.
func (q Reader) GetQueue(ctx context.Context, pool, name string) (*Queue, error) {
	queues, err := q.ListQueues(ctx, pool)
	if err != nil {
		return nil, err
	}
	for _, q := range queues {
		if q.Name == name {
			return &q, nil
		}
	}
	return nil, &Error{Code: NotFound, Message: fmt.Sprintf("work pool %q has no queue %q", pool, name)}
}

const updateQueueSQL = `
UPDATE queues
SET priority = ?,
	concurrency_limit = ?,
	objective_us = ?,
	paused = ?,
	pause = ?
WHERE id = ?`

// UpdateQueue changes a queue. The pool's row is locked, as a claim locks it, so that no claim counts with
// both.
func (tx *Tx) UpdateQueue(
	ctx context.Context, pool, name string, c QueueUpdate, actor string,
) (*Queue, error) {
	if _, err := tx.lockPoolRow(ctx, pool, poolForChange); err != nil {
		return nil, err
	}
	q, err := tx.GetQueue(ctx, pool, name)
	if err != nil {
		return nil, err
	}
	before := *q
	if c.Priority != nil {
		q.Priority = max(*c.Priority, 1)
	}
	if c.ConcurrencyLimit != nil {
		q.ConcurrencyLimit = c.ConcurrencyLimit
	}
	if c.NoConcurrencyLimit {
		q.ConcurrencyLimit = nil
	}
	if c.Objective != nil {
		q.Objective = *c.Objective
	}
	if c.Pause != nil {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return nil, err
		}
		q.Paused, q.Pause = c.Pause.Paused, c.Pause.over(q.Pause, actor, now)
	}
	pause, err := pauseText(q.Pause)
	if err != nil {
		return nil, err
	}
	if _, err := tx.db.Exec(ctx, updateQueueSQL, q.Priority, q.ConcurrencyLimit, objectiveColumn(q.Objective), q.Paused, pause, q.ID); err != nil {
		return nil, fmt.Errorf("change queue %q of work pool %q: %w", name, pool, err)
	}
	tx.db.Hint(PoolTopic(pool))
	return q, tx.queueChanged(ctx, AuditUpdate, before, *q, actor)
}

// UpdateQueue runs Tx.UpdateQueue in a transaction.
func (s *Store) UpdateQueue(
	ctx context.Context, pool, name string, c QueueUpdate, actor string,
) (*Queue, error) {
	return inTx(ctx, s, func(tx *Tx) (*Queue, error) { return tx.UpdateQueue(ctx, pool, name, c, actor) })
}

const (
	queueDeploymentsSQL = `
SELECT id, name
FROM deployments
WHERE queue_id = ?
	AND deleted_at IS NULL
ORDER BY name`
	deleteQueueSQL = `
UPDATE queues
SET deleted_at = ?
WHERE id = ?`
)

// DeleteQueue deletes a queue without deployments and live runs. Its row stays for its finished runs, and to be
// restored.
func (tx *Tx) DeleteQueue(ctx context.Context, pool, name, actor string) error {
	p, err := tx.lockPoolRow(ctx, pool, poolForChange)
	if err != nil {
		return err
	}
	q, err := tx.GetQueue(ctx, pool, name)
	if err != nil {
		return err
	}
	if name == DefaultQueue {
		return &Error{
			Code:    Conflict,
			Message: fmt.Sprintf("queue %q cannot be deleted: every work pool has it", name),
		}
	}
	if err := tx.checkQueueUnused(ctx, *q); err != nil {
		return err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.db.Exec(ctx, deleteQueueSQL, now, q.ID); err != nil {
		return fmt.Errorf("delete queue %q of work pool %q: %w", name, pool, err)
	}
	item := DeletedItem{Kind: DeletedQueue, Name: name, Pool: pool, poolID: &p.ID, objectID: &q.ID}
	if err := tx.keepDeleted(ctx, item, actor); err != nil {
		return err
	}
	return tx.deleted(ctx, AuditQueue, name, pool, deletion{}, actor)
}

func (tx *Tx) checkQueueUnused(ctx context.Context, q Queue) error {
	refusal := &Error{Code: QueueInUse}
	var deployments []userRow
	if err := tx.db.All(ctx, &deployments, queueDeploymentsSQL, q.ID); err != nil {
		return fmt.Errorf("list the deployments of queue %q: %w", q.Name, err)
	}
	addUsers(refusal, UserDeployment, q.Pool, deployments)
	live, err := tx.addUnfinished(ctx, refusal, unfinishedOfQueue(q.ID))
	if err != nil || refusal.UsersTotal == 0 {
		return err
	}
	refusal.Message = fmt.Sprintf(
		"queue %q of work pool %q is used by %d deployments and %d unfinished runs: move the deployments to another "+
			"queue and wait for the runs, or cancel them", q.Name, q.Pool, len(deployments), live)
	return refusal
}

// DeleteQueue runs Tx.DeleteQueue in a transaction.
func (s *Store) DeleteQueue(ctx context.Context, pool, name, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.DeleteQueue(ctx, pool, name, actor) })
}
