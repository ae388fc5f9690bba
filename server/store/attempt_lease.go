package store

import (
	"context"
	"fmt"
	"slices"
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

// Renewal asks to renew the leases of a session.
type Renewal struct {
	Session SessionRef
	// Leases are the leases that the worker holds. Attempts of the session that it does not list are released, once
	// their lease would have expired: their claim was never answered.
	Leases []Lease
	// Partial says that the worker holds more than it lists.
	Partial bool
	Lease   time.Duration
}

// RenewLeases extends the lease of a session, which is that of all its attempts, to n.Lease from now. It returns the
// attempts of the list that the worker has lost (taken over, or ended) and those to cancel. An expired lease can be
// renewed until another worker takes the attempt over. It fails with SessionUnknown for a session that was removed.
func (tx *Tx) RenewLeases(ctx context.Context, n Renewal) (lost, cancels []uuid.UUID, err error) {
	if _, err := tx.lockSession(ctx, n.Session); err != nil {
		return nil, nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := tx.extendSession(ctx, n.Session.ID, now, n.Lease); err != nil {
		return nil, nil, err
	}
	held, err := tx.sessionAttempts(ctx, n.Session.ID)
	if err != nil {
		return nil, nil, err
	}

	var missing []Lease
	listed := make(map[uuid.UUID]bool, len(n.Leases))
	for _, l := range n.Leases {
		a, ok := held[l.AttemptID]
		switch {
		case !ok || a.Epoch != l.Epoch:
			missing = append(missing, l)
		case a.Cancelling:
			cancels = append(cancels, l.AttemptID)
		}
		listed[l.AttemptID] = true
	}
	if lost, err = tx.holdReleased(ctx, n.Session, missing); err != nil || n.Partial {
		return lost, cancels, err
	}
	var forgotten []Lease
	for id, a := range held {
		if !listed[id] && !a.LeasedAt.Time().Add(n.Lease).After(now) {
			forgotten = append(forgotten, Lease{AttemptID: id, Epoch: a.Epoch})
		}
	}
	return lost, cancels, tx.ReleaseLeases(ctx, n.Session.Worker, forgotten)
}

// RenewLeases runs Tx.RenewLeases in a transaction.
func (s *Store) RenewLeases(ctx context.Context, n Renewal) (lost, cancels []uuid.UUID, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		lost, cancels, err = tx.RenewLeases(ctx, n)
		return err
	})
	return lost, cancels, err
}

type sessionAttempt struct {
	ID         uuid.UUID     `db:"attempt_id"`
	Epoch      int64         `db:"epoch"`
	LeasedAt   database.Time `db:"leased_at"`
	Cancelling bool          `db:"cancelling"`
}

// sessionAttemptsSQL is served by live_session.
const sessionAttemptsSQL = `
SELECT attempt_id, epoch, leased_at, state_type = 'CANCELLING' AS cancelling
FROM live
WHERE session_id = ?`

func (q Reader) sessionAttempts(ctx context.Context, session uuid.UUID) (map[uuid.UUID]sessionAttempt, error) {
	var rows []sessionAttempt
	if err := q.db.All(ctx, &rows, sessionAttemptsSQL, session); err != nil {
		return nil, fmt.Errorf("list the attempts of session %s: %w", session, err)
	}
	held := make(map[uuid.UUID]sessionAttempt, len(rows))
	for _, r := range rows {
		held[r.ID] = r
	}
	return held, nil
}

func holdReleasedSQL(d database.Dialect) string {
	return `
UPDATE live
SET session_id = ?
FROM ` + database.RecordsOf[leaseRecord](d) + ` AS n
WHERE live.attempt_id = n.attempt_id
	AND live.epoch = n.epoch
	AND live.session_id IS NULL
	AND live.worker = ?
RETURNING live.attempt_id`
}

// holdReleased gives attempts that were released, and that no other worker has taken over, back to a session. It returns the
// others.
func (tx *Tx) holdReleased(ctx context.Context, session SessionRef, leases []Lease) (lost []uuid.UUID, err error) {
	if len(leases) == 0 {
		return nil, nil
	}
	if err := tx.lockAttempts(ctx, leases); err != nil {
		return nil, err
	}
	var ids []uuid.UUID
	query := holdReleasedSQL(tx.db.Dialect())
	if err := tx.db.All(ctx, &ids, query, session.ID, database.ListOf(leaseRecords(leases)), session.Worker); err != nil {
		return nil, fmt.Errorf("renew released leases: %w", err)
	}
	held := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		held[id] = true
	}
	for _, l := range leases {
		if !held[l.AttemptID] {
			lost = append(lost, l.AttemptID)
		}
	}
	return lost, nil
}

func releaseSQL(d database.Dialect) string {
	return `
UPDATE live
SET session_id = NULL,
	leased_at = ?
FROM ` + database.RecordsOf[leaseRecord](d) + ` AS n
WHERE live.attempt_id = n.attempt_id
	AND live.epoch = n.epoch
	AND live.session_id IS NOT NULL
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
	if err := tx.lockAttempts(ctx, leases); err != nil {
		return err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	var pools []uuid.UUID
	err = tx.db.All(ctx, &pools, releaseSQL(tx.db.Dialect()), now, database.ListOf(leaseRecords(leases)))
	if err != nil {
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
SELECT attempt_id
FROM live
WHERE attempt_id IN `

// lockAttempts locks the rows of attempts under way in the order of their runs, as every transaction does.
func (tx *Tx) lockAttempts(ctx context.Context, leases []Lease) error {
	if tx.db.Dialect() == database.SQLite {
		return nil
	}
	ids := make([]uuid.UUID, len(leases))
	for i, l := range leases {
		ids[i] = l.AttemptID
	}
	var locked []uuid.UUID
	dialect := tx.db.Dialect()
	query := lockAttemptsSQL + dialect.List("uuid") + " ORDER BY run_id" + dialect.Lock("FOR NO KEY UPDATE")
	if err := tx.db.All(ctx, &locked, query, database.ListOf(ids)); err != nil {
		return fmt.Errorf("lock attempts: %w", err)
	}
	return nil
}

// cancelsSQL is served by live_cancelled.
const cancelsSQL = `
SELECT attempt_id, cancelled_at
FROM live
WHERE session_id = ?
	AND cancelled_at IS NOT NULL
ORDER BY attempt_id`

// ListCancels returns the attempts of a session that are to be cancelled, and when the newest cancel was requested, if that
// was after a time; nil is the beginning. A cancel that is committed late, with an earlier time, comes with the next
// renewal.
func (q Reader) ListCancels(
	ctx context.Context, session uuid.UUID, after *time.Time,
) (ids []uuid.UUID, newest *time.Time, err error) {
	var rows []struct {
		ID          uuid.UUID     `db:"attempt_id"`
		CancelledAt database.Time `db:"cancelled_at"`
	}
	if err := q.db.All(ctx, &rows, cancelsSQL, session); err != nil {
		return nil, nil, fmt.Errorf("list the cancelled attempts of session %s: %w", session, err)
	}
	for _, r := range rows {
		ids = append(ids, r.ID)
		if at := r.CancelledAt.Time(); newest == nil || at.After(*newest) {
			newest = &at
		}
	}
	if newest == nil || after != nil && !newest.After(*after) {
		return nil, nil, nil
	}
	return ids, newest, nil
}

func poolsOfAttemptsSQL(d database.Dialect) string {
	return `
SELECT l.attempt_id AS id, p.name
FROM live l
JOIN pools p ON p.id = l.pool_id
WHERE l.attempt_id IN ` + d.List("uuid") + `
UNION ALL
SELECT w.handed_back_id, p.name
FROM ready w
JOIN pools p ON p.id = w.pool_id
WHERE w.handed_back_id IN ` + d.List("uuid")
}

// poolsOfEndedSQL is served by attempts_id, of which each partition has one.
const poolsOfEndedSQL = `
SELECT a.id, p.name
FROM attempts a
JOIN runs r ON r.id = a.run_id
JOIN pools p ON p.id = r.pool_id
WHERE a.id IN `

// poolOfAttempt is the work pool of an attempt.
type poolOfAttempt struct {
	ID   uuid.UUID `db:"id"`
	Name string    `db:"name"`
}

// ListPoolsOfAttempts returns the names of the work pools, deleted ones too, that attempts belong to.
func (q Reader) ListPoolsOfAttempts(ctx context.Context, ids []uuid.UUID) ([]string, error) {
	var rows, ended []poolOfAttempt
	list := database.ListOf(ids)
	if err := q.db.All(ctx, &rows, poolsOfAttemptsSQL(q.db.Dialect()), list, list); err != nil {
		return nil, fmt.Errorf("read the work pools of attempts: %w", err)
	}
	rest := slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool {
		return slices.ContainsFunc(rows, func(r poolOfAttempt) bool { return r.ID == id })
	})
	if len(rest) > 0 {
		query := poolsOfEndedSQL + q.db.Dialect().List("uuid")
		if err := q.db.All(ctx, &ended, query, database.ListOf(rest)); err != nil {
			return nil, fmt.Errorf("read the work pools of ended attempts: %w", err)
		}
	}
	var names []string
	for _, r := range append(rows, ended...) {
		if !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names, nil
}
