package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

const (
	// archiveSettle is how long output waits after it was written: a worker may deliver some after the end.
	archiveSettle = time.Minute
	// archiveLookMax bounds how long after its end the output of a long attempt is noticed. The attempt itself
	// does not say that it has ended: it would be one more write for each.
	archiveLookMax = 30 * time.Minute
	// uploadGrace is how long an upload that lost its lease may take to notice it, before its object is deleted.
	uploadGrace = 10 * time.Minute
	// archiveRetryMax bounds the time between two tries; archiveRetryMin doubles with each.
	archiveRetryMin, archiveRetryMax = 5 * time.Second, 15 * time.Minute
	// archiveDeleteStep is how many bytes of output a transaction removes.
	archiveDeleteStep = 16 << 20
)

// OutputUpload is output that this server is to move into the archive, as object Upload.
type OutputUpload struct {
	Output
	Upload string
	row    outputRow
}

// KeyOfUpload makes the key of a new object in the archive; each upload has its own.
type KeyOfUpload func(o Output, now time.Time) string

// dueOutputsSQL is served by outputs_due.
const dueOutputsSQL = `
SELECT ` + outputColumns + `
FROM outputs
WHERE due_at <= ?
ORDER BY due_at
LIMIT ?`

type outputLook struct {
	AttemptID uuid.UUID     `json:"attempt_id"`
	Upload    string        `json:"upload"`
	DueAt     database.Time `json:"due_at"`
}

func updateLooksSQL(d database.Dialect) string {
	return `
UPDATE outputs
SET upload = n.upload,
	due_at = n.due_at
FROM ` + database.RecordsOf[outputLook](d) + ` AS n
WHERE outputs.attempt_id = n.attempt_id`
}

// AcquireOutputs takes output of ended attempts for this server to archive, limit at most, and returns how much
// it looked at. The lease ends after a time unless it is renewed; another server then uploads to another object.
func (s *Store) AcquireOutputs(
	ctx context.Context, limit int, lease time.Duration, key KeyOfUpload,
) (uploads []OutputUpload, looked int, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		uploads, looked, err = tx.acquireOutputs(ctx, limit, lease, key)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("take output to archive: %w", err)
	}
	return uploads, looked, nil
}

func (tx *Tx) acquireOutputs(
	ctx context.Context, limit int, lease time.Duration, key KeyOfUpload,
) ([]OutputUpload, int, error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, 0, err
	}
	var rows []outputRow
	query := dueOutputsSQL + tx.db.Dialect().Lock("FOR NO KEY UPDATE SKIP LOCKED")
	if err := tx.db.All(ctx, &rows, query, now, limit); err != nil || len(rows) == 0 {
		return nil, 0, err
	}
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.AttemptID
	}
	live, err := tx.liveAttempts(ctx, ids)
	if err != nil {
		return nil, 0, err
	}
	var uploads []OutputUpload
	var looks []outputLook
	var abandoned []string
	for _, r := range rows {
		if r.Upload != "" { // its server ended, or lost its lease
			abandoned = append(abandoned, r.Upload)
			r.Upload = ""
		}
		if next := r.nextLook(live[r.AttemptID], now); next.After(now) {
			looks = append(looks, outputLook{r.AttemptID, "", database.Time(next)})
			continue
		}
		if r.output().Pending() { // otherwise only rows are left to delete
			r.Upload = key(r.output(), now)
		}
		looks = append(looks, outputLook{r.AttemptID, r.Upload, database.Time(now.Add(lease))})
		uploads = append(uploads, OutputUpload{Output: r.output(), Upload: r.Upload, row: r})
	}
	if err := tx.createDeletions(ctx, abandoned, false, now.Add(uploadGrace)); err != nil {
		return nil, 0, err
	}
	return uploads, len(rows), database.ExecList(ctx, tx.db, updateLooksSQL(tx.db.Dialect()), looks)
}

// nextLook is when output can be archived, as far as that is known. The longer an attempt runs, the less often its
// output is looked at.
func (r outputRow) nextLook(live bool, now time.Time) time.Time {
	if live {
		return now.Add(min(max(now.Sub(r.CreatedAt.Time()), archiveSettle), archiveLookMax))
	}
	return r.WrittenAt.Time().Add(archiveSettle)
}

const renewUploadSQL = `
UPDATE outputs
SET due_at = ?
WHERE attempt_id = ?
	AND upload = ?`

// RenewUpload extends the lease of an upload. It fails with Conflict if the upload is no longer this server's,
// or the output was deleted.
func (s *Store) RenewUpload(ctx context.Context, u OutputUpload, lease time.Duration) error {
	return s.changeUpload(ctx, func(tx *Tx, now time.Time) (int64, error) {
		return tx.db.Exec(ctx, renewUploadSQL, now.Add(lease), u.AttemptID, u.Upload)
	})
}

// changeUpload changes the row of an upload that is still this server's.
func (s *Store) changeUpload(ctx context.Context, change func(tx *Tx, now time.Time) (int64, error)) error {
	return s.InTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		n, err := change(tx, now)
		if err == nil && n == 0 {
			return &Error{Code: Conflict, Message: "another server archives the output, or it was deleted"}
		}
		return err
	})
}

const (
	archivedSQL = `
UPDATE outputs
SET archived_size = ?,
	object = ?,
	object_size = ?,
	archived_at = ?,
	upload = '',
	tries = 0,
	last_error = '',
	due_at = CASE
		WHEN size > ? THEN COALESCE(?, due_at) -- which tells PostgreSQL the type
		WHEN ? THEN NULL
		ELSE due_at
	END
WHERE attempt_id = ?
	AND upload = ?`
	deleteArchivedSQL = `
DELETE FROM log_chunks
WHERE attempt_id = ?
	AND at BETWEEN ? AND ?
	AND byte_offset < ?`
	finishArchivedSQL = `
UPDATE outputs
SET due_at = NULL
WHERE attempt_id = ?
	AND archived_size = size
	AND upload = ''`
)

// UpdateArchived records that an upload is complete and verified: the archive has the output up to u.Size, in
// an object of objectSize bytes; 0 means that nothing of it was left to archive. It deletes the rows, too, unless
// they are so many that finished is false; DeleteArchived does it then. It fails with Conflict if the upload is no
// longer this server's.
func (s *Store) UpdateArchived(ctx context.Context, u OutputUpload, objectSize int64) (finished bool, err error) {
	object, unused := u.Upload, []string(nil)
	switch {
	case objectSize == 0:
		object = ""
	case u.Object != "":
		unused = []string{u.Object}
	}
	finished = u.Size-u.ArchivedSize <= archiveDeleteStep
	return finished, s.changeUpload(ctx, func(tx *Tx, now time.Time) (int64, error) {
		n, err := tx.db.Exec(ctx, archivedSQL, u.Size, object, objectSize, now, u.Size, now.Add(archiveSettle), finished,
			u.AttemptID, u.Upload)
		if err != nil || n == 0 {
			return n, err
		}
		if finished {
			if err := tx.deleteArchived(ctx, u, u.Size); err != nil {
				return n, err
			}
		}
		return n, tx.createDeletions(ctx, unused, true, now.Add(uploadGrace)) // it may be read at this moment
	})
}

// DeleteArchived removes the rows of output that UpdateArchived has recorded, in steps. After it, the output is
// still due only if more of it was appended meanwhile.
func (s *Store) DeleteArchived(ctx context.Context, u OutputUpload) error {
	start := u.ArchivedSize
	if !u.Pending() { // the server that archived it has not deleted all rows
		start = 0
	}
	for ; start < u.Size; start += archiveDeleteStep {
		until := min(start+archiveDeleteStep, u.Size)
		err := s.InTx(ctx, func(tx *Tx) error { return tx.deleteArchived(ctx, u, until) })
		if err != nil {
			return err
		}
	}
	return s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.db.Exec(ctx, finishArchivedSQL, u.AttemptID); err != nil {
			return fmt.Errorf("delete output that is archived: %w", err)
		}
		return nil
	})
}

func (tx *Tx) deleteArchived(ctx context.Context, u OutputUpload, until int64) error {
	from, to := u.row.chunkRange()
	if _, err := tx.db.Exec(ctx, deleteArchivedSQL, u.AttemptID, from, to, until); err != nil {
		return fmt.Errorf("delete output that is archived: %w", err)
	}
	return nil
}

const failedUploadSQL = `
UPDATE outputs
SET upload = '',
	due_at = ?,
	tries = tries + 1,
	last_error = ?
WHERE attempt_id = ?
	AND upload = ?`

// UpdateUploadFailed records why an upload failed, and when to try again. Its object may exist and is deleted.
func (s *Store) UpdateUploadFailed(ctx context.Context, u OutputUpload, reason string) error {
	return s.changeUpload(ctx, func(tx *Tx, now time.Time) (int64, error) {
		again := now.Add(retryAfter(u.Failures))
		n, err := tx.db.Exec(ctx, failedUploadSQL, again, database.CutOutput(reason), u.AttemptID, u.Upload)
		if err != nil || n == 0 {
			return n, err
		}
		return n, tx.createDeletions(ctx, []string{u.Upload}, false, now.Add(uploadGrace))
	})
}

// retryAfter is how long to wait after a number of failures.
func retryAfter(failures int32) time.Duration {
	const doublings = 8 // more exceed the maximum anyway
	return min(archiveRetryMin<<min(failures, doublings), archiveRetryMax)
}
