package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

const (
	sweepBatch      = 500
	keepClaims      = time.Hour          // answers to claims
	keepWorkers     = 7 * 24 * time.Hour // rows of workers not heard of
	sweepActor      = "server"
	sweepOverlap    = 5 * time.Second // of the windows in which hints are looked for
	firstSweepBack  = time.Minute
	clearAwayRounds = 4 // batches of deleted runs in one sweep
)

// sweepMark remembers up to when this process has hinted at what becomes due with time alone.
type sweepMark struct {
	mu sync.Mutex
	at time.Time
}

// Sweep ends runs past their start deadline or timeout, sends hints for runs that became due, and removes
// deleted objects. Every server calls it about once a second, concurrently.
func (s *Store) Sweep(ctx context.Context) error {
	if err := s.hintDue(ctx); err != nil {
		return fmt.Errorf("find runs that became due: %w", err)
	}
	for _, step := range []struct {
		what string
		do   func(*Tx) (int, error)
	}{
		{"cancel runs past their start deadline", func(tx *Tx) (int, error) {
			return tx.cancelOverdue(ctx, startDeadlineSQL, lifecycle.CancelExpired)
		}},
		{"end runs past their timeout", func(tx *Tx) (int, error) { return tx.cancelOverdue(ctx, timeoutSQL, lifecycle.CancelTimeout) }},
		{"delete old claims and workers", func(tx *Tx) (int, error) { return 0, tx.deleteOldClaimsAndWorkers(ctx) }},
		{"end approvals that ran out", func(tx *Tx) (int, error) { return tx.lapseOverdue(ctx) }},
		{"remove deleted pools and deployments", func(tx *Tx) (int, error) { return tx.clearDeleted(ctx) }},
	} {
		for round, n := 0, sweepBatch; n >= sweepBatch && round < clearAwayRounds; round++ {
			var err error
			if n, err = inTx(ctx, s, step.do); err != nil {
				return fmt.Errorf("%s: %w", step.what, err)
			}
		}
	}
	return nil
}

// Served by runs_start_deadline and runs_timeout.
const (
	startDeadlineSQL = `
SELECT id
FROM runs
WHERE start_deadline_at <= ?
	AND started_at IS NULL
	AND ended_at IS NULL
	AND state_type <> 'CANCELLING'
LIMIT ?`
	timeoutSQL = `
SELECT id
FROM runs
WHERE timeout_at <= ?
	AND ended_at IS NULL
	AND state_type <> 'CANCELLING'
LIMIT ?`
)

// cancelOverdue cancels runs whose time has come, and returns how many it found.
func (tx *Tx) cancelOverdue(ctx context.Context, query string, reason lifecycle.CancelReason) (int, error) {
	if tx.s.deadlinesRest.Load() {
		return 0, nil
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return 0, err
	}
	var ids []uuid.UUID
	if err := tx.db.All(ctx, &ids, query, now, sweepBatch); err != nil || len(ids) == 0 {
		return 0, err
	}
	runs, err := tx.lockRuns(ctx, ids, true)
	if err != nil {
		return 0, err
	}
	for _, r := range runs {
		if overdue(r, reason, now) { // it may have started since
			tx.cancel(r, reason, now, sweepActor)
		}
	}
	return len(ids), tx.saveRuns(ctx, runs)
}

func overdue(r *lockedRun, reason lifecycle.CancelReason, now time.Time) bool {
	at := r.TimeoutAt
	if reason == lifecycle.CancelExpired {
		if at = r.StartDeadlineAt; r.StartedAt != nil {
			return false
		}
	}
	return at != nil && !at.Time().After(now)
}

const (
	forgetClaimsSQL = `
DELETE FROM claim_requests
WHERE created_at < ?`
	forgetWorkersSQL = `
DELETE FROM workers
WHERE last_seen_at < ?`
)

func (tx *Tx) deleteOldClaimsAndWorkers(ctx context.Context) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.db.Exec(ctx, forgetClaimsSQL, now.Add(-keepClaims)); err != nil {
		return err
	}
	_, err = tx.db.Exec(ctx, forgetWorkersSQL, now.Add(-keepWorkers))
	return err
}

const (
	deletedDeploymentSQL = `
SELECT d.id
FROM deployments d
WHERE d.deleted_at IS NOT NULL
	AND NOT d.kept
	AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.deployment_id = d.id AND r.ended_at IS NULL)
ORDER BY d.deleted_at, d.id
LIMIT 1`
	clearRunsSQL = `
DELETE FROM runs
WHERE id IN (SELECT id FROM runs WHERE deployment_id = ? LIMIT ?)`
	clearPoolRunsSQL = `
DELETE FROM runs
WHERE id IN (
		SELECT r.id
		FROM runs r
		JOIN pools p ON p.id = r.pool_id
		WHERE p.deleted_at IS NOT NULL
			AND NOT p.kept
			AND NOT EXISTS (SELECT 1 FROM runs l WHERE l.pool_id = p.id AND l.ended_at IS NULL)
		LIMIT ?
	)`
	clearDeploymentSQL = `
DELETE FROM deployments
WHERE id = ?`
	clearPoolsSQL = `
DELETE FROM pools
WHERE deleted_at IS NOT NULL
	AND NOT kept
	AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.pool_id = pools.id)
	AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.pool_id = pools.id)`
)

// clearDeleted removes deleted deployments and pools in batches, once all their runs have ended. This keeps
// the delete itself fast.
func (tx *Tx) clearDeleted(ctx context.Context) (int, error) {
	var id uuid.UUID
	err := tx.db.Get(ctx, &id, deletedDeploymentSQL+tx.db.Dialect().Lock("FOR UPDATE OF d SKIP LOCKED"))
	if errors.Is(err, database.ErrNoRows) {
		return tx.clearPools(ctx)
	}
	if err != nil {
		return 0, err
	}
	n, err := tx.db.Exec(ctx, clearRunsSQL, id, sweepBatch)
	if err != nil {
		return 0, err
	}
	if n < sweepBatch {
		_, err = tx.db.Exec(ctx, clearDeploymentSQL, id)
	}
	return sweepBatch, err // there may be more deployments
}

// clearPools removes deleted pools and the remaining runs of deployments that have moved to another pool.
func (tx *Tx) clearPools(ctx context.Context) (int, error) {
	n, err := tx.db.Exec(ctx, clearPoolRunsSQL, sweepBatch)
	if err != nil || n >= sweepBatch {
		return int(n), err
	}
	_, err = tx.db.Exec(ctx, clearPoolsSQL)
	return 0, err
}

// Served by runs_ready through the pools' queues, and by attempts_active.
const becameDueSQL = `
SELECT p.name
FROM pools p
WHERE EXISTS (
		SELECT 1
		FROM queues q
		JOIN runs r ON r.queue_id = q.id
		WHERE q.pool_id = p.id AND r.ready AND r.due_at > ? AND r.due_at <= ?
	)
	OR EXISTS (
		SELECT 1
		FROM attempts a
		WHERE a.pool_id = p.id AND a.ended_at IS NULL AND a.lease_expires_at > ? AND a.lease_expires_at <= ?
	)`

// hintDue sends hints within this process for runs that become due and leases that expire, since no write
// announces these.
func (s *Store) hintDue(ctx context.Context) error {
	tx := s.session()
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	s.swept.mu.Lock()
	defer s.swept.mu.Unlock()
	since := s.swept.at.Add(-sweepOverlap)
	if s.swept.at.IsZero() {
		since = now.Add(-firstSweepBack)
	}
	var pools []string
	if err := tx.db.All(ctx, &pools, becameDueSQL, since, now, since, now); err != nil {
		return err
	}
	s.swept.at = now
	for _, pool := range pools {
		s.db.Wake(PoolTopic(pool))
	}
	return nil
}
