package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// EndedRun is the end of a run, as it was then: a retry does not change it.
type EndedRun struct {
	RunID        uuid.UUID
	Run          string
	DeploymentID uuid.UUID
	Deployment   string
	Pool         string
	Tags         []string
	State        lifecycle.State
	Category     lifecycle.Category
	ExitCode     *int32
	Attempt      int32
	CreatedBy    string
	StartedAt    *time.Time
	EndedAt      time.Time
}

// WatchEnds makes this process keep the ends of runs that want chooses, by pool, state and category, for
// Tx.TakeEndedRuns. Without a call, and with nil, it keeps none: a run writes no row more.
func (s *Store) WatchEnds(want func(pool string, state lifecycle.StateType, category lifecycle.Category) bool) {
	if want == nil {
		s.wantsEnd.Store(nil)
		return
	}
	s.wantsEnd.Store(&want)
}

type wantsEnd = func(pool string, state lifecycle.StateType, category lifecycle.Category) bool

// endRecord is the end of a run on its way into webhook_events.
type endRecord struct {
	ID           uuid.UUID           `json:"id"`
	RunID        uuid.UUID           `json:"run_id"`
	StateType    lifecycle.StateType `json:"state_type"`
	StateName    string              `json:"state_name"`
	StateMessage string              `json:"state_message"`
	Category     lifecycle.Category  `json:"category"`
	ExitCode     *int32              `json:"exit_code"`
	Attempt      int32               `json:"attempt"`
	StartedAt    *database.Time      `json:"started_at"`
	EndedAt      *database.Time      `json:"ended_at"`
}

// addEnd keeps the end of a run for webhooks, if one may be interested.
func (c *runChanges) addEnd(r *lockedRun) error {
	if c.wantsEnd == nil || !(*c.wantsEnd)(r.Pool, r.StateType, r.Category) {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("generate an ID: %w", err)
	}
	c.ends = append(c.ends, endRecord{
		id, r.ID, r.StateType, r.StateName, r.StateMessage, r.Category, r.ExitCode, r.Attempt, r.StartedAt, r.EndedAt,
	})
	return nil
}

// insertEndsSQL takes the names from the run, its deployment and its pool, which may be gone when the end is looked at.
func insertEndsSQL(d database.Dialect) string {
	return `
INSERT INTO webhook_events (
	id, run_id, run, deployment_id, deployment, pool, tags, state_type, state_name, state_message, category, exit_code,
	attempt, created_by, started_at, ended_at
)
SELECT
	n.id, n.run_id, r.name, r.deployment_id, d.name, p.name, r.tags, n.state_type, n.state_name, n.state_message,
	n.category, n.exit_code, n.attempt, r.created_by, n.started_at, n.ended_at
FROM ` + database.RecordsOf[endRecord](d) + ` AS n
JOIN runs r ON r.id = n.run_id
JOIN deployments d ON d.id = r.deployment_id
JOIN pools p ON p.id = r.pool_id`
}

// webhookLock is the key of the advisory lock of the server that decides what to tell: "hook" in ASCII.
const webhookLock = 0x686f6f6b

// LockWebhookEvents reports whether this server decides what to tell until the transaction ends. It is one at a time, so
// that what is told twice or in the wrong order cannot come from two.
func (tx *Tx) LockWebhookEvents(ctx context.Context) (bool, error) {
	got, err := tx.lockAlone(ctx, webhookLock)
	if err != nil {
		return false, fmt.Errorf("take the lock of webhooks: %w", err)
	}
	return got, nil
}

const (
	endedRunsOldestSQL = `
SELECT id, run_id, run, deployment_id, deployment, pool, tags, state_type, state_name, state_message, category, exit_code,
	attempt, created_by, started_at, ended_at
FROM webhook_events
ORDER BY id
LIMIT ?`
	deleteEndedRunsSQL = `
DELETE FROM webhook_events
WHERE id IN `
	// anyEndedRunSQL keeps servers from a transaction where there is nothing to do.
	anyEndedRunSQL = `
SELECT COUNT(*)
FROM (SELECT id FROM webhook_events LIMIT 1) AS one`
)

type endedRunRow struct {
	ID           uuid.UUID           `db:"id"`
	RunID        uuid.UUID           `db:"run_id"`
	Run          string              `db:"run"`
	DeploymentID uuid.UUID           `db:"deployment_id"`
	Deployment   string              `db:"deployment"`
	Pool         string              `db:"pool"`
	Tags         database.Strings    `db:"tags"`
	StateType    lifecycle.StateType `db:"state_type"`
	StateName    string              `db:"state_name"`
	StateMessage string              `db:"state_message"`
	Category     lifecycle.Category  `db:"category"`
	ExitCode     *int32              `db:"exit_code"`
	Attempt      int32               `db:"attempt"`
	CreatedBy    string              `db:"created_by"`
	StartedAt    *database.Time      `db:"started_at"`
	EndedAt      database.Time       `db:"ended_at"`
}

// HasEndedRuns reports whether TakeEndedRuns has something to take.
func (q Reader) HasEndedRuns(ctx context.Context) (bool, error) {
	var n int
	if err := q.db.Get(ctx, &n, anyEndedRunSQL); err != nil {
		return false, fmt.Errorf("look for ended runs to tell: %w", err)
	}
	return n > 0, nil
}

// TakeEndedRuns removes the ends of runs that were kept first, and returns them in the order in which they were kept.
func (tx *Tx) TakeEndedRuns(ctx context.Context, most int) ([]EndedRun, error) {
	var rows []endedRunRow
	if err := tx.db.All(ctx, &rows, endedRunsOldestSQL, most); err != nil {
		return nil, fmt.Errorf("read ended runs to tell: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	ids, runs := make([]uuid.UUID, len(rows)), make([]EndedRun, len(rows))
	for i, r := range rows {
		ids[i], runs[i] = r.ID, EndedRun{
			RunID: r.RunID, Run: r.Run, DeploymentID: r.DeploymentID, Deployment: r.Deployment, Pool: r.Pool, Tags: r.Tags.V,
			State:    lifecycle.State{Type: r.StateType, Name: r.StateName, Message: r.StateMessage},
			Category: r.Category, ExitCode: r.ExitCode, Attempt: r.Attempt, CreatedBy: r.CreatedBy,
			StartedAt: r.StartedAt.Ptr(), EndedAt: r.EndedAt.Time(),
		}
	}
	if _, err := tx.db.Exec(ctx, deleteEndedRunsSQL+tx.db.Dialect().List("uuid"), database.ListOf(ids)); err != nil {
		return nil, fmt.Errorf("remove ended runs that were told: %w", err)
	}
	return runs, nil
}
