package store

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// freeLine is what a deployment with a limit has waiting in a queue, where a slot is free for it.
type freeLine struct {
	QueueID      uuid.UUID     `db:"queue_id" json:"queue_id"`
	DeploymentID uuid.UUID     `db:"deployment_id" json:"deployment_id"`
	Free         int32         `db:"free" json:"free"`
	FirstDue     database.Time `db:"first_due" json:"-"`
}

// withLinesSQL goes from one deployment to the next along ready_limited, whatever number of runs each has. The last line of
// each queue has no deployment.
func withLinesSQL(queues string) string {
	return `
WITH RECURSIVE line (queue_id, deployment_id) AS (
	SELECT q.id, (
			SELECT w.deployment_id
			FROM ready w
			WHERE w.queue_id = q.id AND w.limited
			ORDER BY w.deployment_id
			LIMIT 1
		)
	FROM ` + queues + `
	UNION ALL
	SELECT l.queue_id, (
			SELECT w.deployment_id
			FROM ready w
			WHERE w.queue_id = l.queue_id AND w.limited AND w.deployment_id > l.deployment_id
			ORDER BY w.deployment_id
			LIMIT 1
		)
	FROM line l
	WHERE l.deployment_id IS NOT NULL
)`
}

// freeLinesSQL counts the slots of each line that has something due.
func freeLinesSQL(d database.Dialect, queues string) string {
	return withLinesSQL(queues) + `
SELECT f.queue_id, f.deployment_id, f.free, f.first_due
FROM (
	SELECT
		l.queue_id, l.deployment_id,
		CASE WHEN d.concurrency_limit IS NULL THEN ` + fmt.Sprint(math.MaxInt32) + ` ELSE
			d.concurrency_limit - (SELECT COUNT(*) FROM live v WHERE v.deployment_id = d.id)
		END AS free,
		(
			SELECT w.due_at
			FROM ready w
			WHERE w.queue_id = l.queue_id AND w.deployment_id = l.deployment_id AND w.limited
			ORDER BY w.due_at
			LIMIT 1
		) AS first_due
	FROM line l
	JOIN deployments d ON d.id = l.deployment_id
	WHERE NOT d.paused AND d.deleted_at IS NULL
) AS f
WHERE f.free > 0
	AND f.first_due <= ` + d.NowParam() + `
ORDER BY f.first_due, f.deployment_id`
}

const queuesOfPoolSQL = `queues q
	JOIN pools p ON p.id = q.pool_id AND p.name = ? AND p.deleted_at IS NULL AND NOT p.paused
	WHERE NOT q.paused`

// freeLinesOfPool lists the deployments with a limit that could have a run claimed from any queue of a pool, by the due
// time of their first run.
func (q Reader) freeLinesOfPool(ctx context.Context, pool string) ([]freeLine, error) {
	return q.freeLines(ctx, queuesOfPoolSQL, pool)
}

// freeLinesOfQueues is freeLinesOfPool for some queues.
func (q Reader) freeLinesOfQueues(ctx context.Context, queues []uuid.UUID) ([]freeLine, error) {
	if len(queues) == 0 {
		return nil, nil
	}
	return q.freeLines(ctx, "(SELECT item AS id FROM "+q.db.Dialect().List("uuid")+" AS n) AS q", database.ListOf(queues))
}

func (q Reader) freeLines(ctx context.Context, from string, which any) ([]freeLine, error) {
	now, err := q.db.NowArg(ctx)
	if err != nil {
		return nil, err
	}
	var lines []freeLine
	if err := q.db.All(ctx, &lines, freeLinesSQL(q.db.Dialect(), from), which, now); err != nil {
		return nil, fmt.Errorf("list deployments with a limit: %w", err)
	}
	return lines, nil
}

// lineRunsSQL locks the first due runs of each line, as many as it has free slots on PostgreSQL, and as many as are
// wanted on SQLite. Served by ready_limited.
func lineRunsSQL(d database.Dialect) string {
	const first = `
			WHERE x.queue_id = n.queue_id AND x.deployment_id = n.deployment_id AND x.limited AND x.due_at <= `
	from := `
CROSS JOIN LATERAL (
			SELECT x.*
			FROM ready x` + first + d.NowParam() + `
			ORDER BY x.due_at, x.run_id
			LIMIT LEAST(n.free, ?)
			FOR UPDATE SKIP LOCKED
	) AS w`
	if d == database.SQLite { // it has no LATERAL
		from = `
JOIN ready w ON w.rowid IN (
			SELECT x.rowid
			FROM ready x` + first + d.NowParam() + `
			ORDER BY x.due_at, x.run_id
			LIMIT ?
	)`
	}
	return `
SELECT
	` + d.RowClock() + ` AS clock,` + dueColumns + `
FROM ` + database.RecordsOf[freeLine](d) + ` AS n` + from + `
JOIN runs r ON r.id = w.run_id
JOIN deployments d ON d.id = w.deployment_id`
}

// readLines reads the lines of queues, in the place of what was read of them before.
func (p *picker) readLines(ctx context.Context, queues []uuid.UUID) error {
	lines, err := p.tx.freeLinesOfQueues(ctx, queues)
	if err != nil {
		return err
	}
	p.lines = append(slices.DeleteFunc(p.lines, func(l freeLine) bool { return slices.Contains(queues, l.QueueID) }), lines...)
	return nil
}

// fromLines locks up to n due runs of deployments with a limit in a queue, earliest due time first.
func (p *picker) fromLines(ctx context.Context, queue uuid.UUID, n int) ([]*dueRun, error) {
	var lines []freeLine
	for _, l := range p.lines {
		if l.QueueID == queue && len(lines) < n { // each has something, so that no later one comes first
			l.Free = min(l.Free, int32(n))
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return nil, nil
	}
	now, err := p.tx.db.NowArg(ctx)
	if err != nil {
		return nil, err
	}
	var rows []*dueRun
	query := lineRunsSQL(p.tx.db.Dialect())
	if err := database.AllRecords(ctx, p.tx.db.Reader, &rows, query, database.ListOf(lines), now, n); err != nil {
		return nil, fmt.Errorf("lock due runs of deployments with a limit: %w", err)
	}
	inOrder(rows)
	free := make(map[uuid.UUID]int32, len(lines))
	for _, l := range lines {
		free[l.DeploymentID] = l.Free
	}
	rows = slices.DeleteFunc(rows, func(r *dueRun) bool {
		free[r.DeploymentID]--
		return free[r.DeploymentID] < 0
	})
	return rows[:min(len(rows), n)], nil
}
