package store

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// unlimitedMax bounds the concurrent claims of one pool in this process: more of them only skip each other's
// runs.
const unlimitedMax = 4

// errNeedsPoolLock says that a claim has to lock the pool for itself.
var errNeedsPoolLock = errors.New("the work pool has limits")

// claimUnlimited claims due runs of a pool without limits, concurrently with other claims. Without limits no
// slots are counted, so each claim only locks the runs that it picks. A change that adds a limit or a pause
// waits for the running claims.
//
// It returns errNeedsPoolLock in the rare case that claimLimited has to decide.
func (s *Store) claimUnlimited(ctx context.Context, r ClaimRequest, w *waiters) (*claimResult, error) {
	release, err := acquire(ctx, w.unlimited)
	if err != nil {
		return nil, err
	}
	defer release()

	return inTx(ctx, s, func(tx *Tx) (*claimResult, error) {
		result := &claimResult{rows: map[uuid.UUID]*claimRow{}}
		if _, err := tx.lockPoolRow(ctx, r.Pool, poolForUnlimitedClaims); err != nil {
			return nil, err
		}
		state, err := tx.readLockedPoolState(ctx, r)
		if err != nil {
			return nil, err
		}

		w.poolUnlimited.Store(state.unlimited())
		if !state.unlimited() || state.Known || state.Expired {
			return nil, errNeedsPoolLock
		}
		if state.Paused {
			return result, nil
		}
		return result, tx.claimUnlimitedRuns(ctx, r, state, result)
	})
}

// unlimited reports whether claims may run concurrently: nothing is limited, and no two queues with due runs
// have the same priority. Such queues are served together by due time, which takes one claim at a time.
func (s *lockedPoolState) unlimited() bool {
	if !s.Open {
		return false
	}
	last := int32(math.MinInt32)
	for _, queue := range s.queues {
		if queue.Priority == last {
			return false
		}
		last = queue.Priority
	}
	return true
}

// dueRunsSQL locks due runs that no other claim has locked, in the order of the claim and not of their IDs: a
// statement that skips locked rows cannot deadlock. Served by runs_ready.
func dueRunsSQL(d database.Dialect) string {
	return `
SELECT
	` + d.RowClock() + ` AS clock,` + claimColumns + `
	` + liveRunColumns + `
FROM runs r
WHERE r.queue_id = ?
	AND r.ready
	AND r.due_at <= ` + d.NowParam() + `
ORDER BY r.due_at, r.id
LIMIT ?` + d.Lock(forRunsSkipping)
}

func (tx *Tx) claimUnlimitedRuns(
	ctx context.Context, r ClaimRequest, state *lockedPoolState, result *claimResult,
) error {
	var due []*lockedRun
	for _, queue := range state.queues {
		limit := r.Max - len(due)
		if limit == 0 {
			break
		}
		now, err := tx.db.NowArg(ctx)
		if err != nil {
			return err
		}
		var rows []*lockedRun
		if err := tx.db.All(ctx, &rows, dueRunsSQL(tx.db.Dialect()), queue.ID, now, limit); err != nil {
			return fmt.Errorf("lock due runs of work pool %q: %w", r.Pool, err)
		}
		due = append(due, rows...)
	}

	// The claims that have locked the runs may not take them, or one of them has the same request ID.
	if len(due) == 0 {
		return errNeedsPoolLock
	}
	runs, err := tx.indexLocked(ctx, due)
	if err != nil {
		return err
	}
	tx.db.AdvanceClock(due[len(due)-1].Clock)
	return tx.insertAttempts(ctx, r, state, due, runs, result)
}
