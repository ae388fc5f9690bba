package store

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// Stats holds the figures that the metrics export. Reading them does not depend on the number of finished
// runs.
type Stats struct {
	Runs      []RunCount
	OldestDue []QueueAge
	Slots     []SlotCount
	Workers   []WorkerCount
	// ScheduleLag is for how long the schedule that is due longest has been.
	ScheduleLag time.Duration
	// FailingSchedules are those whose newest slot could not create its run.
	FailingSchedules []FailingSchedules
	Deliveries       DeliveryStats
}

// FailingSchedules counts schedules of the deployments of a pool.
type FailingSchedules struct {
	Pool  string `db:"pool"`
	Count int64  `db:"count"`
}

// RunCount counts the runs of a queue in a state that is not terminal.
type RunCount struct {
	Pool  string
	Queue string
	State lifecycle.StateType
	Count int64
}

// QueueAge is how long the oldest due, unclaimed run of a queue has waited.
type QueueAge struct {
	Pool  string
	Queue string
	Age   time.Duration
}

// SlotCount is how many slots are used, of a pool (Queue empty) or of a queue.
type SlotCount struct {
	Pool  string
	Queue string
	Used  int64
	Limit *int32 // nil: no limit
}

// WorkerCount counts a pool's workers: alive were heard of within WorkerAliveFor.
type WorkerCount struct {
	Pool     string
	Alive    int64
	Gone     int64
	LastSeen time.Duration // since the freshest was heard of
}

// WorkerAliveFor is how long a worker counts as alive after it was last heard of. Claim polls last half of it
// at most.
const WorkerAliveFor = time.Minute

// Finished runs are not looked at.
const (
	// fromFailingSQL leaves out schedules that rest: they create nothing, whatever they say.
	fromFailingSQL = `
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id
JOIN pools p ON p.id = d.pool_id
WHERE s.failing
	AND s.active
	AND NOT d.paused
	AND d.deleted_at IS NULL`
	failingSchedulesSQL = `
SELECT p.name AS pool, COUNT(*) AS count` + fromFailingSQL + `
GROUP BY p.name
ORDER BY p.name`
	runCountsSQL = `
SELECT p.name AS pool, q.name AS queue, c.state_type, c.n AS count
FROM (
	SELECT queue_id, 'SCHEDULED' AS state_type, COUNT(*) AS n
	FROM ready
	GROUP BY queue_id
	UNION ALL
	SELECT queue_id, state_type, COUNT(*)
	FROM live
	GROUP BY queue_id, state_type
) AS c
JOIN queues q ON q.id = c.queue_id
JOIN pools p ON p.id = q.pool_id
ORDER BY p.name, q.name, c.state_type`
	// oldestOfQueueSQL is served by ready_queue, and reads the runs of deployments with a limit, as few as there are of these,
	// by ready_limited.
	oldestOfQueueSQL = `
		SELECT MIN(f.due_at)
		FROM (
			SELECT (
					SELECT w.due_at
					FROM ready w
					WHERE w.queue_id = q.id AND NOT w.limited
					ORDER BY w.due_at
					LIMIT 1
				) AS due_at
			UNION ALL
			SELECT MIN(w.due_at)
			FROM ready w
			WHERE w.queue_id = q.id AND w.limited
		) AS f`
	oldestDueSQL = `
SELECT p.name AS pool, q.name AS queue, (` + oldestOfQueueSQL + `
	) AS due_at
FROM queues q
JOIN pools p ON p.id = q.pool_id
WHERE p.deleted_at IS NULL
	AND q.deleted_at IS NULL
ORDER BY p.name, q.name`
	poolSlotsSQL = `
SELECT p.name AS pool, '' AS queue, p.concurrency_limit,
	(SELECT COUNT(*) FROM live l WHERE l.pool_id = p.id) AS used
FROM pools p
WHERE p.deleted_at IS NULL
UNION ALL
SELECT p.name, q.name, q.concurrency_limit,
	(SELECT COUNT(*) FROM live l WHERE l.pool_id = p.id AND l.queue_id = q.id)
FROM queues q
JOIN pools p ON p.id = q.pool_id
WHERE p.deleted_at IS NULL
	AND q.deleted_at IS NULL
ORDER BY 1, 2`
	workerTimesSQL = `
SELECT w.pool, COALESCE(MAX(s.seen_at), w.greeted_at) AS last_seen_at
FROM workers w
LEFT JOIN worker_sessions s ON s.pool = w.pool AND s.worker = w.name
GROUP BY w.pool, w.name, w.greeted_at
ORDER BY w.pool, w.name`
)

// GetStats returns the figures that the metrics export.
func (q Reader) GetStats(ctx context.Context) (*Stats, error) {
	now, err := q.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	var st Stats
	if st.Runs, err = q.runCounts(ctx); err != nil {
		return nil, fmt.Errorf("count runs: %w", err)
	}
	if st.OldestDue, err = q.oldestDue(ctx, now); err != nil {
		return nil, fmt.Errorf("find the oldest due runs: %w", err)
	}
	if st.Slots, err = q.slots(ctx); err != nil {
		return nil, fmt.Errorf("count slots: %w", err)
	}
	if st.Workers, err = q.workerCounts(ctx, now); err != nil {
		return nil, fmt.Errorf("count workers: %w", err)
	}
	if st.ScheduleLag, err = q.GetScheduleLag(ctx); err != nil {
		return nil, err
	}
	if err := q.db.All(ctx, &st.FailingSchedules, failingSchedulesSQL); err != nil {
		return nil, fmt.Errorf("count failing schedules: %w", err)
	}
	if st.Deliveries, err = q.deliveryStats(ctx, now); err != nil {
		return nil, err
	}
	return &st, nil
}

func (q Reader) runCounts(ctx context.Context) ([]RunCount, error) {
	var rows []struct {
		Pool  string              `db:"pool"`
		Queue string              `db:"queue"`
		State lifecycle.StateType `db:"state_type"`
		Count int64               `db:"count"`
	}
	if err := q.db.All(ctx, &rows, runCountsSQL); err != nil {
		return nil, err
	}
	counts := make([]RunCount, len(rows))
	for i, r := range rows {
		counts[i] = RunCount(r)
	}
	return counts, nil
}

func (q Reader) oldestDue(ctx context.Context, now time.Time) ([]QueueAge, error) {
	var rows []struct {
		Pool  string         `db:"pool"`
		Queue string         `db:"queue"`
		DueAt *database.Time `db:"due_at"`
	}
	if err := q.db.All(ctx, &rows, oldestDueSQL); err != nil {
		return nil, err
	}
	ages := make([]QueueAge, len(rows))
	for i, r := range rows {
		ages[i] = QueueAge{Pool: r.Pool, Queue: r.Queue}
		if r.DueAt != nil {
			ages[i].Age = max(now.Sub(r.DueAt.Time()), 0)
		}
	}
	return ages, nil
}

func (q Reader) slots(ctx context.Context) ([]SlotCount, error) {
	var rows []struct {
		Pool  string `db:"pool"`
		Queue string `db:"queue"`
		Limit *int32 `db:"concurrency_limit"`
		Used  int64  `db:"used"`
	}
	if err := q.db.All(ctx, &rows, poolSlotsSQL); err != nil {
		return nil, err
	}
	slots := make([]SlotCount, len(rows))
	for i, r := range rows {
		slots[i] = SlotCount{Pool: r.Pool, Queue: r.Queue, Used: r.Used, Limit: r.Limit}
	}
	return slots, nil
}

func (q Reader) workerCounts(ctx context.Context, now time.Time) ([]WorkerCount, error) {
	var rows []struct {
		Pool       string        `db:"pool"`
		LastSeenAt database.Time `db:"last_seen_at"`
	}
	if err := q.db.All(ctx, &rows, workerTimesSQL); err != nil {
		return nil, err
	}
	var counts []WorkerCount
	for _, r := range rows {
		since := max(now.Sub(r.LastSeenAt.Time()), 0)
		if len(counts) == 0 || counts[len(counts)-1].Pool != r.Pool {
			counts = append(counts, WorkerCount{Pool: r.Pool, LastSeen: since})
		}
		c := &counts[len(counts)-1]
		c.LastSeen = min(c.LastSeen, since)
		if since <= WorkerAliveFor {
			c.Alive++
		} else {
			c.Gone++
		}
	}
	return counts, nil
}
