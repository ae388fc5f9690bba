package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// expiredSessionsSQL locks sessions of the cluster whose lease has expired, against their renewal.
func expiredSessionsSQL(d database.Dialect) string {
	return `
SELECT s.id
FROM worker_sessions s
WHERE s.pool = ?
	AND s.cluster_id = ?
	AND s.expires_at <= ?
	AND s.id <> ?
	AND EXISTS (SELECT 1 FROM live l WHERE l.session_id = s.id)
ORDER BY s.expires_at` + d.Lock("FOR NO KEY UPDATE SKIP LOCKED")
}

// withoutLeaseSQL locks attempts without a lease: of expired sessions, and released ones. Served by live_session and
// live_released. The condition on the session is checked again on a row as it is once locked.
func withoutLeaseSQL(d database.Dialect, rested string) string {
	return `
SELECT ` + d.RowClock() + ` AS clock,` + liveColumns + `
FROM live l
LEFT JOIN worker_sessions s ON s.id = l.session_id
WHERE l.attempt_id IN (
		SELECT e.attempt_id
		FROM live e
		WHERE e.session_id IN ` + d.List("uuid") + `
		UNION ALL
		SELECT f.attempt_id
		FROM pools p
		JOIN live f ON f.pool_id = p.id AND f.cluster_id = ? AND f.session_id IS NULL
		WHERE p.name = ?
	)
	AND (l.session_id IS NULL OR l.session_id IN ` + d.List("uuid") + `)
	AND l.job_namespace NOT IN ` + d.List("text") + `
	AND ` + rested + `
ORDER BY l.leased_at, l.attempt_id
LIMIT ?` + d.Lock("FOR NO KEY UPDATE OF l SKIP LOCKED")
}

// takeOver claims attempts of the cluster whose lease has ended, except in namespaces that the worker cannot reach: the
// same attempt under the next epoch, hence the same Job. One that was not started too often is cancelled.
func (tx *Tx) takeOver(ctx context.Context, r ClaimRequest, result *claimResult) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	rows, err := tx.lockWithoutLease(ctx, r, now)
	if err != nil || len(rows) == 0 {
		return err
	}
	if rows, err = tx.fittingTakeovers(ctx, r, rows, result); err != nil {
		return err
	}

	runs := make(map[uuid.UUID]*lockedRun, len(rows))
	for _, run := range rows {
		runs[run.ID] = run
	}
	if err := tx.locked(ctx, runs); err != nil {
		return err
	}
	var leases []leaseRecord
	for _, run := range rows {
		a := run.attempt
		a.Epoch++
		tx.countTakeover(run, now, "worker "+r.Worker)
		leases = append(leases, leaseRecord{AttemptID: a.AttemptID, Epoch: a.Epoch})
		result.attempts = append(result.attempts, claimedAttempt{AttemptID: a.AttemptID, Epoch: a.Epoch, Takeover: true})
		run.note(fmt.Sprintf("taken over by worker %s (epoch %d): the lease had expired or was released", r.Worker, a.Epoch),
			now, "worker "+r.Worker, a.Number)
	}
	if len(leases) > 0 {
		_, err := tx.db.Exec(ctx, takeOverSQL(tx.db.Dialect()), r.Session, now, r.RequestID, r.Worker,
			database.ListOf(leases))
		if err != nil {
			return err
		}
	}
	return tx.saveRuns(ctx, runs)
}

// lockWithoutLease locks up to r.Max attempts without a lease.
func (tx *Tx) lockWithoutLease(ctx context.Context, r ClaimRequest, now time.Time) ([]*lockedRun, error) {
	dialect := tx.db.Dialect()
	var sessions []uuid.UUID
	err := tx.db.All(ctx, &sessions, expiredSessionsSQL(dialect), r.Pool, r.ClusterID, now, r.Session)
	if err != nil {
		return nil, err
	}
	rested, args := restedCondition(now)
	lost := make([]string, len(r.Lost))
	for i, l := range r.Lost {
		lost[i] = l.Namespace
	}
	args = append([]any{r.ClusterID, r.Pool, database.ListOf(sessions), database.ListOf(lost)}, append(args, r.Max)...)
	return tx.lockLive(ctx, withoutLeaseSQL(dialect, rested), sessions, args...)
}

func takeOverSQL(d database.Dialect) string {
	return `
UPDATE live
SET session_id = ?,
	leased_at = ?,
	request_id = ?,
	worker = ?,
	epoch = n.epoch
FROM ` + database.RecordsOf[leaseRecord](d) + ` AS n
WHERE live.attempt_id = n.attempt_id`
}
