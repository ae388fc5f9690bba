package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// QueueWait is what waits in a queue: runs that are due, which no worker has claimed.
type QueueWait struct {
	Waiting int32 // counted up to AheadCountMax
	// Oldest is since when the first of them is due; nil without any.
	Oldest *time.Time
	// Lately is how long runs waited that ended in the current hour and the 23 before it.
	Lately Percentiles
}

// oldestOfQueueSQL is served by ready_queue, and reads the runs of deployments with a limit, as few as there are of these,
// by ready_limited.
const oldestOfQueueSQL = `
		SELECT MIN(f.due_at)
		FROM (
			SELECT (
					SELECT w.due_at
					FROM ready w
					WHERE w.queue_id = q.id AND NOT w.limited
					ORDER BY w.due_at
					LIMIT 1
				) AS due_at
			UNION ALL
			SELECT MIN(w.due_at)
			FROM ready w
			WHERE w.queue_id = q.id AND w.limited
		) AS f`

// queueWaitsSQL reads each of the two indexes of ready as far as it counts.
const queueWaitsSQL = `
SELECT q.id, (
		SELECT COUNT(*)
		FROM (
			SELECT w.run_id
			FROM ready w
			WHERE w.queue_id = q.id AND NOT w.limited AND w.due_at <= ?
			LIMIT ?
		) AS free
	) + (
		SELECT COUNT(*)
		FROM (
			SELECT w.run_id
			FROM ready w
			WHERE w.queue_id = q.id AND w.limited AND w.due_at <= ?
			LIMIT ?
		) AS limited
	) AS waiting, (` + oldestOfQueueSQL + `
	) AS oldest
FROM queues q
JOIN pools p ON p.id = q.pool_id
WHERE p.name = ?
	AND p.deleted_at IS NULL
	AND q.deleted_at IS NULL`

// ListQueueWaits returns what waits in the queues of a pool, by the IDs of the queues.
func (q Reader) ListQueueWaits(ctx context.Context, pool string) (map[uuid.UUID]QueueWait, error) {
	now, err := q.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		ID      uuid.UUID      `db:"id"`
		Waiting int32          `db:"waiting"`
		Oldest  *database.Time `db:"oldest"`
	}
	err = q.db.All(ctx, &rows, queueWaitsSQL, now, AheadCountMax, now, AheadCountMax, pool)
	if err != nil {
		return nil, fmt.Errorf("count what waits in the queues of work pool %q: %w", pool, err)
	}
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	hour := now.UTC().Truncate(time.Hour)
	lately, err := q.listWaits(ctx, "queue_id", ids, hoursBetween(hour.Add(-23*time.Hour), hour.Add(time.Hour)))
	if err != nil {
		return nil, err
	}
	waits := make(map[uuid.UUID]QueueWait, len(rows))
	for _, r := range rows {
		wait := QueueWait{Waiting: min(r.Waiting, AheadCountMax), Lately: lately[r.ID]}
		if r.Oldest != nil && !r.Oldest.Time().After(now) {
			wait.Oldest = r.Oldest.Ptr()
		}
		waits[r.ID] = wait
	}
	return waits, nil
}
