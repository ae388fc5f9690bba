package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

type leaseRecord struct {
	AttemptID uuid.UUID `json:"attempt_id"`
	Epoch     int64     `json:"epoch"`
}

func leaseRecords(leases []Lease) []leaseRecord {
	records := make([]leaseRecord, len(leases))
	for i, l := range leases {
		records[i] = leaseRecord(l)
	}
	return records
}

// RenewLeases extends leases to d from now. It returns the attempts that the worker has lost (taken over
// under another epoch, or ended) and the attempts to cancel. An expired lease can be renewed until another
// worker takes the attempt over.
func (tx *Tx) RenewLeases(
	ctx context.Context, worker string, leases []Lease, d time.Duration,
) (lost, cancels []uuid.UUID, err error) {
	renewed, err := tx.renew(ctx, leases, d)
	if err != nil {
		return nil, nil, fmt.Errorf("renew leases of worker %q: %w", worker, err)
	}
	for _, l := range leases {
		if !renewed[l.AttemptID] {
			lost = append(lost, l.AttemptID)
		}
	}
	cancels, err = tx.ListCancels(ctx, worker, leases)
	return lost, cancels, err
}

// RenewLeases runs Tx.RenewLeases in a transaction.
func (s *Store) RenewLeases(
	ctx context.Context, worker string, leases []Lease, d time.Duration,
) (lost, cancels []uuid.UUID, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		lost, cancels, err = tx.RenewLeases(ctx, worker, leases, d)
		return err
	})
	return lost, cancels, err
}

func renewSQL(d database.Dialect) string {
	return `
UPDATE attempts
SET lease_expires_at = ?
FROM ` + d.Records("attempt_id uuid", "epoch bigint") + ` AS n
WHERE attempts.id = n.attempt_id
	AND attempts.epoch = n.epoch
	AND attempts.ended_at IS NULL
RETURNING id`
}

// renew returns the attempts whose lease was extended.
func (tx *Tx) renew(ctx context.Context, leases []Lease, d time.Duration) (map[uuid.UUID]bool, error) {
	renewed := map[uuid.UUID]bool{}
	if len(leases) == 0 {
		return renewed, nil
	}
	list := database.ListOf(leaseRecords(leases))
	if err := tx.lockAttempts(ctx, attemptIDs(leases)); err != nil {
		return nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	var ids []uuid.UUID
	if err := tx.db.All(ctx, &ids, renewSQL(tx.db.Dialect()), now.Add(d), list); err != nil {
		return nil, err
	}
	for _, id := range ids {
		renewed[id] = true
	}
	return renewed, nil
}

func releaseSQL(d database.Dialect) string {
	return `
UPDATE attempts
SET lease_expires_at = ?
FROM ` + d.Records("attempt_id uuid", "epoch bigint") + ` AS n
WHERE attempts.id = n.attempt_id
	AND attempts.epoch = n.epoch
	AND attempts.ended_at IS NULL
	AND attempts.lease_expires_at > ?
RETURNING pool_id`
}

const poolNamesSQL = `
SELECT DISTINCT name
FROM pools
WHERE id IN `

// ReleaseLeases ends leases now, so that another worker of the cluster may take the attempts over. It skips
// attempts that have ended or are held under another epoch.
func (tx *Tx) ReleaseLeases(ctx context.Context, worker string, leases []Lease) error {
	if len(leases) == 0 {
		return nil
	}
	list := database.ListOf(leaseRecords(leases))
	if err := tx.lockAttempts(ctx, attemptIDs(leases)); err != nil {
		return err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	var pools []uuid.UUID
	if err := tx.db.All(ctx, &pools, releaseSQL(tx.db.Dialect()), now, list, now); err != nil {
		return fmt.Errorf("release leases of worker %q: %w", worker, err)
	}
	return tx.hintPools(ctx, pools)
}

// ReleaseLeases runs Tx.ReleaseLeases in a transaction.
func (s *Store) ReleaseLeases(ctx context.Context, worker string, leases []Lease) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.ReleaseLeases(ctx, worker, leases) })
}

func (tx *Tx) hintPools(ctx context.Context, ids []uuid.UUID) error {
	list := database.ListOf(ids)
	var names []string
	if err := tx.db.All(ctx, &names, poolNamesSQL+tx.db.Dialect().List("uuid"), list); err != nil {
		return fmt.Errorf("read the names of work pools: %w", err)
	}
	for _, name := range names {
		tx.db.Hint(PoolTopic(name))
	}
	return nil
}

const lockAttemptsSQL = `
SELECT id
FROM attempts
WHERE id IN `

// lockAttempts locks attempts in the order of their runs, as every transaction does.
func (tx *Tx) lockAttempts(ctx context.Context, ids []uuid.UUID) error {
	if tx.db.Dialect() == database.SQLite {
		return nil
	}
	list := database.ListOf(ids)
	var locked []uuid.UUID
	dialect := tx.db.Dialect()
	query := lockAttemptsSQL + dialect.List("uuid") + " ORDER BY run_id, id" + dialect.Lock(
		"FOR NO KEY UPDATE")
	if err := tx.db.All(ctx, &locked, query, list); err != nil {
		return fmt.Errorf("lock attempts: %w", err)
	}
	return nil
}

func cancelsSQL(d database.Dialect) string {
	return `
SELECT a.id
FROM ` + d.Records("attempt_id uuid", "epoch bigint") + ` AS n
JOIN attempts a ON a.id = n.attempt_id AND a.epoch = n.epoch
JOIN runs r ON r.id = a.run_id
WHERE a.ended_at IS NULL
	AND r.state_type = 'CANCELLING'
ORDER BY a.id`
}

// ListCancels returns which of the attempts that a worker holds are to be cancelled.
func (q Reader) ListCancels(ctx context.Context, worker string, held []Lease) ([]uuid.UUID, error) {
	if len(held) == 0 {
		return nil, nil
	}
	list := database.ListOf(leaseRecords(held))
	var ids []uuid.UUID
	if err := q.db.All(ctx, &ids, cancelsSQL(q.db.Dialect()), list); err != nil {
		return nil, fmt.Errorf("list the cancelled attempts of worker %q: %w", worker, err)
	}
	return ids, nil
}

const poolsOfAttemptsSQL = `
SELECT DISTINCT p.name
FROM attempts a
JOIN pools p ON p.id = a.pool_id
WHERE a.id IN `

// ListPoolsOfAttempts returns the names of the work pools, deleted ones too, that attempts belong to. An
// attempt never leaves its pool.
func (q Reader) ListPoolsOfAttempts(ctx context.Context, ids []uuid.UUID) ([]string, error) {
	list := database.ListOf(ids)
	var names []string
	if err := q.db.All(ctx, &names, poolsOfAttemptsSQL+q.db.Dialect().List("uuid"), list); err != nil {
		return nil, fmt.Errorf("read the work pools of attempts: %w", err)
	}
	return names, nil
}
