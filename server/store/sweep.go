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
		{"end runs past their deadlines", func(tx *Tx) (int, error) { return tx.cancelOverdue(ctx) }},
		{"cancel the runs of deleted deployments", func(tx *Tx) (int, error) { return tx.cancelDeleted(ctx) }},
		{"delete old workers and dry runs", func(tx *Tx) (int, error) {
			return 0, errors.Join(tx.clearWorkers(ctx), tx.clearDryRuns(ctx))
		}},
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
	if s.rolledUp.isDue(time.Now()) {
		return s.RollUpRuns(ctx)
	}
	return nil
}

// overdueSQL is served by ready_deadline and live_deadline.
const overdueSQL = `
SELECT run_id
FROM ready
WHERE deadline_at <= ?
UNION ALL
SELECT run_id
FROM live
WHERE deadline_at <= ?
LIMIT ?`

// cancelOverdue looks at runs one of whose deadlines may have passed, and cancels those of which it has. It returns how
// many it looked at.
func (tx *Tx) cancelOverdue(ctx context.Context) (int, error) {
	if tx.s.deadlinesRest.Load() {
		return 0, nil
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return 0, err
	}
	var ids []uuid.UUID
	if err := tx.db.All(ctx, &ids, overdueSQL, now, now, sweepBatch); err != nil || len(ids) == 0 {
		return 0, err
	}
	runs, err := tx.lockRuns(ctx, ids)
	if err != nil {
		return 0, err
	}
	for _, r := range runs {
		if reason := r.overdue(now); reason != lifecycle.NotCancelled {
			tx.cancel(r, reason, now, sweepActor)
		}
		if r.place == inLive && r.EndedAt == nil {
			r.DeadlineAt, r.changed = nil, true
			if r.StateType != lifecycle.Cancelling {
				r.DeadlineAt = r.deadline(now)
			}
		}
	}
	return len(ids), tx.saveRuns(ctx, runs)
}

// overdue returns which deadline of a run has passed; lifecycle.NotCancelled for none.
func (r *lockedRun) overdue(now time.Time) lifecycle.CancelReason {
	passed := func(at *database.Time) bool { return at != nil && !at.Time().After(now) }
	switch {
	case r.StateType.Terminal() || r.StateType == lifecycle.Cancelling:
		return lifecycle.NotCancelled
	case r.StartedAt == nil && passed(r.StartDeadlineAt):
		return lifecycle.CancelExpired
	case passed(r.TimeoutAt) && r.suspendedAt() == nil:
		return lifecycle.CancelTimeout
	}
	return lifecycle.NotCancelled
}

const (
	deletedDeploymentSQL = `
SELECT d.id
FROM deployments d
WHERE d.deleted_at IS NOT NULL
	AND NOT d.kept
	AND NOT EXISTS (SELECT 1 FROM ready w WHERE w.deployment_id = d.id)
	AND NOT EXISTS (SELECT 1 FROM live l WHERE l.deployment_id = d.id)
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
			AND NOT EXISTS (SELECT 1 FROM live l WHERE l.pool_id = p.id)
			AND r.ended_at IS NOT NULL
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
	if free, err := tx.shareDeletion(ctx); err != nil || !free {
		return 0, err
	}
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
