package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

const expiredSQL = `
SELECT a.id, a.run_id
FROM attempts a
JOIN pools p ON p.id = a.pool_id
WHERE p.name = ?
	AND a.cluster_id = ?
	AND a.ended_at IS NULL
	AND a.lease_expires_at <= ?
	AND `

// takeOver claims attempts of the cluster whose lease has expired: the same attempt under the next epoch,
// hence the same Job. It skips attempts that the worker still holds itself.
func (tx *Tx) takeOver(ctx context.Context, r ClaimRequest) ([]claimedAttempt, error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	held := database.ListOf(attemptIDs(r.Held))
	var expired []struct {
		ID    uuid.UUID `db:"id"`
		RunID uuid.UUID `db:"run_id"`
	}
	rested, args := restedCondition(now)
	query := expiredSQL + rested + "\n\tAND a.id NOT IN " + tx.db.Dialect().List("uuid") +
		"\nORDER BY a.lease_expires_at, a.id\nLIMIT ?"
	args = append(append([]any{r.Pool, r.ClusterID, now}, args...), held, r.Max)
	if err := tx.db.All(ctx, &expired, query, args...); err != nil ||
		len(expired) == 0 {
		return nil, err
	}
	attempts, runIDs := make([]uuid.UUID, len(expired)), make([]uuid.UUID, len(expired))
	for i, e := range expired {
		attempts[i], runIDs[i] = e.ID, e.RunID
	}
	runs, err := tx.lockRuns(ctx, runIDs, true)
	if err != nil {
		return nil, err
	}
	taken, err := tx.bumpEpochs(ctx, r, attempts, runs)
	if err != nil {
		return nil, err
	}
	return taken, tx.saveRuns(ctx, runs)
}

// takeOverSQL checks the lease again under the lock: the holder may have renewed it, or the attempt may have
// ended.
func takeOverSQL(d database.Dialect) string {
	return `
UPDATE attempts
SET epoch = epoch + 1,
	worker = ?,
	lease_expires_at = ?
WHERE id IN ` + d.List("uuid") + `
	AND run_id IN ` + d.List("uuid") + `
	AND cluster_id = ?
	AND ended_at IS NULL
	AND lease_expires_at <= ?
RETURNING id, run_id, number, epoch, phase, job_uid, running_at`
}

func (tx *Tx) bumpEpochs(
	ctx context.Context, r ClaimRequest, attempts []uuid.UUID, runs map[uuid.UUID]*lockedRun,
) ([]claimedAttempt, error) {
	if err := tx.lockAttempts(ctx, attempts); err != nil {
		return nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	locked := make([]uuid.UUID, 0, len(runs))
	for id := range runs {
		locked = append(locked, id)
	}
	attemptList := database.ListOf(attempts)
	runList := database.ListOf(locked)
	var rows []takenRow
	err = tx.db.All(ctx, &rows, takeOverSQL(tx.db.Dialect()), r.Worker, now.Add(r.Lease), attemptList,
		runList, r.ClusterID, now)
	if err != nil {
		return nil, err
	}
	taken := make([]claimedAttempt, 0, len(rows))
	for _, row := range rows {
		if outcome := tx.countTakeover(row, runs[row.RunID], now, "worker "+r.Worker); outcome != nil {
			if err := tx.endUnstarted(ctx, row.ID, *outcome, now); err != nil {
				return nil, err
			}
			continue
		}
		taken = append(taken, claimedAttempt{AttemptID: row.ID, Epoch: row.Epoch, Takeover: true})
		runs[row.RunID].note(
			fmt.Sprintf("taken over by worker %s (epoch %d): the lease had expired or was released", r.Worker,
				row.Epoch),
			now, "worker "+r.Worker, row.Number)
	}
	return taken, nil
}

func attemptIDs(leases []Lease) []uuid.UUID {
	ids := make([]uuid.UUID, len(leases))
	for i, l := range leases {
		ids[i] = l.AttemptID
	}
	return ids
}
