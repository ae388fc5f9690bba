package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// pick chooses up to max runs that are due and that no limit holds back: by the priority of their queue, then
// by due time. The pool's row is locked, so nobody else takes slots meanwhile.
//
// A run that is held back never hides another: each queue is walked once along runs_ready, and a deployment
// found to be paused or at its limit is left out of everything that is read after.
func (tx *Tx) pick(ctx context.Context, stand *lockedPoolState, most int) ([]uuid.UUID, error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	lanes := stand.queues
	w := &walk{tx: tx, now: now, want: min(most, stand.free()), free: map[uuid.UUID]int{}}
	for len(lanes) > 0 && w.want > 0 {
		n := 1 // queues of the same priority are one line
		for n < len(lanes) && lanes[n].Priority == lanes[0].Priority {
			n++
		}
		if err := w.through(ctx, lanes[:n]); err != nil {
			return nil, err
		}
		lanes = lanes[n:]
	}
	return w.picked, nil
}

// dueQueue is a queue with runs that are due, read a batch at a time.
type dueQueue struct {
	ID       uuid.UUID
	Priority int32
	Limit    *int32
	Used     int32

	ready []readyRow // read, not yet looked at
	after *readyRow  // the last one read
	batch int
	dry   bool
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
func (l *dueQueue) free() bool { return l.Limit == nil || l.Used < *l.Limit }

const (
	firstBatch = 64
	lastBatch  = 4096
)

// walk is one pass over lanes.
type walk struct {
	tx      *Tx
	now     time.Time
	want    int
	free    map[uuid.UUID]int // slots that a deployment has left
	blocked []uuid.UUID       // deployments with none
	picked  []uuid.UUID
}

// through takes what may be taken from lanes of one priority, the longest due first.
func (w *walk) through(ctx context.Context, lanes []*dueQueue) error {
	for w.want > 0 {
		var next *dueQueue
		for _, l := range lanes {
			if !l.free() {
				continue
			}
			if err := w.fill(ctx, l); err != nil {
				return err
			}
			if len(l.ready) > 0 && (next == nil || l.ready[0].before(next.ready[0])) {
				next = l
			}
		}
		if next == nil {
			return nil
		}
		run := next.ready[0]
		next.ready = next.ready[1:]
		w.take(next, run)
	}
	return nil
}

// take picks a run unless its deployment holds it back.
func (w *walk) take(l *dueQueue, run readyRow) {
	if w.free[run.DeploymentID] <= 0 {
		return
	}
	w.picked = append(w.picked, run.ID)
	w.want--
	l.Used++
	w.free[run.DeploymentID]--
	if w.free[run.DeploymentID] == 0 {
		w.blocked = append(w.blocked, run.DeploymentID)
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

// fill reads on where everything read so far has been looked at. Batches grow, for a lane full of runs of
// many deployments that are all held back.
func (w *walk) fill(ctx context.Context, l *dueQueue) error {
	for len(l.ready) == 0 && !l.dry {
		l.batch = min(max(l.batch*4, firstBatch, w.want), lastBatch)
		query, args := readyFromSQL, []any{l.ID, w.now}
		if l.after != nil {
			query, args = query+readyAfterSQL, append(args, l.after.DueAt, l.after.ID)
		}
		if len(w.blocked) > 0 {
			list := database.ListOf(w.blocked)
			query, args = query+readyFreeSQL+w.tx.db.Dialect().List("uuid"), append(args, list)
		}
		var rows []readyRow
		if err := w.tx.db.All(ctx, &rows, query+readyOrderSQL, append(args, l.batch)...); err != nil {
			return fmt.Errorf("list due runs: %w", err)
		}
		l.dry = len(rows) < l.batch
		if len(rows) > 0 {
			l.after = &rows[len(rows)-1]
		}
		if err := w.learn(ctx, rows); err != nil {
			return err
		}
		for _, r := range rows {
			if w.free[r.DeploymentID] > 0 {
				l.ready = append(l.ready, r)
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

// learn finds out how many slots are left to the deployments that were not seen before.
func (w *walk) learn(ctx context.Context, rows []readyRow) error {
	var unknown []uuid.UUID
	for _, r := range rows {
		if _, ok := w.free[r.DeploymentID]; !ok {
			w.free[r.DeploymentID] = 0
			unknown = append(unknown, r.DeploymentID)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	list := database.ListOf(unknown)
	var found []struct {
		ID     uuid.UUID `db:"id"`
		Paused bool      `db:"paused"`
		Limit  *int32    `db:"concurrency_limit"`
		Used   int32     `db:"used"`
	}
	if err := w.tx.db.All(ctx, &found, deploymentsFreeSQL+w.tx.db.Dialect().List("uuid"), list); err != nil {
		return fmt.Errorf("count the slots of deployments: %w", err)
	}
	for _, d := range found {
		switch {
		case d.Paused:
		case d.Limit == nil:
			w.free[d.ID] = math.MaxInt32
		default:
			w.free[d.ID] = int(max(*d.Limit-d.Used, 0))
		}
		if w.free[d.ID] == 0 {
			w.blocked = append(w.blocked, d.ID)
		}
	}
	return nil
}
