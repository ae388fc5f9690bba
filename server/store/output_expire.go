package store

import (
	"context"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

const (
	// oldObjectsSQL is served by outputs_archived: an attempt's id is as old as the attempt.
	oldObjectsSQL = `
SELECT o.attempt_id, o.object
FROM outputs o
WHERE o.object <> ''
	AND o.attempt_id < ?
	AND o.written_at < ?
	AND NOT ` + ofUnfinishedRunSQL + `
ORDER BY o.attempt_id
LIMIT ?`
	expireObjectsSQL = `
UPDATE outputs
SET object = '',
	object_size = 0
WHERE attempt_id IN `
)

// retainArchived lets the objects of old output be deleted, but for that of unfinished runs. An object goes as a
// whole, when the newest part of its output is old enough.
func (s *Store) retainArchived(ctx context.Context, keep Retention, removed *Expired) error {
	if keep.Logs <= 0 {
		return nil
	}
	return s.batches(ctx, retainRows, &removed.OutputObjects, func(tx *Tx) (int64, error) {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return 0, err
		}
		before := now.Add(-keep.Logs)
		var rows []struct {
			AttemptID uuid.UUID `db:"attempt_id"`
			Object    string    `db:"object"`
		}
		query := oldObjectsSQL + tx.db.Dialect().Lock("FOR NO KEY UPDATE OF o SKIP LOCKED")
		if err := tx.db.All(ctx, &rows, query, firstID(before.Add(idSlack)), before, retainRows); err != nil ||
			len(rows) == 0 {
			return 0, err
		}
		ids, objects := make([]uuid.UUID, len(rows)), make([]string, len(rows))
		for i, r := range rows {
			ids[i], objects[i] = r.AttemptID, r.Object
		}
		if err := tx.createDeletions(ctx, objects, true, now); err != nil {
			return 0, err
		}
		return tx.db.Exec(ctx, expireObjectsSQL+tx.db.Dialect().List("uuid"), database.ListOf(ids))
	})
}
