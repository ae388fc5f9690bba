package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

const leaseUntilSQL = `
SELECT expires_at
FROM worker_sessions
WHERE id = ?`

// AbandonRun ends the active attempt of a run on behalf of an operator, because its worker or cluster is
// gone. The state of its Job is unknown, so the attempt ends in the category unknown and uses a retry of it.
// It fails with LeaseHeld while a worker holds the lease.
func (tx *Tx) AbandonRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	runs, err := tx.lockRuns(ctx, []uuid.UUID{id})
	if err != nil {
		return nil, fmt.Errorf("abandon run %s: %w", id, err)
	}
	run := runs[id]
	if run == nil || run.attempt == nil {
		if _, err := tx.GetRun(ctx, id); err != nil {
			return nil, err
		}
		return nil, &Error{
			Code:    Conflict,
			Message: fmt.Sprintf("run %s has no active attempt to abandon", id),
		}
	}
	b := &reportBatch{runs: runs}
	if b.now, err = tx.db.Now(ctx); err != nil {
		return nil, err
	}
	if err := tx.refuseHeld(ctx, run.attempt, b.now); err != nil {
		return nil, err
	}
	a := run.attempt
	b.apply(tx, run, Report{
		Lease: Lease{AttemptID: a.AttemptID, Epoch: a.Epoch}, Kind: ReportEnded,
		Outcome: lifecycle.Outcome{
			Category: lifecycle.Unknown,
			Message: fmt.Sprintf(
				"abandoned by %s: worker %q of cluster %q is gone", actor, a.Worker, a.ClusterID),
		},
	}, actor)
	if err := b.save(ctx, tx); err != nil {
		return nil, fmt.Errorf("abandon run %s: %w", id, err)
	}
	return tx.GetRun(ctx, id)
}

// refuseHeld fails while a worker holds the lease of an attempt.
func (tx *Tx) refuseHeld(ctx context.Context, a *liveAttempt, now time.Time) error {
	if a.SessionID == nil {
		return nil
	}
	var until []database.Time
	if err := tx.db.All(ctx, &until, leaseUntilSQL, a.SessionID); err != nil {
		return fmt.Errorf("read the lease of attempt %s: %w", a.AttemptID, err)
	}
	if len(until) == 0 || !until[0].Time().After(now) {
		return nil
	}
	return &Error{
		Code: LeaseHeld,
		Message: fmt.Sprintf(
			"worker %q of cluster %q holds the run: cancel the run, or wait until the lease has expired",
			a.Worker, a.ClusterID),
	}
}

// AbandonRun runs Tx.AbandonRun in a transaction.
func (s *Store) AbandonRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	return inTx(ctx, s, func(tx *Tx) (*Run, error) { return tx.AbandonRun(ctx, id, actor) })
}
