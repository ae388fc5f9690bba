package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// indexesRecord is how the indexes of an attempt stand.
type indexesRecord struct {
	RunID   uuid.UUID `json:"run_id"`
	Attempt int32     `json:"attempt"`
	Indexes string    `json:"indexes"`
}

func putIndexesSQL(d database.Dialect) string {
	return `
INSERT INTO attempt_indexes (run_id, attempt, indexes)
SELECT run_id, attempt, indexes
FROM ` + database.RecordsOf[indexesRecord](d) + ` AS n
WHERE TRUE
ON CONFLICT (run_id, attempt) DO UPDATE
SET indexes = excluded.indexes`
}

// putIndexes stores how the indexes of attempts stand; the newest word counts.
func (tx *Tx) putIndexes(ctx context.Context, records []indexesRecord) error {
	if len(records) == 0 {
		return nil
	}
	if _, err := tx.db.Exec(ctx, putIndexesSQL(tx.db.Dialect()), database.ListOf(records)); err != nil {
		return fmt.Errorf("store the indexes of attempts: %w", err)
	}
	return nil
}

// noteIndexes keeps how the indexes stand by an accepted report.
func (b *reportBatch) noteIndexes(run *lockedRun, r Report, result ReportResult) {
	if result.Status != ReportAccepted || len(r.Indexes) == 0 {
		return
	}
	if b.indexes == nil {
		b.indexes = map[uuid.UUID]indexesRecord{}
	}
	b.indexes[run.attempt.AttemptID] = indexesRecord{
		RunID: run.ID, Attempt: run.attempt.Number, Indexes: database.CleanText(string(r.Indexes)),
	}
}
