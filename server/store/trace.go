package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// WatchTraces makes this process keep the ends of attempts and runs of which sampled says so, until their spans are sent (see
// AcquireTracedEnds). Without a call, and with nil, it keeps none: a run writes no row more.
func (s *Store) WatchTraces(sampled func(run uuid.UUID) bool) {
	if sampled == nil {
		s.traced.Store(nil)
		return
	}
	s.traced.Store(&sampled)
}

// traceRecord is the end of an attempt or a run on its way into trace_ends.
type traceRecord struct {
	ID         uuid.UUID           `json:"id"`
	RunID      uuid.UUID           `json:"run_id"`
	Attempt    int32               `json:"attempt"`
	DueAt      database.Time       `json:"due_at"`
	RecordedAt database.Time       `json:"recorded_at"`
	StateType  lifecycle.StateType `json:"state_type"`
	Category   lifecycle.Category  `json:"category"`
	EndedAt    *database.Time      `json:"ended_at"`
	LastEvent  int64               `json:"last_event"`
}

// addTrace keeps the end of a run or of its attempt for traces. It is called before the row of the run moves.
func (c *runChanges) addTrace(r *lockedRun) error {
	attemptEnds := r.attempt != nil && r.attempt.end != nil && !r.attempt.end.handedBack
	runEnds := placeOf(r.StateType) == inRuns && r.place != inRuns
	if c.traced == nil || !attemptEnds && !runEnds || !(*c.traced)(r.ID) {
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("generate an ID: %w", err)
	}
	record := traceRecord{ID: id, RunID: r.ID, DueAt: r.DueAt, RecordedAt: r.StateAt, LastEvent: r.LastEvent}
	if attemptEnds {
		record.Attempt, record.DueAt = r.attempt.Number, r.attempt.end.due
	}
	if runEnds {
		record.StateType, record.Category, record.EndedAt = r.StateType, r.Category, r.EndedAt
	}
	c.traces = append(c.traces, record)
	return nil
}

func insertTracesSQL(d database.Dialect) string {
	return `
INSERT INTO trace_ends (
	id, run_id, attempt, due_at, recorded_at, state_type, category, ended_at, last_event, taken_until
)
SELECT id, run_id, attempt, due_at, recorded_at, state_type, category, ended_at, last_event, recorded_at
FROM ` + database.RecordsOf[traceRecord](d) + ` AS n`
}

// TracedEnd is the end of an attempt, of a run, or of both, with what their spans tell.
type TracedEnd struct {
	ID         uuid.UUID
	RunID      uuid.UUID
	Run        string
	Deployment string
	Version    string // of the deployment
	Pool       string
	PoolType   string // kubernetes or process
	Queue      string
	Schedule   string // its name; empty: no schedule made the run
	// Traceparent is the span of the caller; empty: it had none.
	Traceparent string
	// Previous is the run that the same schedule made before, if the run ended and one is found.
	Previous *uuid.UUID
	// BeganAt is when the run was created, or later, the time that it was asked for.
	BeganAt time.Time
	// RerunAt is when the run was last retried by hand; nil: never before this end.
	RerunAt *time.Time
	// DueAt is since when the attempt waited, or the run that ended without one.
	DueAt time.Time
	// RecordedAt is when the server stored the end.
	RecordedAt time.Time
	// Attempt is the one that ended; nil for a run that ended while it waited.
	Attempt *TracedAttempt
	// State, Category and EndedAt are those of the run; State is empty where it goes on.
	State    lifecycle.StateType
	Category lifecycle.Category
	EndedAt  time.Time
	// Event numbers the end among the events of the run.
	Event int64
}

// TracedAttempt is an attempt that has ended. Times that are not known are nil.
type TracedAttempt struct {
	Number                             int32
	Worker, ClusterID                  string
	JobNamespace, JobName, JobUID      string
	Node, Image                        string
	Outcome                            lifecycle.Outcome
	ClaimedAt, EndedAt                 time.Time
	RenderedAt, SubmittedAt, RunningAt *time.Time
}

// dueTracesSQL is served by trace_ends_taken. A time far ahead was stored while the database's clock was wrong.
const (
	dueTracesSQL = `
SELECT id
FROM trace_ends
WHERE taken_until <= ? OR taken_until > ?
ORDER BY taken_until
LIMIT ?`
	traceTakenMax = time.Hour
)

func takeTracesSQL(d database.Dialect) string {
	return `
UPDATE trace_ends
SET taken_until = ?
WHERE id IN ` + d.List("uuid")
}

func deleteTracesSQL(d database.Dialect) string {
	return `
DELETE FROM trace_ends
WHERE id IN ` + d.List("uuid")
}

// tracedEndsSQL finds the previous run of a schedule among the last runs of the deployment, so that it stays cheap where
// others make runs of it, too.
func tracedEndsSQL(d database.Dialect) string {
	return `
SELECT
	t.id, t.run_id, t.attempt, t.due_at, t.recorded_at, t.state_type, t.category AS run_category, t.ended_at AS run_ended_at,
	t.last_event, r.name AS run, d.name AS deployment, v.version, p.name AS pool, p.type AS pool_type, q.name AS queue,
	COALESCE(s.name, '') AS schedule, COALESCE(r.traceparent, '') AS traceparent, r.created_at, r.scheduled_time,
	CASE WHEN t.state_type <> '' AND r.schedule_id IS NOT NULL THEN (
		SELECT b.id
		FROM (
			SELECT o.id, o.schedule_id
			FROM runs o
			WHERE o.deployment_id = r.deployment_id AND o.id < r.id
			ORDER BY o.id DESC
			LIMIT 100
		) AS b
		WHERE b.schedule_id = r.schedule_id
		ORDER BY b.id DESC
		LIMIT 1
	) END AS previous,
	(
		SELECT MIN(n.at)
		FROM events n
		WHERE n.run_id = t.run_id AND n.seq > (
			SELECT MAX(e.seq)
			FROM events e
			WHERE e.run_id = t.run_id AND e.seq < t.last_event
				AND e.state_type IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')
		)
	) AS rerun_at,
	COALESCE(a.worker, '') AS worker, COALESCE(a.cluster_id, '') AS cluster_id,
	COALESCE(a.job_namespace, '') AS job_namespace, COALESCE(a.job_name, '') AS job_name,
	COALESCE(a.job_uid, '') AS job_uid, COALESCE(a.node, '') AS node, COALESCE(a.image, '') AS image,
	COALESCE(a.succeeded, FALSE) AS succeeded, a.exit_code, COALESCE(a.category, '') AS category,
	a.claimed_at, m.rendered_at, a.submitted_at, a.running_at, a.ended_at
FROM trace_ends t
JOIN runs r ON r.id = t.run_id
JOIN deployments d ON d.id = r.deployment_id
JOIN deployment_revisions v ON v.id = r.revision_id
JOIN queues q ON q.id = r.queue_id
JOIN pools p ON p.id = r.pool_id
LEFT JOIN schedules s ON s.id = r.schedule_id
LEFT JOIN attempts a ON a.run_id = t.run_id AND a.number = t.attempt
LEFT JOIN manifests m ON m.run_id = t.run_id AND m.number = t.attempt
WHERE t.id IN ` + d.List("uuid") + `
ORDER BY t.id`
}

type tracedRow struct {
	ID            uuid.UUID           `db:"id"`
	RunID         uuid.UUID           `db:"run_id"`
	Attempt       int32               `db:"attempt"`
	DueAt         database.Time       `db:"due_at"`
	RecordedAt    database.Time       `db:"recorded_at"`
	StateType     lifecycle.StateType `db:"state_type"`
	RunCategory   lifecycle.Category  `db:"run_category"`
	RunEndedAt    *database.Time      `db:"run_ended_at"`
	LastEvent     int64               `db:"last_event"`
	Run           string              `db:"run"`
	Deployment    string              `db:"deployment"`
	Version       string              `db:"version"`
	Pool          string              `db:"pool"`
	PoolType      string              `db:"pool_type"`
	Queue         string              `db:"queue"`
	Schedule      string              `db:"schedule"`
	Traceparent   string              `db:"traceparent"`
	CreatedAt     database.Time       `db:"created_at"`
	ScheduledTime database.Time       `db:"scheduled_time"`
	Previous      *uuid.UUID          `db:"previous"`
	RerunAt       *database.Time      `db:"rerun_at"`
	Worker        string              `db:"worker"`
	ClusterID     string              `db:"cluster_id"`
	JobNamespace  string              `db:"job_namespace"`
	JobName       string              `db:"job_name"`
	JobUID        string              `db:"job_uid"`
	Node          string              `db:"node"`
	Image         string              `db:"image"`
	Succeeded     bool                `db:"succeeded"`
	ExitCode      *int32              `db:"exit_code"`
	Category      lifecycle.Category  `db:"category"`
	ClaimedAt     *database.Time      `db:"claimed_at"`
	RenderedAt    *database.Time      `db:"rendered_at"`
	SubmittedAt   *database.Time      `db:"submitted_at"`
	RunningAt     *database.Time      `db:"running_at"`
	EndedAt       *database.Time      `db:"ended_at"`
}

func (r tracedRow) end() TracedEnd {
	e := TracedEnd{
		ID: r.ID, RunID: r.RunID, Run: r.Run, Deployment: r.Deployment, Version: r.Version, Pool: r.Pool, PoolType: r.PoolType, Queue: r.Queue,
		Schedule: r.Schedule, Traceparent: r.Traceparent, Previous: r.Previous, BeganAt: r.CreatedAt.Time(),
		RerunAt: r.RerunAt.Ptr(), DueAt: r.DueAt.Time(), RecordedAt: r.RecordedAt.Time(), State: r.StateType,
		Category: r.RunCategory, Event: r.LastEvent,
	}
	if asked := r.ScheduledTime.Time(); asked.After(e.BeganAt) {
		e.BeganAt = asked
	}
	if r.RunEndedAt != nil {
		e.EndedAt = r.RunEndedAt.Time()
	}
	if r.ClaimedAt == nil || r.EndedAt == nil {
		return e
	}
	e.Attempt = &TracedAttempt{
		Number: r.Attempt, Worker: r.Worker, ClusterID: r.ClusterID, JobNamespace: r.JobNamespace, JobName: r.JobName,
		JobUID: r.JobUID, Node: r.Node, Image: r.Image,
		Outcome:   lifecycle.Outcome{Succeeded: r.Succeeded, ExitCode: r.ExitCode, Category: r.Category},
		ClaimedAt: r.ClaimedAt.Time(), EndedAt: r.EndedAt.Time(), RenderedAt: r.RenderedAt.Ptr(),
		SubmittedAt: r.SubmittedAt.Ptr(), RunningAt: r.RunningAt.Ptr(),
	}
	return e
}

// AcquireTracedEnds takes the ends that have waited longest, most of them, for this server to send within the lease. Another
// server takes them after it. It also returns the IDs of all that it took: a run may be gone.
func (s *Store) AcquireTracedEnds(
	ctx context.Context, most int, lease time.Duration,
) (ends []TracedEnd, taken []uuid.UUID, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		taken = nil
		query := dueTracesSQL + tx.db.Dialect().Lock("FOR NO KEY UPDATE SKIP LOCKED")
		if err := tx.db.All(ctx, &taken, query, now, now.Add(traceTakenMax), most); err != nil || len(taken) == 0 {
			return err
		}
		_, err = tx.db.Exec(ctx, takeTracesSQL(tx.db.Dialect()), now.Add(lease), database.ListOf(taken))
		return err
	})
	if err != nil || len(taken) == 0 {
		return nil, nil, wrapTraces("take spans to send", err)
	}
	var rows []tracedRow
	if err := s.Reader.db.All(ctx, &rows, tracedEndsSQL(s.Reader.db.Dialect()), database.ListOf(taken)); err != nil {
		return nil, nil, wrapTraces("read spans to send", err)
	}
	for _, r := range rows {
		ends = append(ends, r.end())
	}
	return ends, taken, nil
}

// DeleteTracedEnds forgets ends whose spans were sent.
func (s *Store) DeleteTracedEnds(ctx context.Context, ids []uuid.UUID) error {
	return wrapTraces("forget spans that were sent", s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.db.Exec(ctx, deleteTracesSQL(tx.db.Dialect()), database.ListOf(ids))
		return err
	}))
}

// ReleaseTracedEnds gives ends back whose spans could not be sent; they are tried again after the delay.
func (s *Store) ReleaseTracedEnds(ctx context.Context, ids []uuid.UUID, delay time.Duration) error {
	return wrapTraces("keep spans that were not sent", s.InTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.db.Exec(ctx, takeTracesSQL(tx.db.Dialect()), now.Add(delay), database.ListOf(ids))
		return err
	}))
}

const (
	// dropTracesSQL is served by the primary key: IDs are in the order of time.
	dropTracesSQL = `
DELETE FROM trace_ends
WHERE id IN (SELECT id FROM trace_ends WHERE recorded_at < ? ORDER BY id LIMIT ?)`
	dropOldestTracesSQL = `
DELETE FROM trace_ends
WHERE id IN (SELECT id FROM trace_ends ORDER BY id LIMIT ?)`
	countTracesSQL = `
SELECT COUNT(*)
FROM trace_ends`
	// dropTracesStep bounds a transaction.
	dropTracesStep = 10_000
)

// DropTracedEnds forgets ends that have waited longer than age, and the oldest beyond the number most. It returns how many.
func (s *Store) DropTracedEnds(ctx context.Context, age time.Duration, most int) (dropped int64, err error) {
	for {
		n, err := s.dropTraces(ctx, age, most)
		dropped += n
		if err != nil || n == 0 {
			return dropped, wrapTraces("drop old spans", err)
		}
	}
}

// dropTraces is a step of DropTracedEnds; it drops nothing when there is nothing more to drop.
func (s *Store) dropTraces(ctx context.Context, age time.Duration, most int) (dropped int64, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		dropped, err = tx.db.Exec(ctx, dropTracesSQL, now.Add(-age), dropTracesStep)
		if err != nil || dropped > 0 {
			return err
		}
		var count []int
		if err := tx.db.All(ctx, &count, countTracesSQL); err != nil || count[0] <= most {
			return err
		}
		dropped, err = tx.db.Exec(ctx, dropOldestTracesSQL, min(count[0]-most, dropTracesStep))
		return err
	})
	return dropped, err
}

func wrapTraces(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
