package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// ClaimGates are the current limits and pauses that can keep runs of one deployment, in one queue of one
// pool, from being claimed.
type ClaimGates struct {
	Pool, Queue, Deployment ClaimGate
	// Workers of the pool that are alive; not read to explain a run, which names them.
	Workers PoolWorkers
}

// PoolWorkers says whether a pool has workers.
type PoolWorkers int

// Whether a pool has workers.
const (
	NoWorker      PoolWorkers = iota
	WorkersPaused             // all that are alive
	WorkersClaim
)

// ClaimGate is the limit and pause of a pool, a queue or a deployment.
type ClaimGate struct {
	ID     uuid.UUID
	Name   string
	Paused bool
	Pause  *Pause // nil when not paused, or unknown
	Limit  *int32 // nil: no limit
	Used   int32  // slots in use; 0 without a limit
	// Holders are the runs that hold its slots, oldest claim first, at most HoldersMax. They are read only to explain a
	// run, while the limit is reached.
	Holders []SlotHolder
}

// Full reports whether the limit is reached.
func (g ClaimGate) Full() bool { return g.Limit != nil && g.Used >= *g.Limit }

// Full reports whether the limit of any gate is reached.
func (l ClaimGates) Full() bool { return l.Pool.Full() || l.Queue.Full() || l.Deployment.Full() }

// Paused reports whether any gate is paused.
func (l ClaimGates) Paused() bool { return l.Pool.Paused || l.Queue.Paused || l.Deployment.Paused }

// claimGatesSQL reads each combination of pool, queue and deployment once. It counts slots only where there
// is a limit.
const claimGatesSQL = `
SELECT
	l.pool_id, p.name AS pool, p.paused AS pool_paused, p.pause AS pool_pause, p.concurrency_limit AS pool_limit,
	CASE WHEN p.concurrency_limit IS NULL THEN 0 ELSE (
		SELECT COUNT(*) FROM live a WHERE a.pool_id = l.pool_id
	) END AS pool_used,
	l.queue_id, q.name AS queue, q.paused AS queue_paused, q.pause AS queue_pause, q.concurrency_limit AS queue_limit,
	CASE WHEN q.concurrency_limit IS NULL THEN 0 ELSE (
		SELECT COUNT(*) FROM live a WHERE a.pool_id = l.pool_id AND a.queue_id = l.queue_id
	) END AS queue_used,
	l.deployment_id, d.name AS deployment, d.paused AS deployment_paused, d.pause AS deployment_pause, d.concurrency_limit AS deployment_limit,
	CASE WHEN d.concurrency_limit IS NULL THEN 0 ELSE (
		SELECT COUNT(*) FROM live a WHERE a.deployment_id = l.deployment_id
	) END AS deployment_used,
	COALESCE((
		SELECT MAX(CASE WHEN w.paused THEN 1 ELSE 2 END)
		FROM workers w
		JOIN worker_sessions s ON s.pool = w.pool AND s.worker = w.name
		WHERE w.pool = p.name AND NOT w.stopped AND s.seen_at > ?
	), 0) AS workers
FROM (SELECT DISTINCT pool_id, queue_id, deployment_id FROM runs WHERE id IN `

const claimGatesEndSQL = `) AS l
JOIN pools p ON p.id = l.pool_id
JOIN queues q ON q.id = l.queue_id
JOIN deployments d ON d.id = l.deployment_id`

type claimGatesRow struct {
	PoolID           uuid.UUID                   `db:"pool_id"`
	Pool             string                      `db:"pool"`
	PoolPaused       bool                        `db:"pool_paused"`
	PoolPause        database.Structured[*Pause] `db:"pool_pause"`
	PoolLimit        *int32                      `db:"pool_limit"`
	PoolUsed         int32                       `db:"pool_used"`
	QueueID          uuid.UUID                   `db:"queue_id"`
	Queue            string                      `db:"queue"`
	QueuePaused      bool                        `db:"queue_paused"`
	QueuePause       database.Structured[*Pause] `db:"queue_pause"`
	QueueLimit       *int32                      `db:"queue_limit"`
	QueueUsed        int32                       `db:"queue_used"`
	DeploymentID     uuid.UUID                   `db:"deployment_id"`
	Deployment       string                      `db:"deployment"`
	DeploymentPaused bool                        `db:"deployment_paused"`
	DeploymentPause  database.Structured[*Pause] `db:"deployment_pause"`
	DeploymentLimit  *int32                      `db:"deployment_limit"`
	DeploymentUsed   int32                       `db:"deployment_used"`
	Workers          PoolWorkers                 `db:"workers"`
}

func (r claimGatesRow) gates() ClaimGates {
	return ClaimGates{
		Workers: r.Workers,
		Pool: ClaimGate{
			ID:     r.PoolID,
			Name:   r.Pool,
			Paused: r.PoolPaused,
			Pause:  r.PoolPause.V,
			Limit:  r.PoolLimit,
			Used:   r.PoolUsed,
		},
		Queue: ClaimGate{
			ID:     r.QueueID,
			Name:   r.Queue,
			Paused: r.QueuePaused,
			Pause:  r.QueuePause.V,
			Limit:  r.QueueLimit,
			Used:   r.QueueUsed,
		},
		Deployment: ClaimGate{
			ID:     r.DeploymentID,
			Name:   r.Deployment,
			Paused: r.DeploymentPaused,
			Pause:  r.DeploymentPause.V,
			Limit:  r.DeploymentLimit,
			Used:   r.DeploymentUsed,
		},
	}
}

// ListClaimGates returns the gates of runs, keyed by the names of pool, queue and deployment.
func (q Reader) ListClaimGates(ctx context.Context, runs []uuid.UUID) (map[[3]string]ClaimGates, error) {
	now, err := q.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	var rows []claimGatesRow
	err = q.db.All(ctx, &rows, claimGatesSQL+q.db.Dialect().List("uuid")+claimGatesEndSQL,
		now.Add(-WorkerAliveFor), database.ListOf(runs))
	if err != nil {
		return nil, fmt.Errorf("list claim gates: %w", err)
	}
	gates := make(map[[3]string]ClaimGates, len(rows))
	for _, r := range rows {
		gates[[3]string{r.Pool, r.Queue, r.Deployment}] = r.gates()
	}
	return gates, nil
}

// AheadListedMax bounds the count of runs ahead of each run of a list.
const AheadListedMax = 100

// listAheadSQL is served by ready_queue and ready_limited.
const listAheadSQL = `
SELECT own.run_id, (
		SELECT COUNT(*)
		FROM (
			SELECT w.run_id
			FROM ready w
			WHERE w.queue_id = own.queue_id AND NOT w.limited
				AND w.due_at <= ? AND (w.due_at, w.run_id) < (own.due_at, own.run_id)
			LIMIT ?
		) AS free
	) + (
		SELECT COUNT(*)
		FROM (
			SELECT w.run_id
			FROM ready w
			WHERE w.queue_id = own.queue_id AND w.limited
				AND w.due_at <= ? AND (w.due_at, w.run_id) < (own.due_at, own.run_id)
			LIMIT ?
		) AS limited
	) AS ahead
FROM runs r
JOIN ready own ON own.deployment_id = r.deployment_id AND own.run_id = r.id
WHERE r.id IN `

// ListAhead returns how many due runs of its queue come before each of some waiting runs, counted up to AheadListedMax.
func (q Reader) ListAhead(ctx context.Context, runs []uuid.UUID) (map[uuid.UUID]int, error) {
	now, err := q.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		RunID uuid.UUID `db:"run_id"`
		Ahead int       `db:"ahead"`
	}
	err = q.db.All(ctx, &rows, listAheadSQL+q.db.Dialect().List("uuid"),
		now, AheadListedMax, now, AheadListedMax, database.ListOf(runs))
	if err != nil {
		return nil, fmt.Errorf("count the runs ahead of waiting runs: %w", err)
	}
	ahead := make(map[uuid.UUID]int, len(rows))
	for _, r := range rows {
		ahead[r.RunID] = min(r.Ahead, AheadListedMax)
	}
	return ahead, nil
}

// RunFacts are the facts that explain the state of a run, read from one snapshot.
type RunFacts struct {
	Run      Run
	Attempts []Attempt
	Gates    ClaimGates
	// AheadInQueue counts due runs of the same queue that come first, up to AheadCountMax.
	AheadInQueue int
	// AheadInOtherQueues counts due runs in queues of the pool with precedence, up to AheadCountMax.
	AheadInOtherQueues int
	// AheadOf counts both by their deployments.
	AheadOf map[uuid.UUID]int
	// Usual is how long completed runs of the deployments of holders and of runs ahead lately took; of the most frequent,
	// where there are very many.
	Usual         map[uuid.UUID]Percentiles
	StartDeadline *time.Time
	// TimeoutAt is when it times out; if its Job is Suspended, as if it were resumed now.
	TimeoutAt *time.Time
	Suspended bool
	// Timeout is timeout_seconds of the deployment; nil: none, so that a limit comes from the template.
	Timeout     *time.Duration
	Policy      lifecycle.RetryPolicy
	RetriesUsed lifecycle.RetriesUsed
	Workers     []Worker // of the pool
	Now         time.Time
	// LeaseExpiresAt is the expiry of the active attempt's lease; nil without an active attempt.
	LeaseExpiresAt *time.Time
	// RuleFindings are what rules said of the run.
	RuleFindings []RunRuleFinding
	// Waiting are the slots of its schedule that wait for its end; nil: none do.
	Waiting []time.Time
	// SinceItWorked is the run, which has failed, beside the last one of its deployment that completed; nil: there is none.
	SinceItWorked *RunSides
}

// AheadCountMax bounds the count of runs ahead of a run.
const AheadCountMax = 10000

// HoldersMax bounds the runs that are named as holders of slots.
const HoldersMax = 20

// SlotHolder is a run that holds a slot.
type SlotHolder struct {
	Run          uuid.UUID
	Name         string
	Pool         string // its pool when it was claimed: that of the deployment may have changed since
	Deployment   string
	DeploymentID uuid.UUID
	Since        time.Time
}

const (
	holdersSQL = `
SELECT a.run_id, r.name, p.name AS pool, d.name AS deployment, a.deployment_id, a.claimed_at
FROM live a
JOIN runs r ON r.id = a.run_id
JOIN pools p ON p.id = a.pool_id
JOIN deployments d ON d.id = a.deployment_id
WHERE `
	holdersOrderSQL = `
ORDER BY a.claimed_at, a.attempt_id
LIMIT ?`
	// aheadSQL is served by ready_queue and ready_limited.
	aheadSQL = `
SELECT deployment_id, COUNT(*) AS n
FROM (
	SELECT w.deployment_id
	FROM runs r
	JOIN ready own ON own.deployment_id = r.deployment_id AND own.run_id = r.id
	JOIN ready w ON w.queue_id = own.queue_id AND %s
		AND w.due_at <= ? AND (w.due_at, w.run_id) < (own.due_at, own.run_id)
	WHERE r.id = ?
	LIMIT ?
) AS line
GROUP BY deployment_id`
	// beforeSQL is served by ready_queue and ready_limited, queue by queue.
	beforeSQL = `
SELECT deployment_id, COUNT(*) AS n
FROM (
	SELECT w.deployment_id
	FROM runs own
	JOIN queues mine ON mine.id = own.queue_id
	JOIN queues q ON q.pool_id = mine.pool_id AND q.priority < mine.priority AND NOT q.paused AND q.deleted_at IS NULL
	JOIN ready w ON w.queue_id = q.id AND %s AND w.due_at <= ?
	WHERE own.id = ?
	LIMIT ?
) AS line
GROUP BY deployment_id`
	deadlinesSQL = `
SELECT
	COALESCE(w.start_deadline_at, l.start_deadline_at, r.start_deadline_at) AS start_deadline_at,
	COALESCE(w.timeout_at, l.timeout_at, r.timeout_at) AS timeout_at, l.suspended_at, COALESCE(w.spent, l.spent, r.spent) AS spent,
	v.retries, v.timeout_us,
	COALESCE(w.template_infrastructure_max, l.template_infrastructure_max, r.template_infrastructure_max)
		AS template_infrastructure_max,
	CASE WHEN l.run_id IS NOT NULL THEN
		COALESCE((SELECT s.expires_at FROM worker_sessions s WHERE s.id = l.session_id), l.leased_at)
	END AS lease_expires_at
FROM runs r
` + stateJoinsSQL + `
JOIN deployment_revisions v ON v.id = r.revision_id
WHERE r.id = ?`
)

// runFacts is GetRunFacts on the reader of a snapshot.
func (q Reader) runFacts(ctx context.Context, id uuid.UUID) (*RunFacts, error) {
	run, err := q.GetRun(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &RunFacts{Run: *run}
	if s.Now, err = q.db.Now(ctx); err != nil {
		return nil, err
	}
	if s.Attempts, err = q.ListAttempts(ctx, id); err != nil {
		return nil, err
	}
	if s.RuleFindings, err = q.ListRuleFindings(ctx, id); err != nil {
		return nil, err
	}
	if s.SinceItWorked, err = q.sinceItWorked(ctx, run, s.Attempts); err != nil {
		return nil, err
	}
	if s.Waiting, err = q.slotsBehind(ctx, run); err != nil {
		return nil, err
	}
	gates, err := q.ListClaimGates(ctx, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	s.Gates = gates[[3]string{run.Pool, run.Queue, run.Deployment}]
	if err := q.deadlines(ctx, s); err != nil {
		return nil, err
	}
	if run.State.Type == lifecycle.Scheduled {
		if err := q.readQueue(ctx, s); err != nil {
			return nil, err
		}
	}
	s.Workers, err = q.ListWorkers(ctx, run.Pool)
	return s, err
}

// slotsBehind returns the slots of a run's schedule that wait for its end.
func (q Reader) slotsBehind(ctx context.Context, run *Run) ([]time.Time, error) {
	name, scheduled := strings.CutPrefix(run.CreatedBy, ScheduleActor)
	if !scheduled || run.State.Type.Terminal() {
		return nil, nil
	}
	schedules, err := q.ListDeploymentSchedules(ctx, run.Deployment)
	if err != nil {
		return nil, err
	}
	for _, s := range schedules {
		if s.Name == name {
			return s.Waiting, nil
		}
	}
	return nil, nil
}

func (q Reader) deadlines(ctx context.Context, s *RunFacts) error {
	var row struct {
		StartDeadline  *database.Time                             `db:"start_deadline_at"`
		TimeoutAt      *database.Time                             `db:"timeout_at"`
		SuspendedAt    *database.Time                             `db:"suspended_at"`
		Spent          database.Structured[lifecycle.RetriesUsed] `db:"spent"`
		Retries        database.Structured[lifecycle.RetryPolicy] `db:"retries"`
		Infrastructure *int                                       `db:"template_infrastructure_max"`
		Lease          *database.Time                             `db:"lease_expires_at"`
		TimeoutUS      *int64                                     `db:"timeout_us"`
	}
	if err := q.db.Get(ctx, &row, deadlinesSQL, s.Run.ID); err != nil {
		return database.NotFoundError(err, "run %s", s.Run.ID)
	}
	s.StartDeadline, s.TimeoutAt, s.LeaseExpiresAt = row.StartDeadline.Ptr(), row.TimeoutAt.Ptr(), row.Lease.Ptr()
	if s.Suspended = row.SuspendedAt != nil; s.Suspended && s.TimeoutAt != nil {
		moved := s.TimeoutAt.Add(s.Now.Sub(row.SuspendedAt.Time()))
		s.TimeoutAt = &moved
	}
	s.Timeout = database.Duration(row.TimeoutUS)
	s.RetriesUsed, s.Policy = row.Spent.V, row.Retries.V.WithTemplateDefault(row.Infrastructure)
	return nil
}

// readQueue counts the runs ahead, reads who holds the slots of full gates, and how long the runs of all these
// usually take.
func (q Reader) readQueue(ctx context.Context, s *RunFacts) error {
	s.AheadOf = map[uuid.UUID]int{}
	var err error
	if s.AheadInQueue, err = q.countInLine(ctx, aheadSQL, s); err != nil {
		return fmt.Errorf("count the runs ahead of run %s: %w", s.Run.ID, err)
	}
	if s.AheadInOtherQueues, err = q.countInLine(ctx, beforeSQL, s); err != nil {
		return fmt.Errorf("count the runs ahead of run %s in other queues: %w", s.Run.ID, err)
	}
	for _, gate := range []struct {
		of     *ClaimGate
		column string
	}{{&s.Gates.Deployment, "a.deployment_id = ?"}, {&s.Gates.Queue, "a.queue_id = ?"}, {&s.Gates.Pool, "a.pool_id = ?"}} {
		if !gate.of.Full() {
			continue
		}
		if err := q.readHolders(ctx, gate.of, gate.column); err != nil {
			return err
		}
	}
	return q.readUsual(ctx, s)
}

// readHolders reads the runs that hold slots of a gate. Served by the indexes of live on deployment, queue and pool.
func (q Reader) readHolders(ctx context.Context, gate *ClaimGate, column string) error {
	var rows []struct {
		RunID        uuid.UUID     `db:"run_id"`
		Name         string        `db:"name"`
		Pool         string        `db:"pool"`
		Deployment   string        `db:"deployment"`
		DeploymentID uuid.UUID     `db:"deployment_id"`
		ClaimedAt    database.Time `db:"claimed_at"`
	}
	if err := q.db.All(ctx, &rows, holdersSQL+column+holdersOrderSQL, gate.ID, HoldersMax); err != nil {
		return fmt.Errorf("list the runs that hold slots of %q: %w", gate.Name, err)
	}
	for _, r := range rows {
		gate.Holders = append(gate.Holders, SlotHolder{
			Run: r.RunID, Name: r.Name, Pool: r.Pool, Deployment: r.Deployment, DeploymentID: r.DeploymentID,
			Since: r.ClaimedAt.Time(),
		})
	}
	return nil
}

const (
	// usualDays is how far back the usual duration looks.
	usualDays = 7
	// usualDeployments bounds the deployments of which it is read.
	usualDeployments = 20
)

// readUsual reads how long runs of the deployments take that hold slots of full gates or have most of the runs ahead.
func (q Reader) readUsual(ctx context.Context, s *RunFacts) error {
	if !s.Gates.Full() {
		return nil // nothing depends on it
	}
	runs := map[uuid.UUID]int{}
	for _, gate := range []ClaimGate{s.Gates.Deployment, s.Gates.Queue, s.Gates.Pool} {
		for _, holder := range gate.Holders {
			runs[holder.DeploymentID]++
		}
	}
	for deployment, n := range s.AheadOf {
		runs[deployment] += n
	}
	ids := slices.SortedFunc(maps.Keys(runs), func(a, b uuid.UUID) int {
		return cmp.Or(runs[b]-runs[a], strings.Compare(a.String(), b.String()))
	})
	var err error
	s.Usual, err = q.listDurations(ctx, ids[:min(len(ids), usualDeployments)], s.Now.Add(-usualDays*24*time.Hour))
	return err
}

// countInLine counts runs in both indexes of ready, up to AheadCountMax.
func (q Reader) countInLine(ctx context.Context, query string, s *RunFacts) (int, error) {
	total := 0
	for _, index := range []string{"NOT w.limited", "w.limited"} {
		var rows []struct {
			DeploymentID uuid.UUID `db:"deployment_id"`
			N            int       `db:"n"`
		}
		if err := q.db.All(ctx, &rows, fmt.Sprintf(query, index), s.Now, s.Run.ID, AheadCountMax-total); err != nil {
			return 0, err
		}
		for _, row := range rows {
			total += row.N
			s.AheadOf[row.DeploymentID] += row.N
		}
	}
	return total, nil
}

// GetRunFacts returns the facts that explain a run. It reads them from one snapshot, so that they do not
// contradict each other.
func (s *Store) GetRunFacts(ctx context.Context, id uuid.UUID) (*RunFacts, error) {
	var facts *RunFacts
	err := s.db.Snapshot(ctx, func(reader database.Reader) error {
		var err error
		facts, err = Reader{db: reader, s: s}.runFacts(ctx, id)
		return err
	})
	return facts, err
}
