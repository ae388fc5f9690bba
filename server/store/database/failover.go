package database

import (
	"context"
	"fmt"
	"sync"
)

// failovers counts how often the database was found to be a standby, or shutting down, so that all
// connections that were opened before can be thrown away: a pooled connection that has come to lead to a
// standby would otherwise fail every write for as long as it lives.
type failovers struct {
	mu   sync.Mutex
	seen int64
	next context.Context // ends with the next one
	end  context.CancelFunc
}

func newFailovers() *failovers {
	f := &failovers{}
	f.next, f.end = context.WithCancel(context.Background())
	return f
}

func (f *failovers) count() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// add counts a failover that a connection has met which was opened after so many. Only the first connection
// of its age counts: the others met the same one.
func (f *failovers) add(opened int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if opened < f.seen {
		return
	}
	f.seen++
	f.end()
	f.next, f.end = context.WithCancel(context.Background())
}

// until returns a context that ends with ctx or with the next failover.
func (f *failovers) until(ctx context.Context) (context.Context, context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	until, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(f.next, cancel)
	return until, func() {
		stop()
		cancel()
	}
}

// connectError is a failure to open a connection, for whatever reason.
type connectError struct{ err error }

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

const writeProbeSQL = `
SELECT pg_current_xact_id()::text`

// TakesWrites returns nil when the database takes writes now. A standby answers queries, but gives out no
// transaction IDs.
func (db *DB) TakesWrites(ctx context.Context) error {
	if db.full.Load() {
		if err := db.makeRoom(ctx); err != nil {
			return err
		}
		db.full.Store(false)
		db.log.Info("the disk of the database has room again")
	}
	if db.dialect == SQLite {
		return nil // the process has the file for itself
	}
	var id string
	err := db.InTx(ctx, func(tx *Tx) error { return tx.Get(ctx, &id, writeProbeSQL) })
	if err != nil {
		return fmt.Errorf("ask the database for a transaction that may write: %w", err)
	}
	return nil
}
