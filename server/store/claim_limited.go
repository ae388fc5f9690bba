package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// claimLimited claims with the pool to itself, as a pool with limits requires: first the attempts of an
// earlier request with the same ID, then takeovers, then due runs.
func (tx *Tx) claimLimited(
	ctx context.Context, r ClaimRequest, live bool, w *waiters, result *claimResult,
) error {
	known, expired, state := true, true, (*lockedPoolState)(nil)
	if live { // the attempts of a deleted pool are still taken over, so that they end
		if _, err := tx.lockPoolRow(ctx, r.Pool, poolForChange); err != nil {
			return err
		}
		var err error
		if state, err = tx.readLockedPoolState(ctx, r); err != nil {
			return err
		}
		known, expired = state.Known, state.Expired
		w.poolUnlimited.Store(state.unlimited())
	}

	var err error
	if known {
		if result.attempts, result.repeated, err = tx.repeatedClaim(ctx, r); err != nil || result.repeated {
			return err
		}
	}
	if expired {
		if result.attempts, err = tx.takeOver(ctx, r); err != nil {
			return fmt.Errorf("take over attempts in work pool %q: %w", r.Pool, err)
		}
	}
	takenOver := len(result.attempts)
	if limit := r.Max - takenOver; live && limit > 0 && !state.Paused {
		if err := tx.claimDue(ctx, r, state, limit, result); err != nil {
			return fmt.Errorf("claim runs of work pool %q: %w", r.Pool, err)
		}
	}

	// claimDue has stored the answer already, if it claimed something.
	if takenOver == 0 || len(result.attempts) > takenOver {
		return nil
	}
	remember, err := tx.rememberClaim(ctx, r.RequestID, result.attempts)
	if err != nil {
		return err
	}
	return tx.db.ExecBatch(ctx, remember)
}

const repeatedClaimSQL = `
SELECT claims
FROM claim_requests
WHERE id = ?`

// repeatedClaim returns the attempts that an earlier request with this ID claimed and that the worker still
// holds, with renewed leases.
func (tx *Tx) repeatedClaim(ctx context.Context, r ClaimRequest) ([]claimedAttempt, bool, error) {
	var answers []database.Structured[[]claimedAttempt]
	if err := tx.db.All(ctx, &answers, repeatedClaimSQL, r.RequestID); err != nil {
		return nil, false, fmt.Errorf("read claim %s: %w", r.RequestID, err)
	}
	if len(answers) == 0 {
		return nil, false, nil
	}
	claimed := answers[0].V
	leases := make([]Lease, len(claimed))
	for i, h := range claimed {
		leases[i] = Lease{AttemptID: h.AttemptID, Epoch: h.Epoch}
	}
	renewed, err := tx.renew(ctx, leases, r.Lease)
	if err != nil {
		return nil, false, err
	}
	var held []claimedAttempt
	for _, h := range claimed {
		if renewed[h.AttemptID] {
			held = append(held, h)
		}
	}
	return held, true, nil
}

const rememberClaimSQL = `
INSERT INTO claim_requests (id, created_at, claims)
VALUES (?, ?, ?)`

// rememberClaim stores the answer to a request ID.
func (tx *Tx) rememberClaim(
	ctx context.Context, request uuid.UUID, claimed []claimedAttempt,
) (database.Statement, error) {
	now, err := tx.db.Now(ctx)
	return database.NewStatement(rememberClaimSQL, request, now,
		database.Structured[[]claimedAttempt]{V: claimed}), err
}

// claimDue claims up to limit due runs. The answer is stored with them, takeovers included.
func (tx *Tx) claimDue(
	ctx context.Context, r ClaimRequest, state *lockedPoolState, limit int, result *claimResult,
) error {
	picked, err := tx.pick(ctx, state, limit)
	if err != nil || len(picked) == 0 {
		return err
	}

	// Slots that were counted as free had ended by now. Read the time again, with the locks, so that in the
	// history no attempt starts before the one whose slot it got has ended.
	tx.db.ResetClock()
	runs, err := tx.lockRunsForClaim(ctx, picked)
	if err != nil {
		return err
	}

	due := make([]*lockedRun, 0, len(picked))
	for _, id := range picked {
		// A run may have been cancelled between the pick and its lock.
		if run := runs[id]; run != nil && run.StateType == lifecycle.Scheduled {
			due = append(due, run)
			tx.db.AdvanceClock(run.Clock)
		}
	}
	if len(due) == 0 {
		return nil
	}
	return tx.insertAttempts(ctx, r, state, due, runs, result)
}
