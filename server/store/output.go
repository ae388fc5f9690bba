package store

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// Archive reads what was moved out of the database.
type Archive interface {
	// ReadOutput returns output of an object of objectSize bytes, from offset on or from the first byte that
	// the object has after it, and where that is. It returns no text at the end. An error that is
	// fs.ErrNotExist means that the object does not exist.
	ReadOutput(ctx context.Context, object string, objectSize, offset int64) (text []byte, at int64, err error)
	// ReadTimes returns when the output was stored that ReadOutput returns for the same arguments: offsets from
	// which on it was stored at another time, and possibly earlier ones.
	ReadTimes(ctx context.Context, object string, objectSize, offset int64) (iter.Seq2[int64, time.Time], error)
}

// Output is how far the output of an attempt is stored, and where. Its bytes up to ArchivedSize are in the
// archive, the rest in log_chunks; either may have expired.
//
//	append ──► size grows ──► the attempt ends ──► upload ──► verified, archived_size = size ──► rows deleted
//	  ▲            due_at: the next look of the archiver, unless all is done                       │
//	  └──────────────── output after the end is appended, and archived with the next look ◄────────┘
type Output struct {
	AttemptID    uuid.UUID
	RunID        uuid.UUID
	Number       int32 // of the attempt
	Size         int64 // in bytes, expired output included
	ArchivedSize int64
	Object       string // in the archive; empty: none, or it has expired
	ObjectSize   int64  // in bytes, compressed
	ArchivedAt   *time.Time
	Failures     int32  // to archive it, one after the other
	LastError    string // of the last failure
}

// Pending reports whether a part of the output is only in the database.
func (o Output) Pending() bool { return o.ArchivedSize < o.Size }

type outputRow struct {
	AttemptID    uuid.UUID      `db:"attempt_id"`
	RunID        uuid.UUID      `db:"run_id"`
	Number       int32          `db:"number"`
	Size         int64          `db:"size"`
	CreatedAt    database.Time  `db:"created_at"`
	WrittenAt    database.Time  `db:"written_at"`
	ArchivedSize int64          `db:"archived_size"`
	Object       string         `db:"object"`
	ObjectSize   int64          `db:"object_size"`
	ArchivedAt   *database.Time `db:"archived_at"`
	Upload       string         `db:"upload"`
	Tries        int32          `db:"tries"`
	LastError    string         `db:"last_error"`
}

const outputColumns = `attempt_id, run_id, number, size, created_at, written_at, archived_size, object, object_size,
	archived_at, upload, tries, last_error`

func (r outputRow) output() Output {
	return Output{
		AttemptID: r.AttemptID, RunID: r.RunID, Number: r.Number, Size: r.Size, ArchivedSize: r.ArchivedSize,
		Object: r.Object, ObjectSize: r.ObjectSize, ArchivedAt: r.ArchivedAt.Ptr(), Failures: r.Tries, LastError: r.LastError,
	}
}

// chunkRange bounds when the rows of an output in log_chunks were written, so that only some partitions are
// looked into.
func (r outputRow) chunkRange() (from, to time.Time) {
	return r.CreatedAt.Time().Add(-logSlack), r.WrittenAt.Time().Add(logSlack)
}

// Served by outputs_run.
const (
	listOutputsSQL = `
SELECT ` + outputColumns + `
FROM outputs
WHERE run_id = ?
ORDER BY number`
	findOutputSQL = `
SELECT ` + outputColumns + `
FROM outputs
WHERE run_id = ?
	AND number = ?
ORDER BY attempt_id DESC
LIMIT 1`
	logSizeSQL = `
SELECT size
FROM outputs
WHERE run_id = ?
	AND number = ?`
)

// ListOutputs lists the output of a run's attempts by their number, without attempts that have written none.
func (q Reader) ListOutputs(ctx context.Context, runID uuid.UUID) ([]Output, error) {
	var rows []outputRow
	if err := q.db.All(ctx, &rows, listOutputsSQL, runID); err != nil {
		return nil, fmt.Errorf("list the output of run %s: %w", runID, err)
	}
	outputs := make([]Output, len(rows))
	for i, r := range rows {
		outputs[i] = r.output()
	}
	return outputs, nil
}

// findOutput returns the row of an attempt's output, nil if it has written none.
func (q Reader) findOutput(ctx context.Context, runID uuid.UUID, attempt int32) (*outputRow, error) {
	var rows []outputRow
	if err := q.db.All(ctx, &rows, findOutputSQL, runID, attempt); err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// GetLogSize is how many bytes an attempt has written until now, whether they are still kept or not.
func (q Reader) GetLogSize(ctx context.Context, runID uuid.UUID, attempt int32) (int64, error) {
	var sizes []int64
	if err := q.db.All(ctx, &sizes, logSizeSQL, runID, attempt); err != nil || len(sizes) == 0 {
		return 0, err
	}
	return sizes[0], nil
}
