package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

const (
	activeAttemptSQL = `
SELECT id
FROM attempts
WHERE run_id = ?
	AND ended_at IS NULL`
	heldUntilSQL = `
SELECT worker, cluster_id, lease_expires_at
FROM attempts
WHERE id = ?`
)

// AbandonRun ends the active attempt of a run on behalf of an operator, because its worker or cluster is
// gone. The state of its Job is unknown, so the attempt ends in the category unknown and uses a retry of it.
// It fails with LeaseHeld while a worker holds the lease.
func (tx *Tx) AbandonRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	var attempt uuid.UUID
	if err := tx.db.Get(ctx, &attempt, activeAttemptSQL, id); errors.Is(err, database.ErrNoRows) {
		if _, err := tx.GetRun(ctx, id); err != nil {
			return nil, err
		}
		return nil, &Error{
			Code:    Conflict,
			Message: fmt.Sprintf("run %s has no active attempt to abandon", id),
		}
	} else if err != nil {
		return nil, fmt.Errorf("abandon run %s: %w", id, err)
	}
	b, err := tx.openReports(ctx, []Report{{Lease: Lease{AttemptID: attempt}}})
	if err != nil {
		return nil, fmt.Errorf("abandon run %s: %w", id, err)
	}
	var holder struct {
		Worker         string        `db:"worker"`
		ClusterID      string        `db:"cluster_id"`
		LeaseExpiresAt database.Time `db:"lease_expires_at"`
	}
	if err := tx.db.Get(ctx, &holder, heldUntilSQL, attempt); err != nil {
		return nil, fmt.Errorf("abandon run %s: %w", id, err)
	}
	if holder.LeaseExpiresAt.Time().After(b.now) {
		return nil, &Error{
			Code: LeaseHeld,
			Message: fmt.Sprintf(
				"worker %q of cluster %q holds the run: cancel the run, or wait until the lease has expired",
				holder.Worker, holder.ClusterID),
		}
	}
	a := b.attempts[attempt]
	result := b.apply(tx, a, b.runs[id], Report{
		Lease: Lease{AttemptID: attempt, Epoch: a.Epoch}, Kind: ReportEnded,
		Outcome: lifecycle.Outcome{
			Category: lifecycle.Unknown,
			Message: fmt.Sprintf(
				"abandoned by %s: worker %q of cluster %q is gone", actor, holder.Worker, holder.ClusterID),
		},
	}, actor)
	if result.Status != ReportAccepted { // it has ended while we waited for the locks
		return nil, &Error{Code: Conflict, Message: fmt.Sprintf("run %s: %s", id, result.Message)}
	}
	if err := b.save(ctx, tx); err != nil {
		return nil, fmt.Errorf("abandon run %s: %w", id, err)
	}
	return tx.GetRun(ctx, id)
}

// AbandonRun runs Tx.AbandonRun in a transaction.
func (s *Store) AbandonRun(ctx context.Context, id uuid.UUID, actor string) (*Run, error) {
	return inTx(ctx, s, func(tx *Tx) (*Run, error) { return tx.AbandonRun(ctx, id, actor) })
}
