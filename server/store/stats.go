package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// Stats holds the facts from which the metrics are made, beside what CountReady counts. Reading them takes about as many rows
// as there are pools, queues, deployments, schedules, workers and attempts under way, however many runs wait or have ended.
type Stats struct {
	Now         time.Time
	Pools       []PoolStats
	Queues      []QueueStats
	Deployments []DeploymentStats
	Live        []LiveStats
	Lines       []LineStats
	Workers     []WorkerStats
	Schedules   []ScheduleStats
	// ScheduleLag is for how long the schedule that is due longest has been.
	ScheduleLag time.Duration
	Deliveries  DeliveryStats
	Keys        []KeyExpiry
}

// PoolStats is a work pool.
type PoolStats struct {
	ID      uuid.UUID `db:"id"`
	Name    string    `db:"name"`
	Type    string    `db:"type"`
	Project string    `db:"project"` // empty: none
	Limit   *int32    `db:"concurrency_limit"`
	PauseStats
}

// QueueStats is a queue.
type QueueStats struct {
	ID          uuid.UUID `db:"id"`
	PoolID      uuid.UUID `db:"pool_id"`
	Name        string    `db:"name"`
	Limit       *int32    `db:"concurrency_limit"`
	ObjectiveUS *int64    `db:"objective_us"`
	PauseStats
}

// DeploymentStats is a deployment, with how its runs ended lately; LastEnd is nil before the first has.
type DeploymentStats struct {
	ID             uuid.UUID           `db:"id"`
	PoolID         uuid.UUID           `db:"pool_id"`
	Name           string              `db:"name"`
	Limit          *int32              `db:"concurrency_limit"`
	LastState      lifecycle.StateType `db:"last_state"`
	LastEnd        *database.Time      `db:"last_end"`
	LastCompletion *database.Time      `db:"last_completion"`
	Failures       int64               `db:"failures"` // since then
	PauseStats
}

// PauseStats says whether and since when something is paused.
type PauseStats struct {
	Paused bool                        `db:"paused"`
	Pause  database.Structured[*Pause] `db:"pause"`
}

// Gate is the claim gate of something paused or limited.
func (p PauseStats) gate(id uuid.UUID, name string, limit *int32, used int64) ClaimGate {
	return ClaimGate{ID: id, Name: name, Paused: p.Paused, Pause: p.Pause.V, Limit: limit, Used: int32(used)}
}

// Gate returns the claim gate of the pool, some of whose slots are used.
func (p PoolStats) Gate(used int64) ClaimGate { return p.gate(p.ID, p.Name, p.Limit, used) }

// Gate returns the claim gate of the queue.
func (q QueueStats) Gate(used int64) ClaimGate { return q.gate(q.ID, q.Name, q.Limit, used) }

// Gate returns the claim gate of the deployment.
func (d DeploymentStats) Gate(used int64) ClaimGate { return d.gate(d.ID, d.Name, d.Limit, used) }

// Objective is the longest that a due run is to wait in the queue; 0: there is none.
func (q QueueStats) Objective() time.Duration {
	return objectiveOf(q.ObjectiveUS)
}

// LiveStats counts attempts under way that are alike.
type LiveStats struct {
	PoolID       uuid.UUID           `db:"pool_id"`
	QueueID      uuid.UUID           `db:"queue_id"`
	DeploymentID uuid.UUID           `db:"deployment_id"`
	ClusterID    string              `db:"cluster_id"`
	State        lifecycle.StateType `db:"state_type"`
	Phase        Phase               `db:"phase"`
	// Diagnosis is why attempts that have not started wait; empty for others.
	Diagnosis string `db:"diagnosis"`
	// LeaseExpired: the worker that holds them has not renewed its lease.
	LeaseExpired bool          `db:"lease_expired"`
	Since        database.Time `db:"since"` // of the first: claimed, running or cancelled, by the state
	Count        int64         `db:"n"`
}

// LineStats says when the first of some waiting runs is due: those of a deployment with a limit or a pause in a queue, or
// those of all other deployments in a queue, which has no deployment ID.
type LineStats struct {
	QueueID      uuid.UUID      `db:"queue_id"`
	DeploymentID *uuid.UUID     `db:"deployment_id"`
	FirstDue     *database.Time `db:"first_due"` // nil: none waits
}

// WorkerStats is a worker that has not stopped.
type WorkerStats struct {
	Pool       string                                `db:"pool"`
	Name       string                                `db:"name"`
	ClusterID  string                                `db:"cluster_id"`
	Version    string                                `db:"version"`
	Namespaces database.Strings                      `db:"namespaces"`
	LastSeenAt database.Time                         `db:"last_seen_at"`
	Lost       *database.Structured[[]LostNamespace] `db:"lost"`
	PauseStats
}

// Worker returns the worker, without its active attempts.
func (w WorkerStats) Worker() Worker {
	worker := Worker{
		Pool: w.Pool, Name: w.Name, ClusterID: w.ClusterID, Version: w.Version, Namespaces: w.Namespaces.V,
		LastSeenAt: w.LastSeenAt.Time(), Paused: w.Paused, Pause: w.Pause.V,
	}
	if w.Lost != nil {
		worker.Lost = w.Lost.V
	}
	return worker
}

// ScheduleState says what a schedule does.
type ScheduleState string

// States of schedules. The first that fits counts.
const (
	SchedulePaused  ScheduleState = "paused"  // it, or its deployment
	ScheduleFailing ScheduleState = "failing" // its newest slot could not create its run
	ScheduleWaiting ScheduleState = "waiting" // slots wait for the end of a run
	ScheduleEnded   ScheduleState = "ended"   // it has no further slot
	ScheduleActive  ScheduleState = "active"
)

// ScheduleStats is a schedule. Pause is its own, not that of its deployment.
type ScheduleStats struct {
	Deployment string                      `db:"deployment"`
	Pool       string                      `db:"pool"`
	Name       string                      `db:"name"`
	State      ScheduleState               `db:"state"`
	Pause      database.Structured[*Pause] `db:"pause"`
}

// ScheduleSlots is an active schedule of a deployment that may run: neither it nor its queue or work pool is paused.
type ScheduleSlots struct {
	DeploymentID uuid.UUID     `db:"deployment_id"`
	Spec         database.JSON `db:"spec"`
	Since        database.Time `db:"slots_since"` // since when it has the slots that Spec says
}

const scheduleSlotsSQL = `
SELECT s.deployment_id, s.spec, s.slots_since
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id
JOIN queues q ON q.id = d.queue_id
JOIN pools p ON p.id = d.pool_id
WHERE s.active
	AND NOT d.paused
	AND NOT q.paused
	AND NOT p.paused
	AND d.deleted_at IS NULL
ORDER BY d.name, s.name
LIMIT ?`

// ListScheduleSlots returns up to limit active schedules, by the names of their deployments.
func (q Reader) ListScheduleSlots(ctx context.Context, limit int) ([]ScheduleSlots, error) {
	var slots []ScheduleSlots
	if err := q.db.All(ctx, &slots, scheduleSlotsSQL, limit); err != nil {
		return nil, fmt.Errorf("list active schedules: %w", err)
	}
	return slots, nil
}

// KeyExpiry is when an API key expires.
type KeyExpiry struct {
	Name string        `db:"name"`
	At   database.Time `db:"expires_at"`
}

// WorkerAliveFor is how long a worker counts as alive after it was last heard of. Claim polls last half of it
// at most.
const WorkerAliveFor = time.Minute

const (
	// keysToldMax bounds the keys whose expiry is told, which goes on for keyToldAfter once they have expired.
	keysToldMax  = 100
	keyToldAfter = 7 * 24 * time.Hour
)

const (
	poolStatsSQL = `
SELECT id, name, type, COALESCE(project, '') AS project, concurrency_limit, paused, pause
FROM pools
WHERE deleted_at IS NULL
ORDER BY name`
	queueStatsSQL = `
SELECT q.id, q.pool_id, q.name, q.concurrency_limit, q.objective_us, q.paused, q.pause
FROM queues q
JOIN pools p ON p.id = q.pool_id
WHERE p.deleted_at IS NULL
	AND q.deleted_at IS NULL
ORDER BY p.name, q.priority, q.name`
	deploymentStatsSQL = `
SELECT
	d.id, d.pool_id, d.name, d.concurrency_limit, d.paused, d.pause,
	COALESCE(o.last_state, '') AS last_state, o.last_end, o.last_completion, COALESCE(o.failures, 0) AS failures
FROM deployments d
LEFT JOIN deployment_outcomes o ON o.deployment_id = d.id
WHERE d.deleted_at IS NULL
ORDER BY d.name`
	// liveStatsSQL reads each attempt under way once. Attempts that wait are told apart by why they do.
	liveStatsSQL = `
SELECT
	pool_id, queue_id, deployment_id, cluster_id, state_type, phase, diagnosis, lease_expired,
	MIN(since) AS since, COUNT(*) AS n
FROM (
	SELECT
		l.pool_id, l.queue_id, l.deployment_id, l.cluster_id, l.state_type, l.phase,
		CASE WHEN l.state_type = 'PENDING' THEN l.diagnosis ELSE '' END AS diagnosis,
		(s.id IS NULL OR s.expires_at <= ?) AS lease_expired,
		CASE l.state_type
			WHEN 'CANCELLING' THEN COALESCE(l.cancelled_at, l.state_at)
			WHEN 'RUNNING' THEN COALESCE(l.running_at, l.claimed_at)
			ELSE l.claimed_at
		END AS since
	FROM live l
	LEFT JOIN worker_sessions s ON s.id = l.session_id
) AS l
GROUP BY pool_id, queue_id, deployment_id, cluster_id, state_type, phase, diagnosis, lease_expired`
	workerStatsSQL = `
SELECT
	w.pool, w.name, w.cluster_id, w.version, w.namespaces, w.paused, w.pause,
	COALESCE(s.seen_at, w.greeted_at) AS last_seen_at, s.lost
FROM workers w
LEFT JOIN (
	SELECT pool, worker, seen_at, lost, ROW_NUMBER() OVER (PARTITION BY pool, worker ORDER BY seen_at DESC, id) AS place
	FROM worker_sessions
) AS s ON s.pool = w.pool AND s.worker = w.name AND s.place = 1
WHERE NOT w.stopped
ORDER BY w.pool, w.name`
	// fromFailingSQL leaves out schedules that rest: they create nothing, whatever they say.
	fromFailingSQL = `
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id
JOIN pools p ON p.id = d.pool_id
WHERE s.failing
	AND s.active
	AND NOT d.paused
	AND d.deleted_at IS NULL`
	scheduleStatsSQL = `
SELECT d.name AS deployment, p.name AS pool, s.name, s.pause, CASE
		WHEN d.paused OR NOT s.active THEN 'paused'
		WHEN s.failing THEN 'failing'
		WHEN s.waiting <> '[]' THEN 'waiting'
		WHEN s.next_due IS NULL THEN 'ended'
		ELSE 'active'
	END AS state
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id
JOIN pools p ON p.id = d.pool_id
WHERE d.deleted_at IS NULL
ORDER BY d.name, s.name`
	// keyExpiriesSQL leaves out keys that rules made: they last for minutes, and are made anew. Valid ones come
	// first, so that expired ones hide none of them.
	keyExpiriesSQL = `
SELECT name, expires_at
FROM api_keys
WHERE revoked_at IS NULL
	AND trust_rule = ''
	AND expires_at > ?
ORDER BY CASE WHEN expires_at > ? THEN 0 ELSE 1 END, expires_at
LIMIT ?`
)

// lineStatsSQL probes ready_limited once for each line, and ready_queue once for each queue.
func lineStatsSQL() string {
	const queues = `queues q
	JOIN pools p ON p.id = q.pool_id AND p.deleted_at IS NULL
	WHERE q.deleted_at IS NULL`
	return withLinesSQL(queues) + `
SELECT l.queue_id, l.deployment_id, (
		SELECT w.due_at
		FROM ready w
		WHERE w.queue_id = l.queue_id AND w.deployment_id = l.deployment_id AND w.limited
		ORDER BY w.due_at
		LIMIT 1
	) AS first_due
FROM line l
WHERE l.deployment_id IS NOT NULL
UNION ALL
SELECT q.id, NULL, (
		SELECT w.due_at
		FROM ready w
		WHERE w.queue_id = q.id AND NOT w.limited
		ORDER BY w.due_at
		LIMIT 1
	)
FROM ` + queues
}

// GetStats returns the facts from which the metrics are made.
func (q Reader) GetStats(ctx context.Context) (*Stats, error) {
	now, err := q.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	st := Stats{Now: now}
	for _, read := range []struct {
		what  string
		dest  any
		query string
		args  []any
	}{
		{"work pools", &st.Pools, poolStatsSQL, nil},
		{"queues", &st.Queues, queueStatsSQL, nil},
		{"deployments", &st.Deployments, deploymentStatsSQL, nil},
		{"attempts under way", &st.Live, liveStatsSQL, []any{now}},
		{"the first waiting runs", &st.Lines, lineStatsSQL(), nil},
		{"workers", &st.Workers, workerStatsSQL, nil},
		{"schedules", &st.Schedules, scheduleStatsSQL, nil},
		{"API keys", &st.Keys, keyExpiriesSQL, []any{now.Add(-keyToldAfter), now, keysToldMax}},
	} {
		if err := q.db.All(ctx, read.dest, read.query, read.args...); err != nil {
			return nil, fmt.Errorf("read %s for the metrics: %w", read.what, err)
		}
	}
	if st.ScheduleLag, err = q.GetScheduleLag(ctx); err != nil {
		return nil, err
	}
	if st.Deliveries, err = q.deliveryStats(ctx, now); err != nil {
		return nil, err
	}
	return &st, nil
}
