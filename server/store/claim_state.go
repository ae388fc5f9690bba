package store

import (
	"context"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// claimState is the state of a pool and a worker before any lock: a claim that would find nothing takes none.
type claimState struct {
	Clock       *database.Time `db:"clock"`
	SeenAt      *database.Time `db:"seen_at"`      // when the session was last heard of; nil: it does not exist
	LastRequest *uuid.UUID     `db:"last_request"` // of the session
	Lost        *string        `db:"lost"`         // what the worker said last that it cannot reach
	Paused      bool           `db:"paused"`       // the worker
	Exists      bool           `db:"pool_exists"`  // and is not deleted
	Limited     bool           `db:"limited"`      // the pool or one of its queues has a limit
	Due         bool           `db:"due"`          // a queue with a free slot has a due run of a deployment without gates
	Lines       bool           `db:"lines"`        // a queue has runs of deployments that may keep them
	Expired     bool           `db:"expired"`      // an attempt of the cluster has no lease any more
	// Draining: a pool of that name was deleted and some of its attempts have not ended.
	Draining bool `db:"draining"`
}

func (c claimState) mayClaim(r ClaimRequest) bool {
	if c.LastRequest != nil && *c.LastRequest == r.RequestID {
		return true
	}
	return r.Max > 0 && !c.Paused && (c.Expired || c.Exists && (c.Due || c.Lines))
}

func (c claimState) exclusive() bool { return c.Limited || c.Lines }

// claimStateSQL is served by ready_queue and ready_limited through the pool's queues, and by the index of sessions. Who
// claims is plain parameters: over an unnested list PostgreSQL would plan the statement anew each time, which costs
// more than to run it.
func claimStateSQL(d database.Dialect) string {
	return `
SELECT
	` + d.Clock() + ` AS clock,
	(SELECT s.seen_at FROM worker_sessions s WHERE s.id = c.session AND s.pool = c.pool AND s.worker = c.worker) AS seen_at,
	(SELECT s.last_request FROM worker_sessions s WHERE s.id = c.session) AS last_request,
	(SELECT s.lost FROM worker_sessions s WHERE s.id = c.session) AS lost,
	EXISTS (SELECT 1 FROM workers w WHERE w.pool = c.pool AND w.name = c.worker AND w.paused) AS paused,
	EXISTS (SELECT 1 FROM pools p WHERE p.name = c.pool AND p.deleted_at IS NULL) AS pool_exists,
	EXISTS (
		SELECT 1
		FROM pools p
		WHERE p.name = c.pool AND p.deleted_at IS NULL
			AND (
				p.concurrency_limit IS NOT NULL
				OR EXISTS (SELECT 1 FROM queues q WHERE q.pool_id = p.id AND q.concurrency_limit IS NOT NULL)
			)
	) AS limited,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN queues q ON q.pool_id = p.id
		WHERE p.name = c.pool AND p.deleted_at IS NULL AND NOT p.paused AND NOT q.paused
			AND EXISTS (
				SELECT 1 FROM ready w WHERE w.queue_id = q.id AND NOT w.limited AND w.due_at <= ` + d.NowParam() + `
			)
			AND ` + poolFreeSQL + `
			AND ` + queueFreeSQL + `
	) AS due,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN queues q ON q.pool_id = p.id
		WHERE p.name = c.pool AND p.deleted_at IS NULL AND NOT p.paused AND NOT q.paused
			AND EXISTS (SELECT 1 FROM ready w WHERE w.queue_id = q.id AND w.limited)
			AND ` + poolFreeSQL + `
			AND ` + queueFreeSQL + `
	) AS lines,
	EXISTS (
		SELECT 1
		FROM worker_sessions s
		WHERE s.pool = c.pool AND s.cluster_id = c.cluster AND s.expires_at <= ` + d.NowParam() + ` AND s.id <> c.session
			AND EXISTS (SELECT 1 FROM live l WHERE l.session_id = s.id)
	) OR EXISTS (
		SELECT 1
		FROM pools p
		JOIN live l ON l.pool_id = p.id AND l.cluster_id = c.cluster AND l.session_id IS NULL
		WHERE p.name = c.pool
	) AS expired,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN live l ON l.pool_id = p.id
		WHERE p.name = c.pool AND p.deleted_at IS NOT NULL
	) AS draining
FROM (SELECT ` + d.Param("uuid") + ` AS session, ` + d.Param("text") + ` AS pool, ` + d.Param("text") + ` AS worker, ` +
		d.Param("text") + ` AS cluster) AS c`
}

// poolFreeSQL and queueFreeSQL are whether the limits of pool p and queue q leave a slot.
const (
	poolFreeSQL = `(
				p.concurrency_limit IS NULL
				OR (SELECT COUNT(*) FROM live l WHERE l.pool_id = p.id) < p.concurrency_limit
			)`
	queueFreeSQL = `(
				q.concurrency_limit IS NULL
				OR (SELECT COUNT(*) FROM live l WHERE l.pool_id = p.id AND l.queue_id = q.id) < q.concurrency_limit
			)`
)

// readClaimState reads in one statement what a claim depends on, and notes that the worker is alive.
func (s *Store) readClaimState(ctx context.Context, r ClaimRequest) (claimState, error) {
	var state claimState
	reader := s.session()
	now, err := reader.db.NowArg(ctx)
	if err != nil {
		return state, err
	}
	query := claimStateSQL(s.db.Dialect())
	if err := reader.db.Get(ctx, &state, query, now, now, r.Session, r.Pool, r.Worker, r.ClusterID); err != nil {
		return state, fmt.Errorf("read the state of work pool %q: %w", r.Pool, err)
	}

	if !state.Exists && !state.Expired && !state.Draining && r.Max > 0 && !state.Paused {
		return state, &Error{Code: NotFound, Message: fmt.Sprintf("work pool %q does not exist", r.Pool)}
	}
	if state.SeenAt == nil {
		return state, sessionUnknown(r.session())
	}
	if state.Lines {
		lines, err := reader.freeLinesOfPool(ctx, r.Pool)
		if err != nil {
			return state, err
		}
		state.Lines = len(lines) > 0
	}

	reader.db.AdvanceClock(state.Clock)
	at, err := reader.db.Now(ctx)
	if err != nil {
		return state, err
	}
	return state, s.seen(ctx, r, state, at)
}

// claimPool is the state of a pool that is locked: all that a claim decides from, read by one statement.
type claimPool struct {
	claimPoolRow
	queues []*dueQueue
}

type claimPoolRow struct {
	Clock  *database.Time `db:"clock"`
	ID     *uuid.UUID     `db:"pool_id"` // nil: there is none of that name
	Paused bool           `db:"paused"`
	Limit  *int32         `db:"pool_limit"`
	Used   int32          `db:"pool_used"`
	// The newest template, and the stored variables that it refers to.
	TemplateVersionID uuid.UUID        `db:"template_version_id"`
	StoredNames       database.Strings `db:"stored_names"`
}

// claimQueueRow is the pool with one of its queues that have something, or with none.
type claimQueueRow struct {
	claimPoolRow
	QueueID  *uuid.UUID `db:"queue_id"`
	Priority *int32     `db:"priority"`
	Limit    *int32     `db:"queue_limit"`
	Used     int32      `db:"queue_used"`
	Lines    bool       `db:"lines"`
}

// claimPoolSQL counts slots only where there is a limit. Served by live_queue, ready_queue and ready_limited.
func claimPoolSQL(d database.Dialect) string {
	return `
SELECT
	` + d.Clock() + ` AS clock,
	p.id AS pool_id, p.paused, p.concurrency_limit AS pool_limit,
	CASE WHEN p.concurrency_limit IS NULL THEN 0 ELSE
		(SELECT COUNT(*) FROM live l WHERE l.pool_id = p.id)
	END AS pool_used,
	t.id AS template_version_id, t.stored_names,
	q.id AS queue_id, q.priority, q.concurrency_limit AS queue_limit,
	CASE WHEN q.concurrency_limit IS NULL THEN 0 ELSE
		(SELECT COUNT(*) FROM live l WHERE l.pool_id = p.id AND l.queue_id = q.id)
	END AS queue_used,
	COALESCE(q.lines, FALSE) AS lines
FROM pools p
JOIN template_versions t ON t.pool_id = p.id AND t.version = p.template_version
LEFT JOIN (
	SELECT
		q.*,
		EXISTS (SELECT 1 FROM ready w WHERE w.queue_id = q.id AND NOT w.limited AND w.due_at <= ` + d.NowParam() + `) AS due,
		EXISTS (SELECT 1 FROM ready w WHERE w.queue_id = q.id AND w.limited) AS lines
	FROM queues q
) AS q ON q.pool_id = p.id AND NOT q.paused AND (q.due OR q.lines)
WHERE p.name = ?
	AND p.deleted_at IS NULL
ORDER BY q.priority, q.name`
}

// readClaimPool reads the state of the claim's pool, which is locked. A pool that does not exist is not an error: the
// attempts of a deleted one are taken over, so that they end.
func (tx *Tx) readClaimPool(ctx context.Context, r ClaimRequest) (*claimPool, error) {
	now, err := tx.db.NowArg(ctx)
	if err != nil {
		return nil, err
	}
	var rows []claimQueueRow
	if err := tx.db.All(ctx, &rows, claimPoolSQL(tx.db.Dialect()), now, r.Pool); err != nil {
		return nil, fmt.Errorf("read the state of work pool %q: %w", r.Pool, err)
	}
	pool := &claimPool{}
	if len(rows) == 0 {
		return pool, nil
	}
	tx.db.AdvanceClock(rows[0].Clock)
	pool.claimPoolRow = rows[0].claimPoolRow
	for _, row := range rows {
		if row.QueueID != nil {
			pool.queues = append(pool.queues, &dueQueue{
				ID: *row.QueueID, Priority: *row.Priority, Limit: row.Limit, Used: row.Used, Lines: row.Lines,
			})
		}
	}
	return pool, nil
}

func (p *claimPool) exists() bool { return p.ID != nil }

// needsExclusive reports whether a claim has to have the pool for itself: to count slots, or to serve queues of the
// same priority together by due time.
func (p *claimPool) needsExclusive() bool {
	if p.Limit != nil {
		return true
	}
	last := int32(math.MinInt32)
	for _, q := range p.queues {
		if q.Limit != nil || q.Priority == last {
			return true
		}
		last = q.Priority
	}
	return false
}

// free is how many slots the pool's own limit leaves.
func (p *claimPool) free() int {
	if p.Limit == nil {
		return math.MaxInt32
	}
	return int(*p.Limit - p.Used)
}
