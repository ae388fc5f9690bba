package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"
)

// ReadyKey is a place in the walk of CountReady: after this run of this deployment. The zero value is the begin.
type ReadyKey struct{ Deployment, Run uuid.UUID }

// ReadyWait says why a waiting run is not looked at by claims yet.
type ReadyWait string

// Waiting runs by when they are due.
const (
	ReadyDue   ReadyWait = "due"
	ReadyRetry ReadyWait = "retry" // the next attempt is due later
	ReadyLater ReadyWait = "later" // the first attempt is
)

// ReadyCount counts the waiting runs of a deployment in a queue.
type ReadyCount struct {
	QueueID      uuid.UUID `db:"queue_id"`
	DeploymentID uuid.UUID `db:"deployment_id"`
	Wait         ReadyWait `db:"wait"`
	Count        int64     `db:"n"`
	LastRun      string    `db:"last_run"`
}

// countReadySQL is served by the primary key of ready.
const countReadySQL = `
SELECT queue_id, deployment_id, wait, COUNT(*) AS n, MAX(CAST(run_id AS TEXT)) AS last_run
FROM (
	SELECT queue_id, deployment_id, run_id, CASE
			WHEN due_at <= ? THEN 'due'
			WHEN state_name = 'AwaitingRetry' THEN 'retry'
			ELSE 'later'
		END AS wait
	FROM ready
	WHERE (deployment_id, run_id) > (?, ?)
	ORDER BY deployment_id, run_id
	LIMIT ?
) AS w
GROUP BY queue_id, deployment_id, wait`

// CountReady counts the next waiting runs of a walk through all of them, at most limit, and returns where the next call
// goes on; nil at the end. There is no counter of waiting runs that each change would have to write.
func (q Reader) CountReady(ctx context.Context, after ReadyKey, limit int64) ([]ReadyCount, *ReadyKey, error) {
	now, err := q.db.Now(ctx)
	if err != nil {
		return nil, nil, err
	}
	var counts []ReadyCount
	if err := q.db.All(ctx, &counts, countReadySQL, now, after.Deployment, after.Run, limit); err != nil {
		return nil, nil, fmt.Errorf("count waiting runs: %w", err)
	}
	var counted int64
	var last ReadyKey
	for _, c := range counts {
		counted += c.Count
		run, err := uuid.Parse(c.LastRun)
		if err != nil {
			return nil, nil, fmt.Errorf("count waiting runs: %w", err)
		}
		if key := (ReadyKey{c.DeploymentID, run}); key.after(last) {
			last = key
		}
	}
	if counted < limit {
		return counts, nil, nil
	}
	return counts, &last, nil
}

func (k ReadyKey) after(other ReadyKey) bool {
	return cmp.Or(bytes.Compare(k.Deployment[:], other.Deployment[:]), bytes.Compare(k.Run[:], other.Run[:])) > 0
}
