package store

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"
)

// besideMax bounds the claims of one pool that are at work at once in this process: more only step over each
// other's runs.
const besideMax = 4

// errAlone says that a claim has to have the pool for itself.
var errAlone = errors.New("the work pool is not open")

// handOutBeside gives runs of an open pool to a worker, while other claims do the same: nothing is to be
// counted there, so that all that they have to agree on is who takes which run, and those are locked as they
// are picked. Whatever would make a difference to that, a limit or a pause of the pool, of a queue or a
// template, waits for the claims that are at work.
//
// What is rare is left to a claim that has the pool for itself: errAlone.
func (s *Store) handOutBeside(ctx context.Context, r ClaimRequest, l *line) (*given, error) {
	leave, err := enter(ctx, l.beside)
	if err != nil {
		return nil, err
	}
	defer leave()
	return write(ctx, s, func(tx *Tx) (*given, error) {
		g := &given{fresh: map[uuid.UUID]*claimRow{}}
		if _, err := tx.lockPoolRow(ctx, r.Pool, poolForClaims); err != nil {
			return nil, err
		}
		stand, err := tx.survey(ctx, r)
		if err != nil {
			return nil, err
		}
		l.open.Store(stand.open())
		if !stand.open() || stand.Known || stand.Expired {
			return nil, errAlone
		}
		if stand.Paused {
			return g, nil
		}
		return g, tx.claimBeside(ctx, r, stand, g)
	})
}

// open reports whether claims may go beside each other: nothing is limited, and no two lanes with runs that
// are due have the same priority, which makes them one line.
func (s *survey) open() bool {
	if !s.Open {
		return false
	}
	last := int32(math.MinInt32)
	for _, l := range s.lanes {
		if l.Priority == last {
			return false
		}
		last = l.Priority
	}
	return true
}

// dueRunsSQL locks what is due and nobody else is about to take, in the order of the claim and not in that of
// the ids: who skips what is locked waits for nobody. Served by runs_ready.
func (d dialect) dueRunsSQL() string {
	return `
SELECT
	` + d.clockWhenRead() + ` AS clock,` + toldColumns + `
	` + liveRunColumns + `
FROM runs r
WHERE r.queue_id = ?
	AND r.ready
	AND r.due_at <= ` + d.nowParam() + `
ORDER BY r.due_at, r.id
LIMIT ?` + d.lock(forRunsSkipping)
}

func (tx *Tx) claimBeside(ctx context.Context, r ClaimRequest, stand *survey, g *given) error {
	var chosen []*lockedRun
	for _, l := range stand.lanes {
		most := r.Max - len(chosen)
		if most == 0 {
			break
		}
		now, err := tx.nowArg(ctx)
		if err != nil {
			return err
		}
		var rows []*lockedRun
		if err := tx.all(ctx, &rows, tx.s.dialect.dueRunsSQL(), l.ID, now, most); err != nil {
			return fmt.Errorf("lock runs of work pool %q that are due: %w", r.Pool, err)
		}
		chosen = append(chosen, rows...)
	}
	if len(chosen) == 0 { // whoever has locked them may not take them, or was asked by this very request
		return errAlone
	}
	runs, err := tx.locked(ctx, chosen)
	if err != nil {
		return err
	}
	tx.tell(chosen[len(chosen)-1].Clock)
	return tx.insertAttempts(ctx, r, stand, chosen, runs, g)
}
