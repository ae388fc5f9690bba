package pgtest

import (
	"context"
	"database/sql"
	"time"
)

// AwaitLock returns when a transaction waits for a lock in the database.
func AwaitLock(ctx context.Context, db *sql.DB) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		var waits bool
		err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits)
		if err != nil || waits {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
