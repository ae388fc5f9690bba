package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// unfinished finds the runs that have not ended, of a pool, a queue or a deployment.
type unfinished struct {
	query string // returns id
	args  []any
}

// unfinishedOfDeployment is served by the keys of ready and live.
func unfinishedOfDeployment(id uuid.UUID) unfinished {
	return unfinished{`
SELECT run_id AS id
FROM ready
WHERE deployment_id = ?
UNION ALL
SELECT run_id
FROM live
WHERE deployment_id = ?`, []any{id, id}}
}

// unfinishedOfPool is served by the keys of ready and by live_queue. A deployment stays in its pool while it has
// unfinished runs.
func unfinishedOfPool(id uuid.UUID) unfinished {
	return unfinished{`
SELECT run_id AS id
FROM ready
WHERE deployment_id IN (SELECT d.id FROM deployments d WHERE d.pool_id = ?)
UNION ALL
SELECT run_id
FROM live
WHERE pool_id = ?`, []any{id, id}}
}

// unfinishedOfQueue is served by the two indexes of ready by queue, and by live_queue.
func unfinishedOfQueue(id uuid.UUID) unfinished {
	return unfinished{`
SELECT run_id AS id
FROM ready
WHERE queue_id = ?
	AND NOT limited
UNION ALL
SELECT run_id
FROM ready
WHERE queue_id = ?
	AND limited
UNION ALL
SELECT l.run_id
FROM queues q
JOIN live l ON l.pool_id = q.pool_id AND l.queue_id = q.id
WHERE q.id = ?`, []any{id, id, id}}
}

// firstUnfinished lists the first unfinished runs by ID.
func (q Reader) firstUnfinished(ctx context.Context, u unfinished, most int) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	if err := q.db.All(ctx, &ids, u.query+"\nORDER BY id\nLIMIT ?", append(u.args, most)...); err != nil {
		return nil, fmt.Errorf("list unfinished runs: %w", err)
	}
	return ids, nil
}

// addUnfinished adds unfinished runs to a refusal, the oldest of them by name, and returns how many there are.
func (q Reader) addUnfinished(ctx context.Context, refusal *Error, u unfinished) (int, error) {
	ids, err := q.firstUnfinished(ctx, u, usersMax)
	if err != nil {
		return 0, err
	}
	total := len(ids)
	if total == usersMax {
		if err := q.db.Get(ctx, &total, "SELECT COUNT(*) FROM ("+u.query+") AS u", u.args...); err != nil {
			return 0, fmt.Errorf("count unfinished runs: %w", err)
		}
	}
	var rows []userRow
	query := someRunsSQL + q.db.Dialect().List("uuid") + " ORDER BY r.id"
	if err := q.db.All(ctx, &rows, query, database.ListOf(ids)); err != nil {
		return 0, fmt.Errorf("read the names of unfinished runs: %w", err)
	}
	addUsers(refusal, UserRun, "", rows)
	refusal.UsersTotal += total - len(rows)
	return total, nil
}

// cancelAtOnce bounds the runs that a deletion cancels itself: the sweep cancels the others, in steps. None of them is
// claimed, as their deployment is deleted.
const cancelAtOnce = sweepBatch

// cancelUnfinished cancels unfinished runs, or refuses where there are any and it is not forced.
func (tx *Tx) cancelUnfinished(ctx context.Context, force bool, actor string, refusal *Error, u unfinished) error {
	if !force {
		n, err := tx.addUnfinished(ctx, refusal, u)
		if err != nil || n == 0 {
			return err
		}
		refusal.Message = fmt.Sprintf("%s (%d)", refusal.Message, n)
		return refusal
	}
	ids, err := tx.firstUnfinished(ctx, u, cancelAtOnce)
	if err != nil || len(ids) == 0 {
		return err
	}
	_, err = tx.cancelRuns(ctx, ids, actor)
	return err
}

// deletedRunsSQL finds runs of deleted deployments that are not cancelled yet. Served by deployments_deleted and by the
// keys of ready and live.
const deletedRunsSQL = `
SELECT w.run_id AS id, d.updated_by AS actor
FROM deployments d
JOIN ready w ON w.deployment_id = d.id
WHERE d.deleted_at IS NOT NULL
UNION ALL
SELECT l.run_id, d.updated_by
FROM deployments d
JOIN live l ON l.deployment_id = d.id
WHERE d.deleted_at IS NOT NULL
	AND l.state_type <> 'CANCELLING'
LIMIT ?`

// cancelDeleted cancels runs of deleted deployments in the name of the people who deleted them, and returns how many.
func (tx *Tx) cancelDeleted(ctx context.Context) (int, error) {
	var rows []struct {
		ID    uuid.UUID `db:"id"`
		Actor string    `db:"actor"`
	}
	if err := tx.db.All(ctx, &rows, deletedRunsSQL, sweepBatch); err != nil {
		return 0, err
	}
	byActor := map[string][]uuid.UUID{}
	for _, r := range rows {
		byActor[r.Actor] = append(byActor[r.Actor], r.ID)
	}
	for actor, ids := range byActor {
		if _, err := tx.cancelRuns(ctx, ids, actor); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}

const uncancelledSQL = `
SELECT run_id
FROM ready
WHERE deployment_id = ?
UNION ALL
SELECT run_id
FROM live
WHERE deployment_id = ?
	AND state_type <> 'CANCELLING'
LIMIT 1`

// refuseUncancelled refuses to restore a deployment of which the sweep has runs to cancel.
func (tx *Tx) refuseUncancelled(ctx context.Context, item DeletedItem) error {
	var ids []uuid.UUID
	if err := tx.db.All(ctx, &ids, uncancelledSQL, item.objectID, item.objectID); err != nil {
		return fmt.Errorf("find unfinished runs of deployment %q: %w", item.Name, err)
	}
	if len(ids) == 0 {
		return nil
	}
	return &Error{Code: Conflict, Message: fmt.Sprintf(
		"the runs of deployment %q are still being cancelled: restore the deployment when that is done", item.Name)}
}
