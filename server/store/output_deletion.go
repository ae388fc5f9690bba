package store

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/store/database"
)

// ObjectDeletion is an object of the archive that is to be deleted.
type ObjectDeletion struct {
	Object string `db:"object"`
	Whole  bool   `db:"whole"` // not what an interrupted upload may have left
	Tries  int32  `db:"tries"` // that failed
}

type newDeletion struct {
	Object string        `json:"object"`
	Whole  bool          `json:"whole"`
	DueAt  database.Time `json:"due_at"`
}

func createDeletionsSQL(d database.Dialect) string {
	return `
INSERT INTO output_deletions (object, whole, due_at, tries, last_error)
SELECT object, whole, due_at, 0, ''
FROM ` + database.RecordsOf[newDeletion](d) + ` AS n
WHERE TRUE
ON CONFLICT (object) DO NOTHING`
}

// createDeletions lets objects of the archive be deleted from a time on.
func (tx *Tx) createDeletions(ctx context.Context, objects []string, whole bool, due time.Time) error {
	records := make([]newDeletion, len(objects))
	for i, object := range objects {
		records[i] = newDeletion{object, whole, database.Time(due)}
	}
	return database.ExecList(ctx, tx.db, createDeletionsSQL(tx.db.Dialect()), records)
}

const (
	// dueDeletionsSQL is served by output_deletions_due.
	dueDeletionsSQL = `
SELECT object, whole, tries
FROM output_deletions
WHERE due_at <= ?
ORDER BY due_at
LIMIT ?`
	leaseDeletionsSQL = `
UPDATE output_deletions
SET due_at = ?
WHERE object IN `
	deleteDeletionsSQL = `
DELETE FROM output_deletions
WHERE object IN `
	failedDeletionSQL = `
UPDATE output_deletions
SET due_at = ?,
	tries = tries + 1,
	last_error = ?
WHERE object = ?`
)

// AcquireObjectDeletions takes objects for this server to delete from the archive. Deleting one twice does no
// harm.
func (s *Store) AcquireObjectDeletions(
	ctx context.Context, limit int, lease time.Duration,
) ([]ObjectDeletion, error) {
	return inTx(ctx, s, func(tx *Tx) ([]ObjectDeletion, error) {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return nil, err
		}
		var due []ObjectDeletion
		query := dueDeletionsSQL + tx.db.Dialect().Lock("FOR UPDATE SKIP LOCKED")
		if err := tx.db.All(ctx, &due, query, now, limit); err != nil {
			return nil, fmt.Errorf("take objects to delete: %w", err)
		}
		if len(due) == 0 {
			return nil, nil
		}
		objects := make([]string, len(due))
		for i, d := range due {
			objects[i] = d.Object
		}
		_, err = tx.db.Exec(ctx, leaseDeletionsSQL+tx.db.Dialect().List("text"), now.Add(lease), database.ListOf(objects))
		return due, err
	})
}

// DeleteObjectDeletions records that objects are deleted.
func (s *Store) DeleteObjectDeletions(ctx context.Context, objects []string) error {
	if len(objects) == 0 {
		return nil
	}
	return s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.db.Exec(ctx, deleteDeletionsSQL+tx.db.Dialect().List("text"), database.ListOf(objects))
		return err
	})
}

// UpdateObjectDeletionFailed records why an object could not be deleted, and when to try again.
func (s *Store) UpdateObjectDeletionFailed(ctx context.Context, d ObjectDeletion, reason string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		again := now.Add(retryAfter(d.Tries))
		_, err = tx.db.Exec(ctx, failedDeletionSQL, again, database.CutOutput(reason), d.Object)
		return err
	})
}

// OutputStats counts what waits for the archive, up to a bound.
type OutputStats struct {
	Waiting   int64 `db:"waiting"`   // output of ended attempts that is due
	Failing   int64 `db:"failing"`   // output whose last try failed
	Deletions int64 `db:"deletions"` // objects that are to be deleted
}

// outputStatsMax bounds the counts, so that reading them stays cheap.
const outputStatsMax = 10_000

const outputStatsSQL = `
SELECT
	(SELECT COUNT(*) FROM (SELECT 1 FROM outputs WHERE due_at <= ? LIMIT ?) AS w) AS waiting,
	(
		SELECT COUNT(*)
		FROM (SELECT tries FROM outputs WHERE due_at IS NOT NULL ORDER BY due_at LIMIT ?) AS f
		WHERE f.tries > 0
	) AS failing,
	(SELECT COUNT(*) FROM (SELECT 1 FROM output_deletions WHERE due_at <= ? LIMIT ?) AS d) AS deletions`

// GetOutputStats counts what waits for the archive.
func (q Reader) GetOutputStats(ctx context.Context) (OutputStats, error) {
	var stats OutputStats
	now, err := q.db.Now(ctx)
	if err != nil {
		return stats, err
	}
	err = q.db.Get(ctx, &stats, outputStatsSQL, now, outputStatsMax, outputStatsMax, now, outputStatsMax)
	if err != nil {
		return stats, fmt.Errorf("count output that waits for the archive: %w", err)
	}
	return stats, nil
}

// ListRowsOfOutput returns the rows of an upload from an offset on, and from the next one that is kept: about a
// mebibyte. It returns none at the end.
func (q Reader) ListRowsOfOutput(ctx context.Context, u OutputUpload, offset int64) ([]LogChunk, error) {
	chunks, err := q.readLogs(ctx, &u.row, offset, logReadMax)
	if err == nil && len(chunks) == 0 {
		chunks, err = q.readLogsAfter(ctx, &u.row, offset, logReadMax)
	}
	if err != nil {
		return nil, fmt.Errorf("read the output of attempt %s: %w", u.AttemptID, err)
	}
	return chunks, nil
}
