package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// MaintainPartitions makes the partitions of the next weeks. Every server calls it about once a minute: one of them works,
// the others return at once. Where it does not get its locks, it is tried again with the next call.
func (s *Store) MaintainPartitions(ctx context.Context) error {
	if s.db.Dialect() == database.SQLite {
		return nil
	}
	err := s.openTables(ctx)
	if err == nil {
		err = s.makeRunPartitions(ctx)
	}
	switch {
	case database.IsLockTimeout(err), errors.Is(err, errLayoutChanged):
		s.db.Log().Debug("partitions of runs not changed; tried again later", "reason", err)
	case err != nil && !errors.Is(err, errRetentionRunning):
		return fmt.Errorf("make partitions of runs: %w", err)
	}
	return s.warnOfEnd(ctx)
}

// warnOfEnd says so when the partitions that were made ahead end within one period.
func (s *Store) warnOfEnd(ctx context.Context) error {
	layout, err := s.runLayout(ctx)
	if err != nil || len(layout) == 0 {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	if end := idTime(layout[len(layout)-1].from); end.Sub(now) < layout.every() {
		s.db.Log().Warn("the partitions of runs end soon and no more could be made: runs created later are in the "+
			"partition of the rest; look for transactions that do not end in pg_stat_activity", "end", end)
	}
	return nil
}

// makeRunPartitions splits the partition of the rest: it becomes the next one, and new ones follow.
func (s *Store) makeRunPartitions(ctx context.Context) error {
	layout, err := s.runLayout(ctx)
	if err != nil || len(layout) == 0 {
		return err
	}
	plan, err := s.planAhead(ctx, layout)
	if err != nil || len(plan.ends) == 0 {
		return err
	}
	if !plan.filled {
		return s.inRetentionTx(ctx, func(tx *Tx) error { return tx.splitRest(ctx, plan) })
	}

	// No server has made partitions for a time, or the database's clock was ahead. What is in the rest stays there,
	// and it ends after that.
	s.db.Log().Warn("runs were created for which no partition was made: making one",
		"from", idTime(plan.rest.from), "to", plan.ends[0])
	_, err = s.db.Alone(ctx, partitionLock, func(alone database.Alone) error {
		if err := s.closeTables(ctx, alone, restPartition, plan.ends[0], func(PartitionProgress) {}); err != nil {
			return err
		}
		return s.inRetentionTx(ctx, func(tx *Tx) error { return tx.splitRest(ctx, plan) })
	})
	return err
}

// aheadPlan is how the partition of the rest is split.
type aheadPlan struct {
	rest   runPartition
	filled bool        // it has runs
	ends   []time.Time // of the new partitions; none: there are enough
}

const newestOfRestSQL = `
SELECT id
FROM runs_rest
ORDER BY id DESC
LIMIT 1`

func (q Reader) planAhead(ctx context.Context, layout runLayout) (aheadPlan, error) {
	plan := aheadPlan{rest: layout[len(layout)-1]}
	now, err := q.db.Now(ctx)
	if err != nil {
		return plan, err
	}
	every, from := layout.every(), idTime(plan.rest.from)
	var newest []uuid.UUID
	if err := q.db.All(ctx, &newest, newestOfRestSQL); err != nil {
		return plan, fmt.Errorf("read the newest run of the rest: %w", err)
	}
	plan.filled = len(newest) > 0
	end := from
	if plan.filled || from.Before(now) {
		// One partition covers all that has passed. It ends far enough ahead to be closed before.
		if plan.filled && idTime(newest[0]).After(now) {
			now = idTime(newest[0])
		}
		end = periodStart(now.Add(every/2), every).Add(every)
		plan.ends = append(plan.ends, end)
	}
	plan.ends = append(plan.ends, endsAhead(end, now, every)...)
	return plan, nil
}

// splitRest carries out a plan.
func (tx *Tx) splitRest(ctx context.Context, plan aheadPlan) error {
	if err := tx.lockRunTables(ctx); err != nil {
		return err
	}
	layout, err := tx.runLayout(ctx)
	if err != nil {
		return err
	}
	if layout[len(layout)-1] != plan.rest {
		return errLayoutChanged
	}
	if plan.filled {
		err = tx.mustBeClosed(ctx, restPartition, plan.ends[0])
	} else {
		err = tx.mustBeEmpty(ctx, plan.rest)
	}
	if err != nil {
		return err
	}

	from := idTime(plan.rest.from)
	first := runPartition{partitionSuffix(from, plan.ends[0].Sub(from)), plan.rest.from, firstID(plan.ends[0])}
	for _, t := range partitionedTables() {
		definition, err := tx.tableDefinition(ctx, t.name+restPartition)
		if err != nil {
			return fmt.Errorf("read the definition of %s: %w", t.name+restPartition, err)
		}
		statements := append([]string{
			"ALTER TABLE " + t.name + " DETACH PARTITION " + plan.rest.of(t.name),
			"ALTER TABLE " + plan.rest.of(t.name) + " RENAME TO " + first.of(t.name),
		}, attachSQL(t.name, first)...)
		statements = append(statements, definition.partitionsSQL(t.name, plan.ends[0], plan.ends[1:])...)
		if err := tx.exec(ctx, statements...); err != nil {
			return err
		}
	}
	return nil
}

// mustBeEmpty checks, under the lock of the tables, that a partition has no rows.
func (tx *Tx) mustBeEmpty(ctx context.Context, p runPartition) error {
	for _, t := range partitionedTables() {
		var filled bool
		if err := tx.db.Get(ctx, &filled, "SELECT EXISTS (SELECT 1 FROM "+p.of(t.name)+")"); err != nil {
			return fmt.Errorf("read %s: %w", t.name+p.suffix, err)
		}
		if filled {
			return errLayoutChanged
		}
	}
	return nil
}
