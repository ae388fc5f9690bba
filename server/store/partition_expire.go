package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// Retention empties whole partitions. A partition is old when all its runs were created before the retention began. Its
// runs wait for that, so that nothing has to be deleted one by one.
//
//	seal      a check constraint that nothing fulfils: no run of the partition is retried from here on
//	read      every run has ended before the retention began; else unseal, and try again later
//	delete    what belongs to the runs in other tables, in small steps
//	truncate  the partition of each table, in one transaction
//	drop      the lowest partitions, when they are empty and old; "past" then begins lower down
//
// Each step can be repeated, so that a server goes on where another one stopped.

const (
	// sealConstraint is the name of the check constraint.
	sealConstraint = "partition_sealed"
	// readRuns is how many runs one statement reads.
	readRuns = 5000
)

// waits says since when runs in partitions keep these from being emptied.
type waits struct {
	mu    sync.Mutex
	until map[string]time.Time // by suffix
}

func (w *waits) get(suffix string) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.until[suffix]
}

func (w *waits) set(suffix string, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.until == nil {
		w.until = map[string]time.Time{}
	}
	w.until[suffix] = until
}

// retainPartitions removes old runs from partitioned tables.
func (s *Store) retainPartitions(ctx context.Context, layout runLayout, keep Retention, removed *Expired) error {
	every := layout.every()
	for _, p := range layout {
		before, err := s.retentionStart(ctx, keep)
		if err != nil {
			return err
		}
		emptied := false
		if p.isOld(before) {
			if emptied, err = s.emptyPartition(ctx, p, keep, removed); err != nil {
				return err
			}
		}
		// Runs wait for the end of their partition where that is not far, and for one period more.
		wait := p.span() > 0 && p.span() <= every && idTime(p.to).Add(every).After(before)
		if emptied || wait || idTime(p.from).After(before.Add(idSlack)) {
			continue
		}
		if err := s.retainRunsOf(ctx, p, keep, removed); err != nil {
			return err
		}
	}
	return s.dropOld(ctx, keep, removed)
}

// isOld reports whether all runs of the partition were created before a time, the start of the retention.
func (p runPartition) isOld(before time.Time) bool {
	return p.to != uuid.Max && p.suffix != pastPartition && !idTime(p.to).After(before)
}

// retentionStart returns the time before which runs must have ended to be removed.
func (s *Store) retentionStart(ctx context.Context, keep Retention) (time.Time, error) {
	now, err := s.Now(ctx)
	return now.Add(-keep.Runs), err
}

// emptyPartition removes all runs of an old partition, unless it has one that must stay.
func (s *Store) emptyPartition(
	ctx context.Context, p runPartition, keep Retention, removed *Expired,
) (emptied bool, err error) {
	before, err := s.retentionStart(ctx, keep)
	if err != nil || s.waits.get(p.suffix).After(before) {
		return false, err
	}
	var any bool
	if err := s.Reader.db.Get(ctx, &any, "SELECT EXISTS (SELECT 1 FROM "+p.of("runs")+")"); err != nil || !any {
		return !any, err
	}
	var live bool
	if err := s.Reader.db.Get(ctx, &live, unfinishedInSQL, p.from, p.to, p.from, p.to); err != nil || live {
		return false, err
	}

	seal := uuid.New()
	if err := s.inPartitionTx(ctx, func(tx *Tx) error { return tx.seal(ctx, p, seal) }); err != nil {
		return false, skipLockTimeout(s, p, err)
	}
	runs, until, err := s.readEnds(ctx, p, before)
	if err != nil {
		return false, err
	}
	if until != nil {
		s.waits.set(p.suffix, *until)
		return false, skipLockTimeout(s, p, s.inPartitionTx(ctx, func(tx *Tx) error { return tx.unseal(ctx, p) }))
	}
	for _, table := range tablesWithRuns() {
		if err := s.deleteRange(ctx, table, p); err != nil {
			return false, fmt.Errorf("delete the rows of %s that belong to old runs: %w", table, err)
		}
	}
	err = s.inPartitionTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		if idTime(p.to).After(now.Add(-keep.Runs)) {
			return errLayoutChanged // the clock has gone back
		}
		if err := tx.uncount(ctx, p); err != nil {
			return err
		}
		return tx.truncate(ctx, p, seal)
	})
	if err != nil {
		return false, skipLockTimeout(s, p, err)
	}
	removed.Runs += runs
	removed.RunPartitions++
	return true, nil
}

// inPartitionTx is inRetentionTx that waits for locks only for a short time.
func (s *Store) inPartitionTx(ctx context.Context, step func(*Tx) error) error {
	return s.inRetentionTx(ctx, func(tx *Tx) error {
		if err := tx.hurry(ctx); err != nil {
			return err
		}
		return step(tx)
	})
}

// skipLockTimeout leaves a partition for the next time when others are in the way.
func skipLockTimeout(s *Store, p runPartition, err error) error {
	if !database.IsLockTimeout(err) && !errors.Is(err, errLayoutChanged) {
		return err
	}
	s.db.Log().Debug("partition of runs not emptied; tried again later", "partition", p.suffix, "reason", err)
	return nil
}

// unfinishedInSQL is served by the keys of ready and live, which are small.
const unfinishedInSQL = `
SELECT EXISTS (
	SELECT 1 FROM ready WHERE run_id >= ? AND run_id < ?
	UNION ALL
	SELECT 1 FROM live WHERE run_id >= ? AND run_id < ?
)`

// seal puts a seal on a partition in the place of that of another server.
func (tx *Tx) seal(ctx context.Context, p runPartition, seal uuid.UUID) error {
	return tx.exec(ctx,
		"ALTER TABLE "+p.of("runs")+" DROP CONSTRAINT IF EXISTS "+sealConstraint,
		fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (FALSE AND id <> '%s') NOT VALID", p.of("runs"), sealConstraint, seal))
}

func (tx *Tx) unseal(ctx context.Context, p runPartition) error {
	return tx.exec(ctx, "ALTER TABLE "+p.of("runs")+" DROP CONSTRAINT IF EXISTS "+sealConstraint)
}

// truncate empties the partition of each table, if it still has the seal. It locks this partition
// alone.
func (tx *Tx) truncate(ctx context.Context, p runPartition, seal uuid.UUID) error {
	names := make([]string, 0, len(partitionedTables()))
	for _, t := range partitionedTables() {
		names = append(names, p.of(t.name))
	}
	if err := tx.exec(ctx, "TRUNCATE "+strings.Join(names, ", ")); err != nil {
		return err
	}
	sealed, err := tx.sealedPartitions(ctx)
	if err != nil {
		return err
	}
	if !strings.Contains(sealed[p.suffix], seal.String()) {
		return errLayoutChanged
	}
	return tx.unseal(ctx, p)
}

const sealedSQL = `
SELECT r.relname AS name, pg_get_constraintdef(c.oid) AS definition
FROM pg_constraint c
JOIN pg_class r ON r.oid = c.conrelid
WHERE c.conname = '` + sealConstraint + `'
	AND c.connamespace = current_schema()::regnamespace`

// sealedPartitions returns the seals by the suffix of their partition.
func (q Reader) sealedPartitions(ctx context.Context) (map[string]string, error) {
	var rows []namedDefinition
	if err := q.db.All(ctx, &rows, sealedSQL); err != nil {
		return nil, fmt.Errorf("list the sealed partitions: %w", err)
	}
	sealed := make(map[string]string, len(rows))
	for _, r := range rows {
		sealed[strings.TrimPrefix(r.Name, "runs")] = r.Definition
	}
	return sealed, nil
}

// unsealYoung takes the seals off partitions that are not old, after the retention was made longer.
func (s *Store) unsealYoung(ctx context.Context, layout runLayout, keep Retention) error {
	if len(layout) == 0 {
		return nil
	}
	sealed, err := s.sealedPartitions(ctx)
	if err != nil || len(sealed) == 0 {
		return err
	}
	before, err := s.retentionStart(ctx, keep)
	if err != nil {
		return err
	}
	for _, p := range layout {
		if sealed[p.suffix] == "" || keep.Runs > 0 && p.isOld(before) {
			continue
		}
		err := s.inPartitionTx(ctx, func(tx *Tx) error { return tx.unseal(ctx, p) })
		if err := skipLockTimeout(s, p, err); err != nil {
			return err
		}
	}
	return nil
}

// readEndsSQL reads runs from the newest on: of those, some have ended after the retention began. Served by the primary
// key.
const readEndsSQL = `
SELECT COUNT(*) AS runs, MIN(id::text) AS lowest, COUNT(*) FILTER (WHERE ended_at IS NULL OR ended_at >= ?) AS stay,
	MAX(ended_at) FILTER (WHERE ended_at >= ?) AS until
FROM (
	SELECT id, ended_at
	FROM %s
	WHERE id < ?
	ORDER BY id DESC
	LIMIT ?
) AS r`

// readEnds counts the runs of a partition. Where one must stay, it returns until when at least: the start of the retention
// at which that one may go.
func (s *Store) readEnds(ctx context.Context, p runPartition, before time.Time) (n int64, until *time.Time, err error) {
	query := fmt.Sprintf(readEndsSQL, p.of("runs"))
	for last := p.to; ; {
		var row struct {
			Runs   int64          `db:"runs"`
			Lowest *uuid.UUID     `db:"lowest"`
			Stay   int64          `db:"stay"`
			Until  *database.Time `db:"until"`
		}
		if err := s.Reader.db.Get(ctx, &row, query, before, before, last, readRuns); err != nil {
			return 0, nil, fmt.Errorf("read the ends of runs: %w", err)
		}
		switch {
		case row.Stay > 0 && row.Until != nil:
			return 0, row.Until.Ptr(), nil
		case row.Stay > 0: // one that has not ended
			return 0, &before, nil
		}
		if n += row.Runs; row.Runs < readRuns {
			return n, nil, nil
		}
		last = *row.Lowest
	}
}

// tablesWithRuns have rows of runs and are not partitioned. Deleting outputs deletes the rest of the output.
func tablesWithRuns() []string {
	return []string{
		"idempotency_keys", "run_results", "run_rule_findings", "attempt_indexes", "run_tokens", "outputs",
	}
}

// deleteRangeSQL is served by an index that begins with run_id.
const deleteRangeSQL = `
DELETE FROM %[1]s
WHERE ctid IN (
		SELECT ctid
		FROM %[1]s
		WHERE run_id >= ?
			AND run_id < ?
		ORDER BY run_id
		LIMIT ?
	)
RETURNING run_id`

// deleteRange deletes what a table has of the runs of a partition.
func (s *Store) deleteRange(ctx context.Context, table string, p runPartition) error {
	query, from, deleted := fmt.Sprintf(deleteRangeSQL, table), p.from, int64(0)
	return s.batches(ctx, retainRows, &deleted, func(tx *Tx) (int64, error) {
		var ids []uuid.UUID
		if err := tx.db.All(ctx, &ids, query, from, p.to, retainRows); err != nil {
			return 0, err
		}
		for _, id := range ids {
			if id.String() > from.String() {
				from = id // what is before is deleted, and its index entries need not be read again
			}
		}
		return int64(len(ids)), nil
	})
}

// dropOld drops the lowest partitions that are old and empty. What is inserted below them all, by a clock that is far behind,
// goes to the one of the past, which reaches up to the lowest that is left.
func (s *Store) dropOld(ctx context.Context, keep Retention, removed *Expired) error {
	for {
		dropped := false
		err := s.inPartitionTx(ctx, func(tx *Tx) (err error) {
			dropped, err = tx.dropLowest(ctx, keep)
			return err
		})
		if database.IsLockTimeout(err) {
			s.db.Log().Debug("partitions of runs not dropped; tried again later", "reason", err)
			return nil
		}
		if err != nil || !dropped {
			return err
		}
	}
}

func (tx *Tx) dropLowest(ctx context.Context, keep Retention) (bool, error) {
	layout, err := tx.runLayout(ctx)
	if err != nil || len(layout) == 0 {
		return false, err
	}
	var past *runPartition
	if layout[0].suffix == pastPartition {
		past, layout = &layout[0], layout[1:]
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return false, err
	}
	lowest := layout[0]
	if lowest.to == uuid.Max || idTime(lowest.to).After(now.Add(-keep.Runs)) {
		return false, nil
	}
	if err := tx.mustBeEmpty(ctx, lowest); err != nil { // before the locks: most are not
		return false, ignoreChange(err)
	}
	if err := tx.lockRunTables(ctx); err != nil {
		return false, err
	}
	if err := tx.mustBeEmpty(ctx, lowest); err != nil {
		return false, ignoreChange(err)
	}
	return true, tx.moveLowerEnd(ctx, lowest, past)
}

func ignoreChange(err error) error {
	if errors.Is(err, errLayoutChanged) {
		return nil
	}
	return err
}

// moveLowerEnd drops the lowest partition, and lets the past, which is nil where there is none, reach up to its end.
func (tx *Tx) moveLowerEnd(ctx context.Context, lowest runPartition, past *runPartition) error {
	wider := runPartition{pastPartition, uuid.Nil, lowest.to}
	for _, t := range partitionedTables() {
		definition, err := tx.tableDefinition(ctx, t.name+lowest.suffix)
		if err != nil {
			return fmt.Errorf("read the definition of %s: %w", t.name+lowest.suffix, err)
		}
		statements := []string{"DROP TABLE " + lowest.of(t.name)}
		if past != nil {
			statements = append(statements, "ALTER TABLE "+t.name+" DETACH PARTITION "+past.of(t.name),
				"ALTER TABLE "+t.name+" ATTACH PARTITION "+past.of(t.name)+" "+forValues(wider.from, wider.to))
		} else {
			statements = append(statements, definition.createSQL(t.name, wider))
		}
		if err := tx.exec(ctx, statements...); err != nil {
			return err
		}
	}
	return nil
}
