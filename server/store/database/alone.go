package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Alone is a connection to PostgreSQL, through the direct URL, that holds an advisory lock. Its statements may take
// as long as they need, but wait for locks no longer than those of a migration.
type Alone struct{ conn *sql.Conn }

// Exec runs one statement in a separate transaction.
func (a Alone) Exec(ctx context.Context, statement string) error {
	_, err := a.conn.ExecContext(ctx, statement)
	return classify(err)
}

// Alone runs fn while this process holds the advisory lock of a key. It returns false, and does not run fn, where
// another process holds it.
func (db *DB) Alone(ctx context.Context, key int64, fn func(Alone) error) (bool, error) {
	direct, err := db.connectPlain(db.migrationDSN())
	if err != nil {
		return false, err
	}
	ran, err := alone(ctx, direct, key, fn)
	return ran, errors.Join(err, direct.Close())
}

func alone(ctx context.Context, direct *sql.DB, key int64, fn func(Alone) error) (ran bool, err error) {
	conn, err := direct.Conn(ctx)
	if err != nil {
		return false, fmt.Errorf("connect: %w", classify(err))
	}
	defer func() { err = errors.Join(err, conn.Close()) }() // which ends the lock
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&ran); err != nil {
		return false, fmt.Errorf("take an advisory lock: %w", classify(err))
	}
	if !ran {
		return false, nil
	}
	return true, fn(Alone{conn})
}

// RetryLocks runs a part of a migration again while it waits too long for a lock, for some ten minutes. The
// transactions that wait behind it work in the pauses.
func (db *DB) RetryLocks(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if !IsLockTimeout(err) {
			return err
		}
		if try == migrationTries {
			return fmt.Errorf("transactions that do not end hold a lock that the migration needs; find them in "+
				"pg_stat_activity and pg_locks, end them, and migrate again: %w", err)
		}
		wait := min(time.Duration(try)*db.lockTimeout, migrationPauseMax)
		db.log.Warn("migration waits for a lock that other transactions hold, retrying", "try", try,
			"tries", migrationTries, "pause", wait.String(), "error", err)
		if !pause(ctx, wait) {
			return ctx.Err()
		}
	}
}
