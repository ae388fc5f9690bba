package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// Counts of ended runs go down with the runs that are removed. The trigger of runs does that where they are deleted; where
// a partition is emptied, it is done here, in the same transaction. Until that ends, no other server may delete runs.

const (
	// deletionLock is the key of the advisory lock for deleting runs, shared, and for emptying a partition: "dele" in ASCII.
	deletionLock = 0x64656c65
	// uncountRuns is how many runs one statement takes from the counts.
	uncountRuns = 50_000
)

const shareSQL = `
SELECT pg_try_advisory_xact_lock_shared(?)`

// shareDeletion reports whether runs may be deleted until the transaction ends: no partition is being emptied.
func (tx *Tx) shareDeletion(ctx context.Context) (got bool, err error) {
	if tx.db.Dialect() == database.SQLite {
		return true, nil
	}
	if err := tx.db.Get(ctx, &got, shareSQL, deletionLock); err != nil {
		return false, fmt.Errorf("take the lock of deleting runs: %w", err)
	}
	return got, nil
}

const (
	uncountEndSQL = `
SELECT id
FROM %s
WHERE id > ?
ORDER BY id
OFFSET ?
LIMIT 1`
	uncountSQL = `
INSERT INTO run_count_changes (` + countColumns + `, n, kept)
SELECT pool_id, queue_id, deployment_id, hour_of(created_at), hour_of(ended_at), state_type, category,
	run_took(started_at, ended_at), -COUNT(*), COUNT(*)
FROM %s
WHERE id > ?
	AND id <= ?
	AND ended_at IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8`
)

// uncount takes the runs of a partition from the counts of stored runs, and keeps them as counts of removed ones. It fails with errLayoutChanged while others delete runs.
func (tx *Tx) uncount(ctx context.Context, p runPartition) error {
	if got, err := tx.lockAlone(ctx, deletionLock); err != nil {
		return fmt.Errorf("take the lock of deleting runs: %w", err)
	} else if !got {
		return errLayoutChanged
	}
	for last, more := p.from, true; more; {
		var ends []uuid.UUID
		if err := tx.db.All(ctx, &ends, fmt.Sprintf(uncountEndSQL, p.of("runs")), last, uncountRuns-1); err != nil {
			return fmt.Errorf("read old runs: %w", err)
		}
		end := p.to
		if more = len(ends) > 0; more {
			end = ends[0]
		}
		if _, err := tx.db.Exec(ctx, fmt.Sprintf(uncountSQL, p.of("runs")), last, end); err != nil {
			return fmt.Errorf("take old runs from the counts: %w", err)
		}
		last = end
	}
	return nil
}
