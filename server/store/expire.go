package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// Retention says for how long to keep records; 0 is without limit.
type Retention struct {
	Runs  time.Duration // after their end, with their attempts, events and output
	Logs  time.Duration // after they were written
	Audit time.Duration // also of approval requests, after their end
	// Deleted is for how long deleted objects can be restored.
	Deleted time.Duration
	// Statistics is for how long the hourly counts of removed runs stay, and how long runs waited.
	Statistics time.Duration
}

// Expired counts removed records.
type Expired struct {
	Runs          int64
	RunPartitions int64 // which held some of the runs, and were emptied as a whole
	LogChunks     int64 // one by one, where they are not in a partition that can go
	LogPartitions int64
	OutputObjects int64 // of the archive; their deletion is queued
	Audit         int64
	Sessions      int64
	Deleted       int64 // objects that can no longer be restored
	Approvals     int64
	Deliveries    int64 // of webhooks
	Tokens        int64 // and the keys that were made for them
	Statistics    int64 // rows of an hour
}

// Any reports whether any record was removed.
func (r Expired) Any() bool { return r != Expired{} }

const (
	// retainRuns and retainRows bound a batch, and so how long its locks are held.
	retainRuns = 200
	retainRows = 500
	// retainPause lets others work between full batches.
	retainPause = 20 * time.Millisecond
	// retainLock is the key of the advisory lock: "keep" in ASCII.
	retainLock = 0x6b656570
	// idSlack bounds how far the time in the ID of a run may be from the database's time at its creation.
	idSlack = time.Hour
)

// errRetentionRunning means that another server holds the advisory lock.
var errRetentionRunning = errors.New("another server is removing expired records")

// Expire removes records that are older than the retention, in small batches. Every server may call it at any
// time: one of them works, the others return at once. It never removes a live run or the output of its
// attempts. It returns the counts of removed records also with an error.
func (s *Store) Expire(ctx context.Context, keep Retention) (Expired, error) {
	var removed Expired
	for _, step := range []struct {
		what string
		do   func(context.Context, Retention, *Expired) error
	}{
		{"remove old output", s.retainLogs},
		{"remove old archived output", s.retainArchived},
		{"remove old runs", s.retainRuns},
		{"remove old statistics", s.retainStatistics},
		{"forget why old slots had no run", s.retainGaps},
		{"remove old audit entries", s.retainAudit},
		{"remove old sessions", s.retainSessions},
		{"remove what was deleted long ago", s.retainDeleted},
		{"remove old approval requests", s.retainApprovals},
		{"remove old tokens and their keys", s.retainTokens},
		{"remove old deliveries of webhooks", s.retainDeliveries},
	} {
		err := step.do(ctx, keep, &removed)
		if errors.Is(err, errRetentionRunning) {
			return removed, nil
		}
		if err != nil {
			return removed, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return removed, nil
}

// lockRetention carries out a step in a transaction that no other server has at the same time.
func (s *Store) inRetentionTx(ctx context.Context, step func(*Tx) error) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if err := tx.lockRetention(ctx); err != nil {
			return err
		}
		return step(tx)
	})
}

// batches removes until a batch is not full. It counts removed records after the commit.
func (s *Store) batches(
	ctx context.Context, full int64, removed *int64, step func(*Tx) (int64, error),
) error {
	for {
		var n int64
		err := s.inRetentionTx(ctx, func(tx *Tx) (err error) {
			n, err = step(tx)
			return err
		})
		if err != nil {
			return err
		}
		if *removed += n; n < full {
			return nil
		}
		pause := time.NewTimer(retainPause)
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

const aloneSQL = `
SELECT pg_try_advisory_xact_lock(?)`

// lockRetention makes sure that no other server does the same until the transaction ends.
func (tx *Tx) lockRetention(ctx context.Context) error {
	got, err := tx.lockAlone(ctx, retainLock)
	if err != nil {
		return fmt.Errorf("take the lock of retention: %w", err)
	}
	if !got {
		return errRetentionRunning
	}
	return nil
}

// lockAlone reports whether no other server has the advisory lock, which is held until the transaction ends.
func (tx *Tx) lockAlone(ctx context.Context, key int64) (got bool, err error) {
	if tx.db.Dialect() == database.SQLite {
		return true, nil // its process has the file for itself
	}
	return got, tx.db.Get(ctx, &got, aloneSQL, key)
}

// oldRunsSQL is served by the primary key: IDs are in the order of creation, and a run is created before it
// ends.
const (
	oldRunsSQL = `
SELECT id
FROM runs
WHERE id > ?
	AND id < ?
	AND ended_at < ?
ORDER BY id
LIMIT ?`
	deleteRunsSQL = `
DELETE FROM runs
WHERE id IN `
)

func (s *Store) retainRuns(ctx context.Context, keep Retention, removed *Expired) error {
	layout, err := s.runLayout(ctx)
	if err != nil {
		return err
	}
	if err := s.unsealYoung(ctx, layout, keep); err != nil || keep.Runs <= 0 {
		return err
	}
	if len(layout) > 0 {
		return s.retainPartitions(ctx, layout, keep, removed)
	}
	return s.retainRunsOf(ctx, runPartition{to: uuid.Max}, keep, removed)
}

// retainRunsOf removes old runs one by one, of a partition or of the plain table.
func (s *Store) retainRunsOf(ctx context.Context, p runPartition, keep Retention, removed *Expired) error {
	last := p.from // the scan goes on after it; the runs before it are still live
	return s.batches(ctx, retainRuns, &removed.Runs, func(tx *Tx) (int64, error) {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return 0, err
		}
		if free, err := tx.shareDeletion(ctx); err != nil || !free {
			return 0, err
		}
		before := now.Add(-keep.Runs)
		to := firstID(before.Add(idSlack))
		if slices.Compare(p.to[:], to[:]) < 0 {
			to = p.to
		}
		var ids []uuid.UUID
		query := oldRunsSQL + tx.db.Dialect().Lock("FOR UPDATE SKIP LOCKED")
		if err := tx.db.All(ctx, &ids, query, last, to, before, retainRuns); err != nil || len(ids) == 0 {
			return 0, err
		}
		if _, err := tx.db.Exec(ctx, keepCountsSQL(tx.db.Dialect()), database.ListOf(ids)); err != nil {
			return 0, err
		}
		if _, err := tx.db.Exec(ctx, deleteRunsSQL+tx.db.Dialect().List("uuid"), database.ListOf(ids)); err != nil {
			return 0, err
		}
		last = ids[len(ids)-1]
		return int64(len(ids)), nil
	})
}

// oldAuditSQL is served by the primary key, as oldRunsSQL is.
const oldAuditSQL = `
DELETE FROM audit
WHERE id IN (SELECT id FROM audit WHERE id < ? AND at < ? ORDER BY id LIMIT ?)`

func (s *Store) retainAudit(ctx context.Context, keep Retention, removed *Expired) error {
	if keep.Audit <= 0 {
		return nil
	}
	return s.batches(ctx, retainRows, &removed.Audit, func(tx *Tx) (int64, error) {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return 0, err
		}
		before := now.Add(-keep.Audit)
		return tx.db.Exec(ctx, oldAuditSQL, firstID(before.Add(idSlack)), before, retainRows)
	})
}
