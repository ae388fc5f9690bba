package store

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// unlimitedMax bounds the claims of one pool that are at work at once in this process: more only step over each
// other's runs.
const unlimitedMax = 4

// errNeedsPoolLock says that a claim has to have the pool for itself.
var errNeedsPoolLock = errors.New("the work pool is not open")

// claimUnlimited gives runs of an open pool to a worker, while other claims do the same: nothing is to be
// counted there, so that all that they have to agree on is who takes which run, and those are locked as they
// are picked. Whatever would make a difference to that, a limit or a pause of the pool, of a queue or a
// template, waits for the claims that are at work.
//
// What is rare is left to a claim that has the pool for itself: errNeedsPoolLock.
func (s *Store) claimUnlimited(ctx context.Context, r ClaimRequest, l *waiters) (*claimResult, error) {
	leave, err := acquire(ctx, l.unlimited)
	if err != nil {
		return nil, err
	}
	defer leave()
	return write(ctx, s, func(tx *Tx) (*claimResult, error) {
		g := &claimResult{rows: map[uuid.UUID]*claimRow{}}
		if _, err := tx.lockPoolRow(ctx, r.Pool, poolForUnlimitedClaims); err != nil {
			return nil, err
		}
		stand, err := tx.readLockedPoolState(ctx, r)
		if err != nil {
			return nil, err
		}
		l.isUnlimited.Store(stand.unlimited())
		if !stand.unlimited() || stand.Known || stand.Expired {
			return nil, errNeedsPoolLock
		}
		if stand.Paused {
			return g, nil
		}
		return g, tx.claimUnlimitedRuns(ctx, r, stand, g)
	})
}

// unlimited reports whether claims may go beside each other: nothing is limited, and no two lanes with runs that
// are due have the same priority, which makes them one line.
func (s *lockedPoolState) unlimited() bool {
	if !s.Open {
		return false
	}
	last := int32(math.MinInt32)
	for _, l := range s.queues {
		if l.Priority == last {
			return false
		}
		last = l.Priority
	}
	return true
}

// dueRunsSQL locks what is due and nobody else is about to take, in the order of the claim and not in that of
// the ids: who skips what is locked waits for nobody. Served by runs_ready.
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

func (tx *Tx) claimUnlimitedRuns(ctx context.Context, r ClaimRequest, stand *lockedPoolState, g *claimResult) error {
	var chosen []*lockedRun
	for _, l := range stand.queues {
		most := r.Max - len(chosen)
		if most == 0 {
			break
		}
		now, err := tx.db.NowArg(ctx)
		if err != nil {
			return err
		}
		var rows []*lockedRun
		if err := tx.db.All(ctx, &rows, dueRunsSQL(tx.db.Dialect()), l.ID, now, most); err != nil {
			return fmt.Errorf("lock runs of work pool %q that are due: %w", r.Pool, err)
		}
		chosen = append(chosen, rows...)
	}
	if len(chosen) == 0 { // whoever has locked them may not take them, or was asked by this very request
		return errNeedsPoolLock
	}
	runs, err := tx.locked(ctx, chosen)
	if err != nil {
		return err
	}
	tx.db.AdvanceClock(chosen[len(chosen)-1].Clock)
	return tx.insertAttempts(ctx, r, stand, chosen, runs, g)
}
