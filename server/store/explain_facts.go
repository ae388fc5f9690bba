package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// Gates is what can keep the runs of one deployment in one queue of one pool from being claimed, as it is now.
type ClaimGates struct {
	Pool, Queue, Deployment ClaimGate
}

// ClaimGate is a pool, a queue or a deployment on the way of a run.
type ClaimGate struct {
	ID       uuid.UUID
	Name     string
	Paused   bool
	Limit    *int32 // nil: no limit
	Used     int32  // slots in use; not counted where there is no limit
	PausedBy string // where it is paused, and that is known
	PausedAt time.Time
}

// Full reports whether the limit lets nothing more through.
func (g ClaimGate) Full() bool { return g.Limit != nil && g.Used >= *g.Limit }

// Full reports whether a limit is in the way.
func (l ClaimGates) Full() bool { return l.Pool.Full() || l.Queue.Full() || l.Deployment.Full() }

// Paused reports whether something on the way is paused.
func (l ClaimGates) Paused() bool { return l.Pool.Paused || l.Queue.Paused || l.Deployment.Paused }

// lanesOfSQL reads each lane once, however many of the runs are in it. Slots are counted, where there is a
// limit, along attempts_active and attempts_active_deployment.
const lanesOfSQL = `
SELECT
	l.pool_id, p.name AS pool, p.paused AS pool_paused, p.concurrency_limit AS pool_limit,
	CASE WHEN p.concurrency_limit IS NULL THEN 0 ELSE (
		SELECT COUNT(*) FROM attempts a WHERE a.pool_id = l.pool_id AND a.ended_at IS NULL
	) END AS pool_used,
	l.queue_id, q.name AS queue, q.paused AS queue_paused, q.concurrency_limit AS queue_limit,
	CASE WHEN q.concurrency_limit IS NULL THEN 0 ELSE (
		SELECT COUNT(*) FROM attempts a WHERE a.pool_id = l.pool_id AND a.queue_id = l.queue_id AND a.ended_at IS NULL
	) END AS queue_used,
	l.deployment_id, d.name AS deployment, d.paused AS deployment_paused, d.concurrency_limit AS deployment_limit,
	CASE WHEN d.concurrency_limit IS NULL THEN 0 ELSE (
		SELECT COUNT(*) FROM attempts a WHERE a.deployment_id = l.deployment_id AND a.ended_at IS NULL
	) END AS deployment_used
FROM (SELECT DISTINCT pool_id, queue_id, deployment_id FROM runs WHERE id IN `

const lanesOfEndSQL = `) AS l
JOIN pools p ON p.id = l.pool_id
JOIN queues q ON q.id = l.queue_id
JOIN deployments d ON d.id = l.deployment_id`

type claimGatesRow struct {
	PoolID           uuid.UUID `db:"pool_id"`
	Pool             string    `db:"pool"`
	PoolPaused       bool      `db:"pool_paused"`
	PoolLimit        *int32    `db:"pool_limit"`
	PoolUsed         int32     `db:"pool_used"`
	QueueID          uuid.UUID `db:"queue_id"`
	Queue            string    `db:"queue"`
	QueuePaused      bool      `db:"queue_paused"`
	QueueLimit       *int32    `db:"queue_limit"`
	QueueUsed        int32     `db:"queue_used"`
	DeploymentID     uuid.UUID `db:"deployment_id"`
	Deployment       string    `db:"deployment"`
	DeploymentPaused bool      `db:"deployment_paused"`
	DeploymentLimit  *int32    `db:"deployment_limit"`
	DeploymentUsed   int32     `db:"deployment_used"`
}

func (r claimGatesRow) gates() ClaimGates {
	return ClaimGates{
		Pool: ClaimGate{
			ID:     r.PoolID,
			Name:   r.Pool,
			Paused: r.PoolPaused,
			Limit:  r.PoolLimit,
			Used:   r.PoolUsed,
		},
		Queue: ClaimGate{
			ID:     r.QueueID,
			Name:   r.Queue,
			Paused: r.QueuePaused,
			Limit:  r.QueueLimit,
			Used:   r.QueueUsed,
		},
		Deployment: ClaimGate{
			ID:     r.DeploymentID,
			Name:   r.Deployment,
			Paused: r.DeploymentPaused,
			Limit:  r.DeploymentLimit,
			Used:   r.DeploymentUsed,
		},
	}
}

// ListClaimGates reads the lanes that runs are in, by the names that runs are shown with: pool, queue and deployment.
func (q Reader) ListClaimGates(ctx context.Context, runs []uuid.UUID) (map[[3]string]ClaimGates, error) {
	list := database.ListOf(runs)
	var rows []claimGatesRow
	if err := q.db.All(ctx, &rows, lanesOfSQL+q.db.Dialect().List("uuid")+lanesOfEndSQL, list); err != nil {
		return nil, fmt.Errorf("list claim gates: %w", err)
	}
	lanes := make(map[[3]string]ClaimGates, len(rows))
	for _, r := range rows {
		lanes[[3]string{r.Pool, r.Queue, r.Deployment}] = r.gates()
	}
	return lanes, nil
}

// RunFacts is all that explains a run, as it was at one moment.
type RunFacts struct {
	Run      Run
	Attempts []Attempt
	Gates    ClaimGates
	// Holders are some of the runs that hold slots of what is full, the longest holding first.
	Holders []SlotHolder
	// AheadInQueue are the runs that are due in the same queue and come first; AheadCountMax stands for that many or
	// more.
	AheadInQueue int
	// AheadInOtherQueues are the runs that are due in queues of the pool that are served first; AheadCountMax as above.
	AheadInOtherQueues int
	StartDeadline      *time.Time
	TimeoutAt          *time.Time
	Policy             lifecycle.RetryPolicy
	RetriesUsed        lifecycle.RetriesUsed
	Workers            []Worker // of the pool
	Now                time.Time
	// LeaseExpiresAt is when the lease of the newest attempt ends or ended; nil where nobody holds it.
	LeaseExpiresAt *time.Time
}

// AheadCountMax bounds how far the line before a run is counted.
const AheadCountMax = 10000

// SlotHolder is a run that holds a slot.
type SlotHolder struct {
	Name       string
	Deployment string
	Since      time.Time
}

const (
	holdersSQL = `
SELECT r.name, d.name AS deployment, a.claimed_at
FROM attempts a
JOIN runs r ON r.id = a.run_id
JOIN deployments d ON d.id = r.deployment_id
WHERE a.ended_at IS NULL
	AND `
	holdersOrderSQL = `
ORDER BY a.claimed_at, a.id
LIMIT 3`
	// aheadSQL is served by runs_ready.
	aheadSQL = `
SELECT COUNT(*)
FROM (
	SELECT 1 AS one
	FROM runs r
	JOIN runs own ON own.id = ?
	WHERE r.queue_id = own.queue_id AND r.ready AND r.due_at <= ? AND (r.due_at, r.id) < (own.due_at, own.id)
	LIMIT ?
) AS line`
	// beforeSQL is served by runs_ready, queue by queue.
	beforeSQL = `
SELECT COUNT(*)
FROM (
	SELECT 1 AS one
	FROM runs own
	JOIN queues mine ON mine.id = own.queue_id
	JOIN queues q ON q.pool_id = mine.pool_id AND q.priority < mine.priority AND NOT q.paused AND q.deleted_at IS NULL
	JOIN runs r ON r.queue_id = q.id AND r.ready AND r.due_at <= ?
	WHERE own.id = ?
	LIMIT ?
) AS line`
	deadlinesSQL = `
SELECT
	r.start_deadline_at, r.timeout_at, r.spent, v.retries, r.template_infrastructure_max,
	(
		SELECT a.lease_expires_at
		FROM attempts a
		WHERE a.run_id = r.id AND a.ended_at IS NULL
	) AS lease_expires_at
FROM runs r
JOIN deployment_revisions v ON v.id = r.revision_id
WHERE r.id = ?`
)

// runFacts reads what explains a run, with the reader of a snapshot.
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
	lanes, err := q.ListClaimGates(ctx, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	s.Gates = lanes[[3]string{run.Pool, run.Queue, run.Deployment}]
	if err := q.pausers(ctx, s); err != nil {
		return nil, err
	}
	if err := q.deadlines(ctx, s); err != nil {
		return nil, err
	}
	if run.State.Type == lifecycle.Scheduled {
		if err := q.countAhead(ctx, s); err != nil {
			return nil, err
		}
	}
	s.Workers, err = q.ListWorkers(ctx, run.Pool)
	return s, err
}

// pausers reads who paused what is in the way.
func (q Reader) pausers(ctx context.Context, s *RunFacts) error {
	for _, one := range []struct {
		gate *ClaimGate
		kind AuditKind
	}{{&s.Gates.Pool, AuditPool}, {&s.Gates.Queue, AuditQueue}, {&s.Gates.Deployment, AuditDeployment}} {
		if !one.gate.Paused {
			continue
		}
		const far = 100 // changes back; who has paused it before that is in the audit
		entries, _, err := q.ListAudit(
			ctx,
			AuditFilter{Kind: one.kind, Name: one.gate.Name, Pool: s.Run.Pool},
			Page{Limit: far},
		)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(entries, AuditEntry.pauses); i >= 0 {
			one.gate.PausedBy, one.gate.PausedAt = entries[i].Actor, entries[i].At
		}
	}
	return nil
}

// pauses reports whether something was paused by the change.
func (e AuditEntry) pauses() bool {
	return slices.ContainsFunc(
		e.Changes,
		func(c AuditChange) bool { return c.Field == "paused" && string(c.After) == "true" },
	)
}

func (q Reader) deadlines(ctx context.Context, s *RunFacts) error {
	var row struct {
		StartDeadline  *database.Time                             `db:"start_deadline_at"`
		TimeoutAt      *database.Time                             `db:"timeout_at"`
		Spent          database.Structured[lifecycle.RetriesUsed] `db:"spent"`
		Retries        database.Structured[lifecycle.RetryPolicy] `db:"retries"`
		Infrastructure *int                                       `db:"template_infrastructure_max"`
		Lease          *database.Time                             `db:"lease_expires_at"`
	}
	if err := q.db.Get(ctx, &row, deadlinesSQL, s.Run.ID); err != nil {
		return database.NotFoundError(err, "run %s", s.Run.ID)
	}
	s.StartDeadline, s.TimeoutAt, s.LeaseExpiresAt = row.StartDeadline.Ptr(), row.TimeoutAt.Ptr(), row.Lease.Ptr()
	s.RetriesUsed, s.Policy = row.Spent.V, row.Retries.V.WithTemplateDefault(row.Infrastructure)
	return nil
}

// countAhead reads who is before the run: in its queue, and on the slots of the first limit that is full.
func (q Reader) countAhead(ctx context.Context, s *RunFacts) error {
	if err := q.db.Get(ctx, &s.AheadInQueue, aheadSQL, s.Run.ID, s.Now, AheadCountMax); err != nil {
		return fmt.Errorf("count the runs ahead of run %s: %w", s.Run.ID, err)
	}
	if err := q.db.Get(ctx, &s.AheadInOtherQueues, beforeSQL, s.Now, s.Run.ID, AheadCountMax); err != nil {
		return fmt.Errorf("count the runs ahead of run %s in other queues: %w", s.Run.ID, err)
	}
	for _, gate := range []struct {
		of     ClaimGate
		column string
	}{{s.Gates.Deployment, "a.deployment_id = ?"}, {s.Gates.Queue, "a.queue_id = ?"}, {s.Gates.Pool, "a.pool_id = ?"}} {
		if !gate.of.Full() {
			continue
		}
		var rows []struct {
			Name       string        `db:"name"`
			Deployment string        `db:"deployment"`
			ClaimedAt  database.Time `db:"claimed_at"`
		}
		if err := q.db.All(ctx, &rows, holdersSQL+gate.column+holdersOrderSQL, gate.of.ID); err != nil {
			return fmt.Errorf("list the runs that hold slots of %q: %w", gate.of.Name, err)
		}
		for _, r := range rows {
			s.Holders = append(
				s.Holders,
				SlotHolder{Name: r.Name, Deployment: r.Deployment, Since: r.ClaimedAt.Time()},
			)
		}
		return nil
	}
	return nil
}

// GetRunFacts reads what explains a run, all of it from one snapshot: facts that were read one after another could
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
