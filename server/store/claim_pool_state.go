package store

import (
	"context"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// poolState is the state of a pool before any lock: a claim that would find nothing takes none.
type poolState struct {
	Clock   *database.Time `db:"clock"`
	SeenAt  *database.Time `db:"seen_at"` // when the worker was last heard of; nil: never
	Paused  bool           `db:"paused"`  // the worker
	Live    bool           `db:"live"`    // the pool exists and is not deleted
	Known   bool           `db:"known"`   // the request ID was answered before
	Due     bool           `db:"due"`     // a queue that is not paused has a due run
	Expired bool           `db:"expired"` // an attempt of the cluster has an expired lease
	// Draining: a pool of that name was deleted and some of its attempts have not ended.
	Draining bool `db:"draining"`
}

func (p poolState) mayClaim() bool { return p.Known || p.Due && p.Live || p.Expired }

// onlyDue reports whether the claim needs neither an earlier answer nor a takeover.
func (p poolState) onlyDue() bool { return p.Live && !p.Known && !p.Expired }

// poolStateSQL is served by runs_ready through the pool's queues, and by attempts_active.
func poolStateSQL(d database.Dialect) string {
	return `
SELECT
	` + d.Clock() + ` AS clock,
	(SELECT last_seen_at FROM workers WHERE pool = ? AND name = ?) AS seen_at,
	EXISTS (SELECT 1 FROM workers WHERE pool = ? AND name = ? AND paused) AS paused,
	EXISTS (SELECT 1 FROM pools WHERE name = ? AND deleted_at IS NULL) AS live,
	EXISTS (SELECT 1 FROM claim_requests WHERE id = ?) AS known,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN queues q ON q.pool_id = p.id
		WHERE p.name = ? AND p.deleted_at IS NULL AND NOT p.paused AND NOT q.paused
			AND EXISTS (SELECT 1 FROM runs r WHERE r.queue_id = q.id AND r.ready AND r.due_at <= ` + d.NowParam() + `)
	) AS due,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN attempts a ON a.pool_id = p.id
		WHERE p.name = ? AND a.cluster_id = ? AND a.ended_at IS NULL AND a.lease_expires_at <= ` + d.NowParam() + `
	) AS expired,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN attempts a ON a.pool_id = p.id
		WHERE p.name = ? AND p.deleted_at IS NOT NULL AND a.ended_at IS NULL
	) AS draining`
}

// readPoolState reads the state of the claim's pool in one statement, and records that the worker is alive.
func (s *Store) readPoolState(ctx context.Context, r ClaimRequest) (poolState, error) {
	var state poolState
	reader := s.session()
	nowArg, err := reader.db.NowArg(ctx)
	if err != nil {
		return state, err
	}
	err = reader.db.Get(ctx, &state, poolStateSQL(s.db.Dialect()), r.Pool, r.Worker, r.Pool, r.Worker, r.Pool,
		r.RequestID, r.Pool, nowArg, r.Pool, r.ClusterID, nowArg, r.Pool)
	if err != nil {
		return state, fmt.Errorf("read the state of work pool %q: %w", r.Pool, err)
	}

	gone := !state.Live && !state.Expired && !state.Known && !state.Draining
	if gone && r.Max > 0 && !state.Paused {
		return state, &Error{Code: NotFound, Message: fmt.Sprintf("work pool %q does not exist", r.Pool)}
	}

	reader.db.AdvanceClock(state.Clock)
	now, err := reader.db.Now(ctx)
	if err != nil {
		return state, err
	}
	return state, s.seen(ctx, r, state.SeenAt, now)
}

// lockedPoolState is the state of a pool whose row is locked: all that a claim decides from, read by one
// statement.
type lockedPoolState struct {
	claimPool
	queues []*dueQueue
}

type claimPool struct {
	Clock   *database.Time `db:"clock"`
	Known   bool           `db:"known"`   // the request ID was answered before
	Expired bool           `db:"expired"` // an attempt of the cluster has an expired lease
	Paused  bool           `db:"paused"`
	Open    bool           `db:"open"` // nothing in the pool is limited, and no deployment paused
	Limit   *int32         `db:"pool_limit"`
	Used    int32          `db:"pool_used"`
	// The newest template, and the stored variables that it refers to.
	TemplateVersionID uuid.UUID        `db:"template_version_id"`
	StoredNames       database.Strings `db:"stored_names"`
}

// lockedPoolStateRow is the pool with one of its queues that have due runs, or with none.
type lockedPoolStateRow struct {
	claimPool
	QueueID  *uuid.UUID `db:"queue_id"`
	Priority *int32     `db:"priority"`
	Limit    *int32     `db:"queue_limit"`
	Used     int32      `db:"queue_used"`
}

// lockedPoolStateSQL counts slots only where there is a limit. Served by attempts_active, runs_ready and
// deployments_held.
func lockedPoolStateSQL(d database.Dialect) string {
	return `
SELECT
	` + d.Clock() + ` AS clock,
	EXISTS (SELECT 1 FROM claim_requests WHERE id = ?) AS known,
	EXISTS (
		SELECT 1
		FROM attempts a
		WHERE a.pool_id = p.id AND a.cluster_id = ? AND a.ended_at IS NULL AND a.lease_expires_at <= ` + d.NowParam() + `
	) AS expired,
	p.paused,
	p.concurrency_limit IS NULL
		AND NOT EXISTS (SELECT 1 FROM queues h WHERE h.pool_id = p.id AND h.concurrency_limit IS NOT NULL)
		AND NOT EXISTS (
			SELECT 1
			FROM deployments h
			WHERE h.pool_id = p.id AND (h.paused OR h.concurrency_limit IS NOT NULL) AND h.deleted_at IS NULL
		) AS open,
	p.concurrency_limit AS pool_limit,
	CASE WHEN p.concurrency_limit IS NULL THEN 0 ELSE
		(SELECT COUNT(*) FROM attempts a WHERE a.pool_id = p.id AND a.ended_at IS NULL)
	END AS pool_used,
	t.id AS template_version_id,
	t.stored_names,
	q.id AS queue_id,
	q.priority,
	q.concurrency_limit AS queue_limit,
	CASE WHEN q.concurrency_limit IS NULL THEN 0 ELSE
		(SELECT COUNT(*) FROM attempts a WHERE a.pool_id = p.id AND a.queue_id = q.id AND a.ended_at IS NULL)
	END AS queue_used
FROM pools p
JOIN template_versions t ON t.pool_id = p.id AND t.version = p.template_version
LEFT JOIN queues q ON q.pool_id = p.id AND NOT q.paused
	AND EXISTS (SELECT 1 FROM runs r WHERE r.queue_id = q.id AND r.ready AND r.due_at <= ` + d.NowParam() + `)
WHERE p.name = ?
	AND p.deleted_at IS NULL
ORDER BY q.priority, q.name`
}

// readLockedPoolState reads the state of the claim's pool, whose row is locked.
func (tx *Tx) readLockedPoolState(ctx context.Context, r ClaimRequest) (*lockedPoolState, error) {
	now, err := tx.db.NowArg(ctx)
	if err != nil {
		return nil, err
	}
	var rows []lockedPoolStateRow
	err = tx.db.All(ctx, &rows, lockedPoolStateSQL(tx.db.Dialect()), r.RequestID, r.ClusterID, now, now,
		r.Pool)
	if err != nil {
		return nil, fmt.Errorf("read the state of work pool %q: %w", r.Pool, err)
	}
	if len(rows) == 0 {
		return nil, &Error{Code: NotFound, Message: fmt.Sprintf("work pool %q does not exist", r.Pool)}
	}
	tx.db.AdvanceClock(rows[0].Clock)
	s := &lockedPoolState{claimPool: rows[0].claimPool}
	for _, row := range rows {
		if row.QueueID != nil {
			queue := &dueQueue{ID: *row.QueueID, Priority: *row.Priority, Limit: row.Limit, Used: row.Used}
			s.queues = append(s.queues, queue)
		}
	}
	return s, nil
}

// free is how many slots the pool's own limit leaves.
func (s *lockedPoolState) free() int {
	if s.claimPool.Limit == nil {
		return math.MaxInt32
	}
	return int(*s.claimPool.Limit - s.claimPool.Used)
}
