package store

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

// Trouble is what is not well now, beside runs that failed.
type Trouble struct {
	Schedules []FailingSchedule
	Pools     []PoolWithoutWorker
	// Deployments are those of the names asked for that exist.
	Deployments map[string]bool
	Now         time.Time // the database's time
}

// FailingSchedule is a schedule whose newest slot could not create its run.
type FailingSchedule struct {
	Name       string
	Deployment string
	Pool       string
	Tags       []string
	Reason     string
	Since      *time.Time
}

// PoolWithoutWorker is a pool in which a run has waited for some time, and no worker is alive.
type PoolWithoutWorker struct {
	Pool      string
	WaitingAt time.Time  // since when the run waits that waits longest
	LastSeen  *time.Time // when a worker was last heard of; nil: never
}

const (
	failingListSQL = `
SELECT s.name, d.name AS deployment, p.name AS pool, d.tags, s.last_error, s.last_error_at` + fromFailingSQL + `
ORDER BY d.name, s.name
LIMIT ?`
	// waitingPoolsSQL is served by ready_queue and ready_limited.
	waitingPoolsSQL = `
SELECT p.name AS pool, (
		SELECT MIN(w.due_at)
		FROM ready w
		JOIN queues q ON q.id = w.queue_id
		JOIN deployments d ON d.id = w.deployment_id
		WHERE q.pool_id = p.id
			AND NOT q.paused
			AND NOT d.paused
			AND w.due_at <= ?
	) AS waiting_at, (
		SELECT MAX(COALESCE(s.seen_at, k.greeted_at))
		FROM workers k
		LEFT JOIN worker_sessions s ON s.pool = k.pool AND s.worker = k.name
		WHERE k.pool = p.name
	) AS last_seen
FROM pools p
WHERE p.deleted_at IS NULL
	AND NOT p.paused
ORDER BY p.name`
	existingDeploymentsSQL = `
SELECT name
FROM deployments
WHERE deleted_at IS NULL
	AND name IN `
	// maxTrouble bounds what is told of at a time.
	maxTrouble = 10_000
)

// GetTrouble returns what is not well now: schedules, and pools in which a run waits since grace ago or longer.
func (q Reader) GetTrouble(ctx context.Context, grace time.Duration, deployments []string) (*Trouble, error) {
	now, err := q.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	t := &Trouble{Deployments: map[string]bool{}, Now: now}
	var schedules []struct {
		Name       string           `db:"name"`
		Deployment string           `db:"deployment"`
		Pool       string           `db:"pool"`
		Tags       database.Strings `db:"tags"`
		Reason     string           `db:"last_error"`
		Since      *database.Time   `db:"last_error_at"`
	}
	if err := q.db.All(ctx, &schedules, failingListSQL, maxTrouble); err != nil {
		return nil, fmt.Errorf("list failing schedules: %w", err)
	}
	for _, s := range schedules {
		t.Schedules = append(t.Schedules, FailingSchedule{
			s.Name, s.Deployment, s.Pool, s.Tags.V, s.Reason, s.Since.Ptr(),
		})
	}
	if t.Pools, err = q.poolsWithoutWorker(ctx, now, grace); err != nil {
		return nil, err
	}
	var names []string
	query := existingDeploymentsSQL + q.db.Dialect().List("text")
	if err := q.db.All(ctx, &names, query, database.ListOf(deployments)); err != nil {
		return nil, fmt.Errorf("look up deployments: %w", err)
	}
	for _, name := range names {
		t.Deployments[name] = true
	}
	return t, nil
}

func (q Reader) poolsWithoutWorker(
	ctx context.Context, now time.Time, grace time.Duration,
) (list []PoolWithoutWorker, err error) {
	var rows []struct {
		Pool      string         `db:"pool"`
		WaitingAt *database.Time `db:"waiting_at"`
		LastSeen  *database.Time `db:"last_seen"`
	}
	if err := q.db.All(ctx, &rows, waitingPoolsSQL, now.Add(-grace)); err != nil {
		return nil, fmt.Errorf("find pools without a worker: %w", err)
	}
	for _, r := range rows {
		if r.WaitingAt == nil || r.LastSeen != nil && now.Sub(r.LastSeen.Time()) <= WorkerAliveFor {
			continue
		}
		list = append(list, PoolWithoutWorker{r.Pool, r.WaitingAt.Time(), r.LastSeen.Ptr()})
	}
	return list, nil
}
