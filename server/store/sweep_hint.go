package store

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// becameDueSQL counts what became due in each queue, as far as waiting claims can be many. Served by ready_queue.
const becameDueSQL = `
SELECT
	p.name AS pool, q.id AS queue_id,
	(
		SELECT COUNT(*)
		FROM (
			SELECT 1 AS one
			FROM ready w
			WHERE w.queue_id = q.id AND NOT w.limited AND w.due_at > ? AND w.due_at <= ?
			LIMIT 1000
		) AS due
	) AS due
FROM pools p
JOIN queues q ON q.pool_id = p.id
WHERE p.deleted_at IS NULL
	AND NOT p.paused
	AND NOT q.paused`

const expiredLeasesSQL = `
SELECT DISTINCT s.pool
FROM worker_sessions s
WHERE s.expires_at > ?
	AND s.expires_at <= ?
	AND EXISTS (SELECT 1 FROM live l WHERE l.session_id = s.id)`

// hintDue wakes claims within this process for runs that become due and leases that expire, since no write announces
// these: as many claims as there are runs.
func (s *Store) hintDue(ctx context.Context) error {
	reader := s.session()
	now, err := reader.db.Now(ctx)
	if err != nil {
		return err
	}
	s.swept.mu.Lock()
	defer s.swept.mu.Unlock()
	since := s.swept.at.Add(-sweepOverlap)
	if s.swept.at.IsZero() {
		since = now.Add(-firstSweepBack)
	}
	turns, err := reader.becameDue(ctx, since, now)
	if err != nil {
		return err
	}
	s.swept.at = now
	for pool, n := range turns {
		s.db.WakeTurns(PoolTopic(pool), n)
	}
	return nil
}

// becameDue counts, by pool, what claims can take since a time that they could not take before.
func (q Reader) becameDue(ctx context.Context, since, now time.Time) (map[string]int, error) {
	turns := map[string]int{}
	var queues []struct {
		Pool    string    `db:"pool"`
		QueueID uuid.UUID `db:"queue_id"`
		Due     int       `db:"due"`
	}
	if err := q.db.All(ctx, &queues, becameDueSQL, since, now); err != nil {
		return nil, err
	}
	pools, ids := make(map[uuid.UUID]string, len(queues)), make([]uuid.UUID, len(queues))
	for i, queue := range queues {
		turns[queue.Pool] += queue.Due
		pools[queue.QueueID], ids[i] = queue.Pool, queue.QueueID
	}

	// The first run of a line stands for it: while it waits, later ones wait behind it.
	lines, err := q.freeLinesOfQueues(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if l.FirstDue.Time().After(since) {
			turns[pools[l.QueueID]]++
		}
	}

	var expired []string
	if err := q.db.All(ctx, &expired, expiredLeasesSQL, since, now); err != nil {
		return nil, err
	}
	for _, pool := range expired {
		turns[pool]++ // one claim takes over what it can, and passes on the rest
	}
	return turns, nil
}
