package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

const expiredSQL = `
SELECT a.id, a.run_id
FROM attempts a
JOIN pools p ON p.id = a.pool_id
WHERE p.name = ?
	AND a.cluster_id = ?
	AND a.ended_at IS NULL
	AND a.lease_expires_at <= ?`

// takeOver gives the worker attempts of its cluster whose lease has run out: the same attempt under the next
// epoch, so the same Job. What the worker itself still holds is left to it.
func (tx *Tx) takeOver(ctx context.Context, r ClaimRequest) ([]handed, error) {
	now, err := tx.now(ctx)
	if err != nil {
		return nil, err
	}
	held := listOf(attemptIDs(r.Held))
	var expired []struct {
		ID    uuid.UUID `db:"id"`
		RunID uuid.UUID `db:"run_id"`
	}
	query := expiredSQL + "\n\tAND a.id NOT IN " + tx.s.dialect.list(
		"uuid",
	) + "\nORDER BY a.lease_expires_at, a.id\nLIMIT ?"
	if err := tx.all(ctx, &expired, query, r.Pool, r.ClusterID, now, held, r.Max); err != nil ||
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

// takeOverSQL checks again what was seen before the runs were locked: the holder may have renewed or ended
// meanwhile.
func (d dialect) takeOverSQL() string {
	return `
UPDATE attempts
SET epoch = epoch + 1,
	worker = ?,
	lease_expires_at = ?
WHERE id IN ` + d.list("uuid") + `
	AND run_id IN ` + d.list("uuid") + `
	AND cluster_id = ?
	AND ended_at IS NULL
	AND lease_expires_at <= ?
RETURNING id, run_id, number, epoch`
}

func (tx *Tx) bumpEpochs(
	ctx context.Context,
	r ClaimRequest,
	attempts []uuid.UUID,
	runs map[uuid.UUID]*lockedRun,
) ([]handed, error) {
	if err := tx.lockAttempts(ctx, attempts); err != nil {
		return nil, err
	}
	now, err := tx.now(ctx)
	if err != nil {
		return nil, err
	}
	locked := make([]uuid.UUID, 0, len(runs))
	for id := range runs {
		locked = append(locked, id)
	}
	attemptList := listOf(attempts)
	runList := listOf(locked)
	var rows []struct {
		ID     uuid.UUID `db:"id"`
		RunID  uuid.UUID `db:"run_id"`
		Number int32     `db:"number"`
		Epoch  int64     `db:"epoch"`
	}
	err = tx.all(
		ctx,
		&rows,
		tx.s.dialect.takeOverSQL(),
		r.Worker,
		now.Add(r.Lease),
		attemptList,
		runList,
		r.ClusterID,
		now,
	)
	if err != nil {
		return nil, err
	}
	taken := make([]handed, len(rows))
	for i, row := range rows {
		taken[i] = handed{AttemptID: row.ID, Epoch: row.Epoch, Takeover: true}
		runs[row.RunID].note(
			fmt.Sprintf(
				"taken over by worker %s (epoch %d): the lease had run out or was given back",
				r.Worker,
				row.Epoch,
			),
			now,
			"worker "+r.Worker,
			row.Number,
		)
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
