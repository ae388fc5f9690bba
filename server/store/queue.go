package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

type queueRow struct {
	ID               uuid.UUID                   `db:"id"`
	Name             string                      `db:"name"`
	Priority         int32                       `db:"priority"`
	ConcurrencyLimit *int32                      `db:"concurrency_limit"`
	Paused           bool                        `db:"paused"`
	Pause            database.Structured[*Pause] `db:"pause"`
	ObjectiveUS      *int64                      `db:"objective_us"`
	SlotsUsed        int32                       `db:"slots_used"`
}

const listQueuesSQL = `
SELECT
	q.id, q.name, q.priority, q.concurrency_limit, q.objective_us, q.paused, q.pause,
	(SELECT COUNT(*) FROM live l WHERE l.pool_id = q.pool_id AND l.queue_id = q.id) AS slots_used
FROM queues q
WHERE q.pool_id = ?
	AND q.deleted_at IS NULL
ORDER BY q.priority, q.name`

// ListQueues lists the pool's queues by priority.
func (q Reader) ListQueues(ctx context.Context, pool string) ([]Queue, error) {
	p, err := q.poolRef(ctx, pool)
	if err != nil {
		return nil, err
	}
	var rows []queueRow
	if err := q.db.All(ctx, &rows, listQueuesSQL, p); err != nil {
		return nil, fmt.Errorf("list the queues of work pool %q: %w", pool, err)
	}
	queues := make([]Queue, len(rows))
	for i, r := range rows {
		queues[i] = Queue{
			ID: r.ID, Pool: pool, Name: r.Name, Priority: r.Priority, ConcurrencyLimit: r.ConcurrencyLimit,
			Objective: objectiveOf(r.ObjectiveUS), Paused: r.Paused, Pause: r.Pause.V, SlotsUsed: r.SlotsUsed,
		}
	}
	return queues, nil
}

// objectiveOf reads an objective; 0 is none.
func objectiveOf(us *int64) time.Duration {
	if us == nil {
		return 0
	}
	return time.Duration(*us) * time.Microsecond
}

func objectiveColumn(d time.Duration) *int64 {
	if d == 0 {
		return nil
	}
	us := d.Microseconds()
	return &us
}

const poolIDSQL = `
SELECT id
FROM pools
WHERE name = ?
	AND deleted_at IS NULL`

func (q Reader) poolRef(ctx context.Context, name string) (uuid.UUID, error) {
	var id uuid.UUID
	if err := q.db.Get(ctx, &id, poolIDSQL, name); err != nil {
		return id, database.NotFoundError(err, "work pool %q", name)
	}
	return id, nil
}

const insertQueueSQL = `
INSERT INTO queues (id, pool_id, name, priority, concurrency_limit, objective_us, paused, pause, created_at, created_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (pool_id, name) DO UPDATE
SET priority = excluded.priority,
	concurrency_limit = excluded.concurrency_limit,
	objective_us = excluded.objective_us,
	paused = excluded.paused,
	pause = excluded.pause,
	created_at = excluded.created_at,
	created_by = excluded.created_by,
	deleted_at = NULL
WHERE queues.deleted_at IS NOT NULL
RETURNING id`

const dropQueueDeletionSQL = `
DELETE FROM deletions
WHERE kind = ?
	AND object_id = ?`

// CreateQueue adds a queue to a pool. Priority 0 means 1, which is served first.
func (tx *Tx) CreateQueue(ctx context.Context, q Queue, actor string) (*Queue, error) {
	created, err := tx.addQueue(ctx, q, actor)
	if err != nil {
		return nil, err
	}
	return created, tx.queueChanged(ctx, AuditCreate, Queue{Pool: q.Pool, Name: q.Name}, *created, actor)
}

// CreateQueue runs Tx.CreateQueue in a transaction.
func (s *Store) CreateQueue(ctx context.Context, q Queue, actor string) (*Queue, error) {
	return inTx(ctx, s, func(tx *Tx) (*Queue, error) { return tx.CreateQueue(ctx, q, actor) })
}

func (tx *Tx) addQueue(ctx context.Context, q Queue, actor string) (*Queue, error) {
	p, err := tx.lockPoolRow(ctx, q.Pool, poolForReference)
	if err != nil {
		return nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	if q.ID, err = uuid.NewV7(); err != nil {
		return nil, fmt.Errorf("generate an ID: %w", err)
	}
	q.Priority = max(q.Priority, 1)
	q.Pause = PauseChange{Paused: q.Paused}.over(nil, actor, now)
	pause, err := pauseText(q.Pause)
	if err != nil {
		return nil, err
	}
	var ids []uuid.UUID
	if err := tx.db.All(ctx, &ids, insertQueueSQL, q.ID, p.ID, q.Name, q.Priority, q.ConcurrencyLimit,
		objectiveColumn(q.Objective), q.Paused, pause, now, actor); err != nil {
		return nil, fmt.Errorf("create queue %q of work pool %q: %w", q.Name, q.Pool, err)
	}
	if len(ids) == 0 {
		return nil, &Error{
			Code:    AlreadyExists,
			Message: fmt.Sprintf("work pool %q has a queue %q already", q.Pool, q.Name),
		}
	}
	if ids[0] != q.ID { // it was deleted, and is not any more
		if _, err := tx.db.Exec(ctx, dropQueueDeletionSQL, DeletedQueue, ids[0]); err != nil {
			return nil, fmt.Errorf("create queue %q of work pool %q: %w", q.Name, q.Pool, err)
		}
	}
	q.ID, q.SlotsUsed = ids[0], 0 // a queue created again keeps its ID, and so its finished runs
	return &q, nil
}
