package store_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
)

func TestAppendingOutputDoesNotWaitForTheAttempt(t *testing.T) {
	onPostgres(t, func(w *world) {
		w.one()
		c := w.claimOne("w")
		w.past(func(db *sql.DB) error {
			tx := must[*sql.Tx](t)(db.BeginTx(t.Context(), nil)) // a report or a renewal that takes its time
			defer func() { w.check(tx.Rollback()) }()
			if _, err := tx.ExecContext(t.Context(), "SELECT attempt_id FROM live FOR UPDATE"); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return w.AppendLogs(ctx, []store.LogChunk{{Lease: leaseOf(c), Text: "one\n"}, {Lease: leaseOf(c), Offset: 4, Text: "two\n"}})
		})
		if got := w.output(c.RunID, 0); got != "one\ntwo\n" {
			t.Errorf("read %q", got)
		}
	})
}

// TestAppendingOutputWritesNoIndex verifies that the updates of an output are HOT: PostgreSQL counts those when a
// connection ends.
func TestAppendingOutputWritesNoIndex(t *testing.T) {
	onPostgres(t, func(w *world) {
		w.one()
		c := w.claimOne("w")
		const appends = 20
		again := must[*store.Store](t)(store.Open(t.Context(), store.Options{URL: w.URL, MaxConns: 1}))
		for i := range int64(appends) {
			w.check(again.AppendLogs(t.Context(), []store.LogChunk{{Lease: leaseOf(c), Offset: i, Text: "x"}}))
		}
		w.check(again.Close())
		var all, hot, attempts int
		w.past(func(db *sql.DB) error {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for all < appends {
				<-tick.C
				err := db.QueryRowContext(t.Context(), `SELECT o.n_tup_upd, o.n_tup_hot_upd, a.n_tup_upd
					FROM pg_stat_user_tables o, pg_stat_user_tables a
					WHERE o.relname = 'outputs' AND a.relname = 'live'`).Scan(&all, &hot, &attempts)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if hot != all || attempts != 0 {
			t.Errorf("%d of %d updates were HOT; attempts was updated %d times", hot, all, attempts)
		}
	})
}
