package store

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

const (
	logChunkMax  = 64 << 10       // bytes a row
	logReadMax   = 1 << 20        // bytes an answer
	logChunksMax = 256            // rows an answer
	logSlack     = 24 * time.Hour // how much earlier than its claim output may seem written: after a failover to another clock
)

// loggedRow is how far the output of an attempt is stored.
type loggedRow struct {
	ID      uuid.UUID `db:"id" json:"attempt_id"`
	RunID   uuid.UUID `db:"run_id" json:"-"`
	Epoch   int64     `db:"epoch" json:"-"`
	LogSize int64     `db:"log_size" json:"log_size"`

	grown bool
}

const loggedSQL = `
SELECT id, run_id, epoch, log_size
FROM attempts
WHERE id IN `

// AppendLogs stores output. What was stored before (a repeated chunk, or one that overlaps) is not stored
// again, and what a worker sends under an epoch that is not the newest is dropped: its successor reads the
// same output from the beginning.
func (tx *Tx) AppendLogs(ctx context.Context, chunks []LogChunk) error {
	ids := make([]uuid.UUID, len(chunks))
	for i, c := range chunks {
		ids[i] = c.AttemptID
	}
	list := database.ListOf(ids)
	var rows []*loggedRow
	dialect := tx.db.Dialect()
	query := loggedSQL + dialect.List("uuid") + " ORDER BY run_id, id" + dialect.Lock("FOR NO KEY UPDATE")
	if err := tx.db.All(ctx, &rows, query, list); err != nil {
		return fmt.Errorf("append logs: %w", err)
	}
	logged := make(map[uuid.UUID]*loggedRow, len(rows))
	for _, r := range rows {
		logged[r.ID] = r
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	for _, c := range chunks {
		r := logged[c.AttemptID]
		if r == nil || r.Epoch != c.Epoch {
			continue
		}
		if err := tx.appendChunk(ctx, r, c, now); err != nil {
			return err
		}
	}
	return tx.saveLogged(ctx, rows)
}

// AppendLogs runs Tx.AppendLogs in a transaction.
func (s *Store) AppendLogs(ctx context.Context, chunks []LogChunk) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.AppendLogs(ctx, chunks) })
}

const insertChunkSQL = `
INSERT INTO log_chunks (attempt_id, byte_offset, at, content)
VALUES (?, ?, ?, ?)`

func (tx *Tx) appendChunk(ctx context.Context, r *loggedRow, c LogChunk, now time.Time) error {
	text, offset := c.Text, c.Offset
	if known := r.LogSize - offset; known > 0 {
		if known >= int64(len(text)) {
			return nil
		}
		text, offset = text[known:], r.LogSize
	}
	for len(text) > 0 {
		n := runeCut(text, logChunkMax)
		if _, err := tx.db.Exec(ctx, insertChunkSQL, r.ID, offset, now, []byte(text[:n])); err != nil {
			return fmt.Errorf("append logs: %w", err)
		}
		text, offset = text[n:], offset+int64(n)
		r.LogSize, r.grown = offset, true
	}
	return nil
}

func updateLoggedSQL(d database.Dialect) string {
	return `
UPDATE attempts
SET log_size = n.log_size
FROM ` + d.Records("attempt_id uuid", "log_size bigint") + ` AS n
WHERE attempts.id = n.attempt_id`
}

func (tx *Tx) saveLogged(ctx context.Context, rows []*loggedRow) error {
	var grown []*loggedRow
	for _, r := range rows {
		if r.grown {
			grown = append(grown, r)
			tx.db.Hint(RunTopic(r.RunID))
		}
	}
	if err := database.ExecList(ctx, tx.db, updateLoggedSQL(tx.db.Dialect()), grown); err != nil {
		return fmt.Errorf("append logs: %w", err)
	}
	return nil
}

const readLogsSQL = `
SELECT c.attempt_id, a.number, c.byte_offset, c.content
FROM attempts a
JOIN log_chunks c ON c.attempt_id = a.id
WHERE a.id = ?
	AND c.at >= ?
	AND c.byte_offset >= COALESCE((SELECT MAX(byte_offset) FROM log_chunks WHERE attempt_id = ? AND at >= ? AND byte_offset <= ?), 0)
	AND c.byte_offset < ?
ORDER BY c.byte_offset
LIMIT ?`

// nextLogSQL finds where output goes on after a part that has expired.
const nextLogSQL = `
SELECT COALESCE(MIN(byte_offset), -1)
FROM log_chunks
WHERE attempt_id = ?
	AND at >= ?
	AND byte_offset > ?`

const attemptIDSQL = `
SELECT a.id, a.claimed_at
FROM runs r
JOIN attempts a ON a.run_id = r.id AND a.number = CASE WHEN ? = 0 THEN r.attempt ELSE ? END
WHERE r.id = ?`

const logSizeSQL = `
SELECT log_size
FROM attempts
WHERE run_id = ?
	AND number = ?`

// GetLogSize is how many bytes an attempt has written until now, whether they are still kept or not.
func (q Reader) GetLogSize(ctx context.Context, runID uuid.UUID, attempt int32) (int64, error) {
	var sizes []int64
	if err := q.db.All(ctx, &sizes, logSizeSQL, runID, attempt); err != nil || len(sizes) == 0 {
		return 0, err
	}
	return sizes[0], nil
}

// ListLogChunks returns output of an attempt, of the newest for 0, from a byte offset on: limitBytes at most,
// a mebibyte for 0. It returns no chunks at the end of the output.
func (q Reader) ListLogChunks(
	ctx context.Context, runID uuid.UUID, attempt int32, offset int64, limitBytes int,
) ([]LogChunk, error) {
	var found []struct {
		ID        uuid.UUID     `db:"id"`
		ClaimedAt database.Time `db:"claimed_at"`
	}
	if err := q.db.All(ctx, &found, attemptIDSQL, attempt, attempt, runID); err != nil {
		return nil, fmt.Errorf("read the logs of run %s: %w", runID, err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	id, since := found[0].ID, found[0].ClaimedAt.Time().
		Add(-logSlack)
		// so that only some partitions are looked into
	if limitBytes <= 0 || limitBytes > logReadMax {
		limitBytes = logReadMax
	}
	chunks, err := q.readLogs(ctx, id, since, offset, limitBytes)
	if err == nil && len(chunks) == 0 {
		chunks, err = q.readLogsAfter(ctx, id, since, offset, limitBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("read the logs of run %s: %w", runID, err)
	}
	return chunks, nil
}

// readLogsAfter reads the output after a part that has expired.
func (q Reader) readLogsAfter(
	ctx context.Context, id uuid.UUID, since time.Time, offset int64, limitBytes int,
) ([]LogChunk, error) {
	var next []int64
	if err := q.db.All(ctx, &next, nextLogSQL, id, since, offset); err != nil || next[0] < 0 {
		return nil, err
	}
	return q.readLogs(ctx, id, since, next[0], limitBytes)
}

// readLogs reads the rows that begin before offset + limitBytes: a row has up to 64 KiB, and a reader may be slow.
func (q Reader) readLogs(
	ctx context.Context, id uuid.UUID, since time.Time, offset int64, limitBytes int,
) ([]LogChunk, error) {
	var rows []struct {
		AttemptID uuid.UUID `db:"attempt_id"`
		Number    int32     `db:"number"`
		Offset    int64     `db:"byte_offset"`
		Content   []byte    `db:"content"`
	}
	err := q.db.All(ctx, &rows, readLogsSQL, id, since, id, since, offset, offset+int64(limitBytes), logChunksMax)
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
			Lease: Lease{AttemptID: r.AttemptID}, Number: r.Number, Offset: r.Offset, Text: text[:n],
		})
		if limitBytes -= n; n < len(text) {
			break
		}
	}
	return chunks, nil
}

// runeCut returns the number of bytes of text that fit into limit without cutting a character. If not even
// the first character fits, it returns limit.
func runeCut(text string, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	n := limit
	for n > 0 && n > limit-utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n--
	}
	if n == 0 || !utf8.RuneStart(text[n]) { // broken UTF-8, or a limit below one character
		return limit
	}
	return n
}
