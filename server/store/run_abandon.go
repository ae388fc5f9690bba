package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

const attemptHolderSQL = `
SELECT l.worker, l.cluster_id, s.expires_at
FROM live l
LEFT JOIN worker_sessions s ON s.id = l.session_id
WHERE l.attempt_id = ?`

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
	a := run.attempt
	holder, err := tx.refuseHeld(ctx, a.AttemptID, b.now)
	if err != nil {
		return nil, err
	}
	b.apply(tx, run, Report{
		Lease: Lease{AttemptID: a.AttemptID, Epoch: a.Epoch}, Kind: ReportEnded,
		Outcome: lifecycle.Outcome{
			Category: lifecycle.Unknown,
			Message: fmt.Sprintf(
				"abandoned by %s: worker %q of cluster %q is gone", actor, holder.Worker, holder.ClusterID),
		},
	}, actor)
	if err := b.save(ctx, tx); err != nil {
		return nil, fmt.Errorf("abandon run %s: %w", id, err)
	}
	return tx.GetRun(ctx, id)
}

// attemptHolder is the worker that has or had an attempt.
type attemptHolder struct {
	Worker    string         `db:"worker"`
	ClusterID string         `db:"cluster_id"`
	Until     *database.Time `db:"expires_at"` // its lease; nil: it was released
}

// refuseHeld fails while a worker holds the lease of an attempt.
func (tx *Tx) refuseHeld(ctx context.Context, attempt uuid.UUID, now time.Time) (holder attemptHolder, err error) {
	if err := tx.db.Get(ctx, &holder, attemptHolderSQL, attempt); err != nil {
		return holder, fmt.Errorf("read the lease of attempt %s: %w", attempt, err)
	}
	if holder.Until == nil || !holder.Until.Time().After(now) {
		return holder, nil
	}
	return holder, &Error{
		Code: LeaseHeld,
		Message: fmt.Sprintf(
			"worker %q of cluster %q holds the run: cancel the run, or wait until the lease has expired",
			holder.Worker, holder.ClusterID),
	}
}

// AbandonRun runs Tx.AbandonRun in a transaction.
func (s *Store) AbandonRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	return inTx(ctx, s, func(tx *Tx) (*Run, error) { return tx.AbandonRun(ctx, id, actor) })
}
