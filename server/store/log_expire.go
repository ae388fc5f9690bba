package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

const (
	logTable     = "log_chunks"
	logRest      = "log_chunks_rest" // the default partition
	logPartition = "log_chunks_p"    // followed by its last day, as in 20060102
	logDay       = "20060102"
	// logsAhead is the number of days after today with a partition.
	logsAhead = 3
	// partitionWait bounds the wait for the locks to create or drop a partition. Writers of output wait
	// behind it.
	partitionWait = "2s"
)

// retainLogs creates the partitions of the next days and removes output older than the retention.
func (s *Store) retainLogs(ctx context.Context, keep Retention, removed *Expired) error {
	if s.db.Dialect() == database.SQLite {
		return s.retainChunks(ctx, logTable, keep, removed)
	}
	if err := s.makePartitions(ctx); err != nil {
		return err
	}
	if keep.Logs <= 0 {
		return nil
	}
	expired, err := s.oldPartitions(ctx, keep)
	if err != nil {
		return err
	}
	for _, p := range expired {
		dropped, err := s.dropPartition(ctx, p)
		if err != nil {
			return err
		}
		if dropped {
			removed.LogPartitions++
			continue
		}
		if err := s.retainChunks(ctx, p.table, keep, removed); err != nil {
			return err
		}
	}
	return s.retainChunks(ctx, logRest, keep, removed)
}

const logPartitionsSQL = `
SELECT c.relname
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'log_chunks'::regclass
	AND c.relname LIKE 'log\_chunks\_p%'
ORDER BY c.relname`

// partition is one of output; it ends with its day.
type partition struct {
	table string
	day   time.Time
}

func (p partition) end() time.Time { return p.day.AddDate(0, 0, 1) }

func (q Reader) logPartitions(ctx context.Context) ([]partition, error) {
	var names []string
	if err := q.db.All(ctx, &names, logPartitionsSQL); err != nil {
		return nil, fmt.Errorf("list the partitions of output: %w", err)
	}
	var list []partition
	for _, name := range names {
		day, err := time.Parse(logDay, strings.TrimPrefix(name, logPartition))
		if err == nil { // other names are not our partitions
			list = append(list, partition{name, day})
		}
	}
	slices.SortFunc(list, func(a, b partition) int { return a.day.Compare(b.day) })
	return list, nil
}

// makePartitions creates the partitions missing after the newest. A day that already has output in
// log_chunks_rest, because no server was running, gets none.
func (s *Store) makePartitions(ctx context.Context) error {
	var missing []time.Time
	err := s.inRetentionTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		there, err := tx.logPartitions(ctx)
		if err != nil {
			return err
		}
		day, last := now.Truncate(24*time.Hour), now.Truncate(24*time.Hour).AddDate(0, 0, logsAhead)
		if len(there) > 0 && there[len(there)-1].end().After(day) {
			day = there[len(there)-1].end()
		}
		for missing = nil; !day.After(last); day = day.AddDate(0, 0, 1) {
			missing = append(missing, day)
		}
		return nil
	})
	for _, day := range missing {
		if err == nil {
			err = s.makePartition(ctx, day)
		}
	}
	return err
}

func (s *Store) makePartition(ctx context.Context, day time.Time) error {
	const bound = "2006-01-02 15:04:05+00"
	create := fmt.Sprintf(
		"CREATE TABLE IF NOT EXISTS %s PARTITION OF log_chunks FOR VALUES FROM ('%s') TO ('%s')",
		database.QuoteIdentifier(logPartition+day.Format(logDay)), day.Format(bound),
		day.AddDate(0, 0, 1).Format(bound))
	err := s.inRetentionTx(ctx, func(tx *Tx) error {
		if err := tx.hurry(ctx); err != nil {
			return err
		}
		_, err := tx.db.Exec(ctx, create)
		return err
	})
	if database.IsLockTimeout(err) || database.IsCheckViolation(err) {
		s.db.Log().
			Debug("partition of output not created; tried again later", "day", day.Format(time.DateOnly), "reason", err)
		return nil
	}
	return err
}

// hurry bounds how long the transaction waits for locks.
func (tx *Tx) hurry(ctx context.Context) error {
	_, err := tx.db.Exec(ctx, "SET LOCAL lock_timeout = '"+partitionWait+"'")
	return err
}

// oldPartitions lists the partitions whose last day is older than the retention.
func (s *Store) oldPartitions(ctx context.Context, keep Retention) ([]partition, error) {
	tx := s.session()
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	all, err := tx.logPartitions(ctx)
	return slices.DeleteFunc(all, func(p partition) bool { return p.end().After(now.Add(-keep.Logs)) }), err
}

// dropPartition drops a partition, unless it holds output of a run that has not ended, or others are in the
// way.
func (s *Store) dropPartition(ctx context.Context, p partition) (dropped bool, err error) {
	table := database.QuoteIdentifier(p.table)
	err = s.inRetentionTx(ctx, func(tx *Tx) error {
		dropped = false
		if err := tx.hurry(ctx); err != nil {
			return err
		}
		var live bool
		if err := tx.db.Get(ctx, &live, fmt.Sprintf(unfinishedOutputSQL, table), firstID(p.end().Add(idSlack))); err != nil ||
			live {
			return err
		}
		_, err := tx.db.Exec(ctx, "DROP TABLE "+table)
		dropped = err == nil
		return err
	})
	if database.IsLockTimeout(err) {
		s.db.Log().
			Debug("partition of output not dropped; tried again later", "partition", p.table, "reason", err)
		return false, nil
	}
	return dropped, err
}

// oldChunksSQL is served by the primary key: an attempt's id is as old as the attempt.
const oldChunksSQL = `
DELETE FROM %[1]s
WHERE (attempt_id, byte_offset) IN (
		SELECT c.attempt_id, c.byte_offset
		FROM %[1]s c
		WHERE c.attempt_id < ?
			AND c.at < ?
			AND NOT EXISTS (
				SELECT 1
				FROM outputs o
				WHERE o.attempt_id = c.attempt_id
					AND ` + ofUnfinishedRunSQL + `
			)
		LIMIT ?
	)`

// retainChunks removes old output from a table row by row, but for that of live runs.
func (s *Store) retainChunks(ctx context.Context, table string, keep Retention, removed *Expired) error {
	if keep.Logs <= 0 {
		return nil
	}
	query := fmt.Sprintf(oldChunksSQL, table)
	return s.batches(ctx, retainRows, &removed.LogChunks, func(tx *Tx) (int64, error) {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return 0, err
		}
		before := now.Add(-keep.Logs)
		return tx.db.Exec(ctx, query, firstID(before.Add(idSlack)), before, retainRows)
	})
}
