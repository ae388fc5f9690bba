package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// pick selects up to limit due runs that no limit blocks, ordered by the priority of their queue, then by due
// time. The pool's row is locked, so no other claim takes slots meanwhile.
//
// A blocked run never hides another: each queue is scanned once along runs_ready, and later batches exclude
// deployments that are paused or at their limit.
func (tx *Tx) pick(ctx context.Context, state *lockedPoolState, limit int) ([]uuid.UUID, error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	queues := state.queues
	p := &picker{tx: tx, now: now, want: min(limit, state.free()), free: map[uuid.UUID]int{}}
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

// dueQueue is a queue with runs that are due, read a batch at a time.
type dueQueue struct {
	ID       uuid.UUID
	Priority int32
	Limit    *int32
	Used     int32

	ready     []readyRow // read, not yet considered
	after     *readyRow  // the last row read
	batch     int
	exhausted bool
}

// readyRow is a run that is due.
type readyRow struct {
	ID           uuid.UUID     `db:"id"`
	DeploymentID uuid.UUID     `db:"deployment_id"`
	DueAt        database.Time `db:"due_at"`
}

func (r readyRow) before(other readyRow) bool {
	if c := r.DueAt.Time().Compare(other.DueAt.Time()); c != 0 {
		return c < 0
	}
	return r.ID.String() < other.ID.String()
}

// free reports whether the queue's own limit leaves a slot.
func (q *dueQueue) free() bool { return q.Limit == nil || q.Used < *q.Limit }

const (
	firstBatch = 64
	lastBatch  = 4096
)

// picker selects runs for one claim.
type picker struct {
	tx      *Tx
	now     time.Time
	want    int
	free    map[uuid.UUID]int // free slots by deployment
	blocked []uuid.UUID       // deployments without a free slot
	picked  []uuid.UUID
}

// pickByDueTime picks runs from queues of the same priority, earliest due time first.
func (p *picker) pickByDueTime(ctx context.Context, queues []*dueQueue) error {
	for p.want > 0 {
		var next *dueQueue
		for _, q := range queues {
			if !q.free() {
				continue
			}
			if err := p.fill(ctx, q); err != nil {
				return err
			}
			if len(q.ready) > 0 && (next == nil || q.ready[0].before(next.ready[0])) {
				next = q
			}
		}
		if next == nil {
			return nil
		}
		run := next.ready[0]
		next.ready = next.ready[1:]
		p.take(next, run)
	}
	return nil
}

// take picks a run unless its deployment has no free slot.
func (p *picker) take(q *dueQueue, run readyRow) {
	if p.free[run.DeploymentID] <= 0 {
		return
	}
	p.picked = append(p.picked, run.ID)
	p.want--
	q.Used++
	p.free[run.DeploymentID]--
	if p.free[run.DeploymentID] == 0 {
		p.blocked = append(p.blocked, run.DeploymentID)
	}
}

const (
	readyFromSQL = `
SELECT r.id, r.deployment_id, r.due_at
FROM runs r
WHERE r.queue_id = ?
	AND r.ready
	AND r.due_at <= ?`
	readyAfterSQL = `
	AND (r.due_at, r.id) > (?, ?)`
	readyFreeSQL = `
	AND r.deployment_id NOT IN `
	readyOrderSQL = `
ORDER BY r.due_at, r.id
LIMIT ?`
)

// fill reads the next batch of a queue once the last is used up. Batches grow, because a queue may be full of
// runs whose deployments are all blocked.
func (p *picker) fill(ctx context.Context, q *dueQueue) error {
	for len(q.ready) == 0 && !q.exhausted {
		q.batch = min(max(q.batch*4, firstBatch, p.want), lastBatch)
		query, args := readyFromSQL, []any{q.ID, p.now}
		if q.after != nil {
			query, args = query+readyAfterSQL, append(args, q.after.DueAt, q.after.ID)
		}
		if len(p.blocked) > 0 {
			list := database.ListOf(p.blocked)
			query, args = query+readyFreeSQL+p.tx.db.Dialect().List("uuid"), append(args, list)
		}
		var rows []readyRow
		if err := p.tx.db.All(ctx, &rows, query+readyOrderSQL, append(args, q.batch)...); err != nil {
			return fmt.Errorf("list due runs: %w", err)
		}
		q.exhausted = len(rows) < q.batch
		if len(rows) > 0 {
			q.after = &rows[len(rows)-1]
		}
		if err := p.readDeploymentSlots(ctx, rows); err != nil {
			return err
		}
		for _, r := range rows {
			if p.free[r.DeploymentID] > 0 {
				q.ready = append(q.ready, r)
			}
		}
	}
	return nil
}

const deploymentsFreeSQL = `
SELECT
	d.id, d.paused, d.concurrency_limit,
	CASE WHEN d.concurrency_limit IS NULL THEN 0 ELSE
		(SELECT COUNT(*) FROM attempts a WHERE a.deployment_id = d.id AND a.ended_at IS NULL)
	END AS used
FROM deployments d
WHERE d.id IN `

// readDeploymentSlots reads the free slots of deployments that appear for the first time.
func (p *picker) readDeploymentSlots(ctx context.Context, rows []readyRow) error {
	var unknown []uuid.UUID
	for _, r := range rows {
		if _, ok := p.free[r.DeploymentID]; !ok {
			p.free[r.DeploymentID] = 0
			unknown = append(unknown, r.DeploymentID)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	list := database.ListOf(unknown)
	var deployments []struct {
		ID     uuid.UUID `db:"id"`
		Paused bool      `db:"paused"`
		Limit  *int32    `db:"concurrency_limit"`
		Used   int32     `db:"used"`
	}
	if err := p.tx.db.All(ctx, &deployments, deploymentsFreeSQL+p.tx.db.Dialect().List("uuid"), list); err != nil {
		return fmt.Errorf("count the slots of deployments: %w", err)
	}
	for _, d := range deployments {
		switch {
		case d.Paused:
		case d.Limit == nil:
			p.free[d.ID] = math.MaxInt32
		default:
			p.free[d.ID] = int(max(*d.Limit-d.Used, 0))
		}
		if p.free[d.ID] == 0 {
			p.blocked = append(p.blocked, d.ID)
		}
	}
	return nil
}
