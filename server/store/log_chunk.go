package store

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

const (
	logChunkMax  = 64 << 10       // bytes a row
	logReadMax   = 1 << 20        // bytes an answer
	logChunksMax = 256            // rows an answer
	logSlack     = 24 * time.Hour // how much earlier than its first row output may seem written: after a failover to another clock
)

// growingOutput is how far the output of an attempt is stored while more is appended.
type growingOutput struct {
	AttemptID uuid.UUID     `db:"attempt_id" json:"attempt_id"`
	RunID     uuid.UUID     `db:"run_id" json:"-"`
	Size      int64         `db:"size" json:"size"`
	Position  string        `db:"position" json:"position"`
	WrittenAt database.Time `json:"written_at"`
	DueAt     database.Time `json:"due_at"` // if it is not due yet

	grown bool
}

// AppendLogs stores output. What was stored before (a repeated chunk, or one that overlaps) is not stored
// again, and what a worker sends under an epoch that is not the newest is dropped: its successor reads the
// same output from the beginning.
func (tx *Tx) AppendLogs(ctx context.Context, chunks []LogChunk) error {
	outputs, epochs, err := tx.lockOutputs(ctx, chunks)
	if err != nil {
		return fmt.Errorf("append logs: %w", err)
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	for _, c := range chunks {
		o := outputs[c.AttemptID]
		if o == nil || epochs[c.AttemptID].Epoch != c.Epoch {
			continue
		}
		if err := tx.appendChunk(ctx, o, c, now); err != nil {
			return err
		}
	}
	return tx.saveOutputs(ctx, outputs, now)
}

// AppendLogs runs Tx.AppendLogs in a transaction.
func (s *Store) AppendLogs(ctx context.Context, chunks []LogChunk) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.AppendLogs(ctx, chunks) })
}

const lockOutputsSQL = `
SELECT attempt_id, run_id, size, position
FROM outputs
WHERE attempt_id IN `

func (tx *Tx) lockKnownOutputs(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*growingOutput, error) {
	var rows []*growingOutput
	dialect := tx.db.Dialect()
	query := lockOutputsSQL + dialect.List("uuid") + " ORDER BY attempt_id" + dialect.Lock("FOR NO KEY UPDATE")
	if err := tx.db.All(ctx, &rows, query, database.ListOf(ids)); err != nil {
		return nil, err
	}
	outputs := make(map[uuid.UUID]*growingOutput, len(rows))
	for _, r := range rows {
		outputs[r.AttemptID] = r
	}
	return outputs, nil
}

// lockOutputs locks the output of attempts, and creates what is missing. The epochs are read after that: what
// the holder of a newer epoch appends comes later.
func (tx *Tx) lockOutputs(
	ctx context.Context, chunks []LogChunk,
) (map[uuid.UUID]*growingOutput, map[uuid.UUID]attemptEpoch, error) {
	ids := make([]uuid.UUID, len(chunks))
	for i, c := range chunks {
		ids[i] = c.AttemptID
	}
	outputs, err := tx.lockKnownOutputs(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	epochs, err := tx.attemptEpochs(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	missing := map[uuid.UUID]attemptEpoch{}
	for _, c := range chunks {
		if e := epochs[c.AttemptID]; outputs[c.AttemptID] == nil && e.Epoch == c.Epoch && e.ID != uuid.Nil && c.Text != "" {
			missing[c.AttemptID] = e
		}
	}
	if len(missing) == 0 {
		return outputs, epochs, nil
	}
	if err := tx.createOutputs(ctx, missing); err != nil {
		return nil, nil, err
	}
	// Another server may have created them at this moment.
	if outputs, err = tx.lockKnownOutputs(ctx, ids); err != nil {
		return nil, nil, err
	}
	epochs, err = tx.attemptEpochs(ctx, ids)
	return outputs, epochs, err
}

type newOutput struct {
	AttemptID uuid.UUID     `json:"attempt_id"`
	RunID     uuid.UUID     `json:"run_id"`
	Number    int32         `json:"number"`
	CreatedAt database.Time `json:"created_at"`
	DueAt     database.Time `json:"due_at"`
}

func createOutputsSQL(d database.Dialect) string {
	return `
INSERT INTO outputs (
	attempt_id, run_id, number, size, position, created_at, written_at, archived_size, object, object_size, upload, due_at, tries,
	last_error
)
SELECT attempt_id, run_id, number, 0, '', created_at, created_at, 0, '', 0, '', due_at, 0, ''
FROM ` + database.RecordsOf[newOutput](d) + ` AS n
WHERE TRUE
ON CONFLICT (attempt_id) DO NOTHING`
}

func (tx *Tx) createOutputs(ctx context.Context, missing map[uuid.UUID]attemptEpoch) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	tx.db.ResetClock() // the insert may wait for another server
	records := make([]newOutput, 0, len(missing))
	for _, e := range missing {
		records = append(records,
			newOutput{e.ID, e.RunID, e.Number, database.Time(now), database.Time(now.Add(archiveSettle))})
	}
	slices.SortFunc(records, func(a, b newOutput) int { return slices.Compare(a.AttemptID[:], b.AttemptID[:]) })
	return database.ExecList(ctx, tx.db, createOutputsSQL(tx.db.Dialect()), records)
}

const insertChunkSQL = `
INSERT INTO log_chunks (attempt_id, byte_offset, at, content)
VALUES (?, ?, ?, ?)`

func (tx *Tx) appendChunk(ctx context.Context, o *growingOutput, c LogChunk, now time.Time) error {
	text, offset := c.Text, c.Offset
	if known := o.Size - offset; known > 0 {
		if known >= int64(len(text)) {
			return nil
		}
		text, offset = text[known:], o.Size
	}
	for len(text) > 0 {
		n := runeCut(text, logChunkMax)
		if _, err := tx.db.Exec(ctx, insertChunkSQL, o.AttemptID, offset, now, []byte(text[:n])); err != nil {
			return fmt.Errorf("append logs: %w", err)
		}
		text, offset = text[n:], offset+int64(n)
		o.Size, o.grown = offset, true
	}
	if c.Position != "" {
		o.Position = c.Position
	}
	return nil
}

// updateOutputsSQL changes due_at, which an index holds, only of output that was archived before.
func updateOutputsSQL(d database.Dialect) string {
	return `
UPDATE outputs
SET size = n.size,
	position = n.position,
	written_at = n.written_at,
	due_at = COALESCE(outputs.due_at, n.due_at)
FROM ` + database.RecordsOf[growingOutput](d) + ` AS n
WHERE outputs.attempt_id = n.attempt_id`
}

func (tx *Tx) saveOutputs(ctx context.Context, outputs map[uuid.UUID]*growingOutput, now time.Time) error {
	var grown []*growingOutput
	for _, o := range outputs {
		if !o.grown {
			continue
		}
		o.WrittenAt, o.DueAt = database.Time(now), database.Time(now.Add(archiveSettle))
		grown = append(grown, o)
		tx.db.Hint(RunTopic(o.RunID))
	}
	if err := database.ExecList(ctx, tx.db, updateOutputsSQL(tx.db.Dialect()), grown); err != nil {
		return fmt.Errorf("append logs: %w", err)
	}
	return nil
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
