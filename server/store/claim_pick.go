package store

import (
	"context"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// dueRun is a run in ready that is due and locked, with what its worker needs.
type dueRun struct {
	lockedRun
	// Size is that of Parameters and JobVariables, in bytes, which are read with the lock only where they are small.
	Size          int              `db:"size"`
	Name          string           `db:"name"`
	StoredNames   database.Strings `db:"stored_names"`
	ScheduledTime database.Time    `db:"scheduled_time"`
	Timezone      string           `db:"timezone"`
	Tags          database.Strings `db:"tags"`
	Parameters    database.JSON    `db:"parameters"`
	JobVariables  database.JSON    `db:"job_variables"`
	// FrozenRevisionID is the current revision of the deployment: what it freezes holds for the next attempt.
	FrozenRevisionID uuid.UUID `db:"frozen_revision_id"`
	// Gated: the deployment may keep its runs from being claimed.
	Gated bool `db:"gated"`
}

const (
	sizeOfRunSQL = "OCTET_LENGTH(r.parameters) + OCTET_LENGTH(r.job_variables)"
	smallRunSQL  = sizeOfRunSQL + " <= 8192"
)

// dueColumns are a dueRun: w in ready, its run r and its deployment d.
const dueColumns = readyColumns + `,
	r.name, r.stored_names, r.scheduled_time, r.timezone, r.tags, ` + sizeOfRunSQL + ` AS size,
	CASE WHEN ` + smallRunSQL + ` THEN r.parameters END AS parameters,
	CASE WHEN ` + smallRunSQL + ` THEN r.job_variables END AS job_variables,
	d.revision_id AS frozen_revision_id, ` + deploymentGatedSQL + ` AS gated`

// pick locks up to limit due runs that no limit and no pause blocks, by the priority of their queue, then by due time.
// Without the pool for itself, it takes only runs of deployments without a limit.
func (tx *Tx) pick(ctx context.Context, pool *claimPool, limit int, exclusive bool) ([]*dueRun, error) {
	p := &picker{tx: tx, exclusive: exclusive, want: min(limit, pool.free())}
	if exclusive {
		if err := p.readLines(ctx, pool.withLines()); err != nil {
			return nil, err
		}
	}
	queues := pool.queues
	for len(queues) > 0 && p.want > 0 {
		n := 1 // queues of the same priority compete by due time
		for n < len(queues) && queues[n].Priority == queues[0].Priority {
			n++
		}
		if err := p.pickByDueTime(ctx, queues[:n]); err != nil {
			return nil, err
		}
		queues = queues[n:]
	}
	return p.picked, nil
}

// dueQueue is a queue that has something for a claim.
type dueQueue struct {
	ID       uuid.UUID
	Priority int32
	Limit    *int32
	Used     int32
	Lines    bool // it has runs of deployments that may keep them
}

// free is how many slots the queue's own limit leaves.
func (q *dueQueue) free() int {
	if q.Limit == nil {
		return math.MaxInt32
	}
	return int(*q.Limit - q.Used)
}

func (p *claimPool) withLines() []uuid.UUID {
	var ids []uuid.UUID
	for _, q := range p.queues {
		if q.Lines {
			ids = append(ids, q.ID)
		}
	}
	return ids
}

// picker locks runs for one claim.
type picker struct {
	tx        *Tx
	exclusive bool // the claim has the pool for itself
	want      int
	lines     []freeLine // of all queues
	picked    []*dueRun
}

// pickByDueTime picks runs from queues of the same priority, earliest due time first.
func (p *picker) pickByDueTime(ctx context.Context, queues []*dueQueue) error {
	var candidates []*dueRun
	free := make(map[uuid.UUID]int, len(queues))
	for _, q := range queues {
		free[q.ID] = q.free()
		n := min(p.want, q.free())
		if n <= 0 {
			continue
		}
		open, err := p.walk(ctx, q.ID, n)
		if err != nil {
			return err
		}
		lines, err := p.fromLines(ctx, q.ID, n)
		if err != nil {
			return err
		}
		candidates = append(append(candidates, open...), lines...)
	}
	inOrder(candidates)
	for _, run := range candidates {
		if p.want == 0 {
			break
		}
		if free[run.QueueID] > 0 {
			free[run.QueueID]--
			p.want--
			p.picked = append(p.picked, run)
		}
	}
	return nil
}

// walkSQL locks due runs of deployments without gates, in the order of the claim and not of their IDs: a statement that
// skips locked rows cannot deadlock. Served by ready_queue.
func walkSQL(d database.Dialect) string {
	return `
SELECT
	` + d.RowClock() + ` AS clock,` + dueColumns + `
FROM ready w
JOIN runs r ON r.id = w.run_id
JOIN deployments d ON d.id = w.deployment_id
WHERE w.queue_id = ?
	AND NOT w.limited
	AND w.due_at <= ` + d.NowParam() + `
ORDER BY w.due_at, w.run_id
LIMIT ?` + d.Lock("FOR UPDATE OF w SKIP LOCKED")
}

// walk locks the first n runs of a queue that nothing keeps. Runs that it meets of deployments that have got a limit or a
// pause, or were deleted, it moves out of the way of later claims, if it has the pool for itself.
func (p *picker) walk(ctx context.Context, queue uuid.UUID, n int) ([]*dueRun, error) {
	for {
		now, err := p.tx.db.NowArg(ctx)
		if err != nil {
			return nil, err
		}
		var rows []*dueRun
		if err := database.AllRecords(ctx, p.tx.db.Reader, &rows, walkSQL(p.tx.db.Dialect()), queue, now, n); err != nil {
			return nil, fmt.Errorf("lock due runs: %w", err)
		}
		gated := map[uuid.UUID]bool{}
		open := rows[:0]
		for _, row := range rows {
			if row.Gated {
				gated[row.DeploymentID] = true
			} else {
				open = append(open, row)
			}
		}
		if len(gated) == 0 {
			return open, nil
		}
		if !p.exclusive {
			return nil, errNeedsPool
		}
		if err := p.tx.markLimited(ctx, queue, gated); err != nil {
			return nil, err
		}
		if err := p.readLines(ctx, []uuid.UUID{queue}); err != nil {
			return nil, err
		}
	}
}

// markBatch bounds the rows that a claim moves to the index of limited runs at once.
const markBatch = 5000

func markLimitedSQL(d database.Dialect) string {
	return `
UPDATE ready
SET limited = TRUE
WHERE (deployment_id, run_id) IN (
		SELECT w.deployment_id, w.run_id
		FROM ready w
		WHERE w.deployment_id = ? AND w.queue_id = ? AND NOT w.limited
		ORDER BY w.run_id
		LIMIT ?` + d.Lock("FOR UPDATE SKIP LOCKED") + `
	)`
}

func (tx *Tx) markLimited(ctx context.Context, queue uuid.UUID, deployments map[uuid.UUID]bool) error {
	for id := range deployments {
		if _, err := tx.db.Exec(ctx, markLimitedSQL(tx.db.Dialect()), id, queue, markBatch); err != nil {
			return fmt.Errorf("mark the due runs of a deployment with a limit: %w", err)
		}
	}
	return nil
}
