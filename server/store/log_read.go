package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// logReadTries bounds how often a read starts again because the archiver moved the output meanwhile.
const logReadTries = 5

// ListLogChunks returns output of an attempt, of the newest for 0, from a byte offset on: limitBytes at most,
// a mebibyte for 0. It returns no chunks at the end of the output. It fails with ArchiveUnavailable if the
// output at the offset is in the archive and cannot be read there.
func (q Reader) ListLogChunks(
	ctx context.Context, runID uuid.UUID, attempt int32, offset int64, limitBytes int,
) ([]LogChunk, error) {
	if limitBytes <= 0 || limitBytes > logReadMax {
		limitBytes = logReadMax
	}
	chunks, err := q.listLogChunks(ctx, runID, attempt, offset, limitBytes)
	if err != nil {
		return nil, fmt.Errorf("read the logs of run %s: %w", runID, err)
	}
	return chunks, nil
}

func (q Reader) listLogChunks(
	ctx context.Context, runID uuid.UUID, attempt int32, offset int64, limitBytes int,
) ([]LogChunk, error) {
	var err error
	if attempt == 0 {
		if attempt, err = q.newestAttempt(ctx, runID); err != nil {
			return nil, err
		}
	}
	o, err := q.findOutput(ctx, runID, attempt)
	for try := 1; err == nil && o != nil && offset < o.Size; try++ {
		chunks, readErr := q.readOutput(ctx, o, offset, limitBytes)
		if readErr == nil && len(chunks) > 0 && chunks[0].Offset == offset || try == logReadTries {
			return chunks, readErr
		}

		// The archiver may have moved the output between the two statements, or replaced its object.
		before := *o
		if o, err = q.findOutput(ctx, runID, attempt); err == nil && o != nil &&
			o.ArchivedSize == before.ArchivedSize && o.Object == before.Object {
			return chunks, readErr // no: it has expired, or cannot be read
		}
	}
	return nil, err
}

// readOutput reads from where the output is, or from after a part that has expired.
func (q Reader) readOutput(ctx context.Context, o *outputRow, offset int64, limitBytes int) ([]LogChunk, error) {
	if offset < o.ArchivedSize && o.Object != "" {
		chunks, err := q.readArchived(ctx, o, offset, limitBytes)
		if err != nil || len(chunks) > 0 {
			return chunks, err
		}
	}
	if o.ArchivedSize >= o.Size {
		return nil, nil // the archiver may be about to delete the rows
	}
	offset = max(offset, o.ArchivedSize)
	chunks, err := q.readLogs(ctx, o, offset, limitBytes)
	if err != nil || len(chunks) > 0 {
		return chunks, err
	}
	return q.readLogsAfter(ctx, o, offset, limitBytes)
}

func (q Reader) readArchived(ctx context.Context, o *outputRow, offset int64, limitBytes int) ([]LogChunk, error) {
	if q.s.archive == nil {
		return nil, o.unavailable("this server has no output archive; start it with --output-archive", nil)
	}
	content, at, err := q.s.archive.ReadOutput(ctx, o.Object, o.ObjectSize, offset)
	var times []ChunkTime
	if err == nil && len(content) > 0 {
		times, err = q.readTimes(ctx, o, at)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, o.unavailable("the output archive has lost it: there is no object "+o.Object, err)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, o.unavailable("the output archive cannot be read; the server log has the cause", err)
	case len(content) == 0:
		return nil, nil
	}
	text := string(content[:min(len(content), limitBytes+utf8.UTFMax)])
	return []LogChunk{{
		Lease: Lease{AttemptID: o.AttemptID}, Number: o.Number, Offset: at, Text: text[:runeCut(text, limitBytes)],
		Times: times,
	}}, nil
}

// readTimes returns when archived output from an offset on was stored.
func (q Reader) readTimes(ctx context.Context, o *outputRow, offset int64) ([]ChunkTime, error) {
	stored, err := q.s.archive.ReadTimes(ctx, o.Object, o.ObjectSize, offset)
	if err != nil {
		return nil, err
	}
	var times []ChunkTime
	for at, t := range stored {
		if at <= offset {
			times = times[:0] // the last of them counts
		}
		times = append(times, ChunkTime{max(at, offset), t})
	}
	return times, nil
}

// unavailable is the error for archived output that cannot be read.
func (r outputRow) unavailable(reason string, cause error) error {
	message := fmt.Sprintf("the output of attempt %d of run %s is in the output archive: %s", r.Number, r.RunID, reason)
	if r.ArchivedSize < r.Size {
		message += fmt.Sprintf("; only the bytes from %d on are in the database", r.ArchivedSize)
	}
	return &Error{Code: ArchiveUnavailable, Message: message, Err: cause}
}

const readLogsSQL = `
SELECT c.byte_offset, c.at, c.content
FROM log_chunks c
WHERE c.attempt_id = ?
	AND c.at BETWEEN ? AND ?
	AND c.byte_offset >= COALESCE((
		SELECT MAX(byte_offset)
		FROM log_chunks
		WHERE attempt_id = ?
			AND at BETWEEN ? AND ?
			AND byte_offset <= ?
	), 0)
	AND c.byte_offset < ?
ORDER BY c.byte_offset
LIMIT ?`

// nextLogSQL finds where output goes on after a part that has expired.
const nextLogSQL = `
SELECT COALESCE(MIN(byte_offset), -1)
FROM log_chunks
WHERE attempt_id = ?
	AND at BETWEEN ? AND ?
	AND byte_offset > ?`

// readLogsAfter reads the output after a part that has expired.
func (q Reader) readLogsAfter(ctx context.Context, o *outputRow, offset int64, limitBytes int) ([]LogChunk, error) {
	var next []int64
	from, to := o.chunkRange()
	if err := q.db.All(ctx, &next, nextLogSQL, o.AttemptID, from, to, offset); err != nil || next[0] < 0 {
		return nil, err
	}
	return q.readLogs(ctx, o, next[0], limitBytes)
}

// readLogs reads the rows that begin before offset + limitBytes: a row has up to 64 KiB, and a reader may be slow.
func (q Reader) readLogs(ctx context.Context, o *outputRow, offset int64, limitBytes int) ([]LogChunk, error) {
	var rows []struct {
		Offset  int64         `db:"byte_offset"`
		At      database.Time `db:"at"`
		Content []byte        `db:"content"`
	}
	from, to := o.chunkRange()
	err := q.db.All(ctx, &rows, readLogsSQL, o.AttemptID, from, to, o.AttemptID, from, to, offset,
		offset+int64(limitBytes), logChunksMax)
	if err != nil {
		return nil, err
	}
	var chunks []LogChunk
	for _, r := range rows {
		text := string(r.Content)
		if skip := offset - r.Offset; skip > 0 {
			text, r.Offset = text[min(skip, int64(len(text))):], offset
		}
		if len(text) == 0 {
			continue
		}
		n := runeCut(text, limitBytes)
		if n == 0 {
			break
		}
		chunks = append(chunks, LogChunk{
			Lease: Lease{AttemptID: o.AttemptID}, Number: o.Number, Offset: r.Offset, Text: text[:n],
			Times: []ChunkTime{{r.Offset, r.At.Time()}},
		})
		if limitBytes -= n; n < len(text) {
			break
		}
	}
	return chunks, nil
}
