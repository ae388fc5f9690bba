package store

import (
	"context"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// lockedPoolState is how a pool stands once its row is locked: all that a claim decides from, read by one statement.
type lockedPoolState struct {
	lockedPool
	queues []*dueQueue
}

type lockedPool struct {
	Clock   *database.Time `db:"clock"`
	Known   bool           `db:"known"`   // the request was answered before
	Expired bool           `db:"expired"` // some lease of the cluster has run out
	Paused  bool           `db:"paused"`
	Open    bool           `db:"open"` // nothing in the pool is limited, and no deployment paused
	Limit   *int32         `db:"pool_limit"`
	Used    int32          `db:"pool_used"`
	// The newest template, and the stored variables that it refers to.
	TemplateVersionID uuid.UUID        `db:"template_version_id"`
	StoredNames       database.Strings `db:"stored_names"`
}

// lockedPoolStateRow is the pool with one of its lanes, or with none.
type lockedPoolStateRow struct {
	lockedPool
	LaneID   *uuid.UUID `db:"lane_id"`
	Priority *int32     `db:"priority"`
	Limit    *int32     `db:"lane_limit"`
	Used     int32      `db:"lane_used"`
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
	q.id AS lane_id,
	q.priority,
	q.concurrency_limit AS lane_limit,
	CASE WHEN q.concurrency_limit IS NULL THEN 0 ELSE
		(SELECT COUNT(*) FROM attempts a WHERE a.pool_id = p.id AND a.queue_id = q.id AND a.ended_at IS NULL)
	END AS lane_used
FROM pools p
JOIN template_versions t ON t.pool_id = p.id AND t.version = p.template_version
LEFT JOIN queues q ON q.pool_id = p.id AND NOT q.paused
	AND EXISTS (SELECT 1 FROM runs r WHERE r.queue_id = q.id AND r.ready AND r.due_at <= ` + d.NowParam() + `)
WHERE p.name = ?
	AND p.deleted_at IS NULL
ORDER BY q.priority, q.name`
}

// lockedPoolState looks at the pool of a claim, whose row is locked.
func (tx *Tx) readLockedPoolState(ctx context.Context, r ClaimRequest) (*lockedPoolState, error) {
	now, err := tx.db.NowArg(ctx)
	if err != nil {
		return nil, err
	}
	var rows []lockedPoolStateRow
	if err := tx.db.All(ctx, &rows, lockedPoolStateSQL(tx.db.Dialect()), r.RequestID, r.ClusterID, now, now, r.Pool); err != nil {
		return nil, fmt.Errorf("look at work pool %q: %w", r.Pool, err)
	}
	if len(rows) == 0 {
		return nil, &Error{Code: NotFound, Message: fmt.Sprintf("work pool %q does not exist", r.Pool)}
	}
	tx.db.AdvanceClock(rows[0].Clock)
	s := &lockedPoolState{lockedPool: rows[0].lockedPool}
	for _, row := range rows {
		if row.LaneID != nil {
			s.queues = append(
				s.queues,
				&dueQueue{ID: *row.LaneID, Priority: *row.Priority, Limit: row.Limit, Used: row.Used},
			)
		}
	}
	return s, nil
}

// free is how many slots the pool's own limit leaves.
func (s *lockedPoolState) free() int {
	if s.lockedPool.Limit == nil {
		return math.MaxInt32
	}
	return int(*s.lockedPool.Limit - s.lockedPool.Used)
}
