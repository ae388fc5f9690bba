package store_test

import (
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// awaitLock returns when a transaction waits for a lock in the database.
func (w *world) awaitLock() {
	w.t.Helper()
	w.past(func(db *sql.DB) error { return pgtest.AwaitLock(w.t.Context(), db) })
}

// TestAReportThatWaitedForALockSeesTheCommittedChange: a report is under way while another transaction holds
// the run. What it decides from, of the run as of the attempt, is what is there when it gets the lock. SQLite
// has one writer at a time.
func TestAReportThatWaitedForALockSeesTheCommittedChange(t *testing.T) {
	for _, test := range []struct {
		name   string
		others func(w *world, tx *store.Tx, run *store.Run, c store.Claim) error
		says   func(c store.Claim) store.Report
		status store.ReportStatus
		state  string
	}{
		{"the run was cancelled", func(w *world, tx *store.Tx, run *store.Run, _ store.Claim) error {
			_, err := tx.CancelRun(w.t.Context(), run.ID, actor)
			return err
		}, func(c store.Claim) store.Report { return failed(c, lifecycle.CancelledEnd) }, store.ReportAccepted, "CANCELLED Cancelled"},
		{"the attempt has ended", func(w *world, tx *store.Tx, _ *store.Run, c store.Claim) error {
			_, err := tx.Report(w.t.Context(), "w", []store.Report{succeeded(c)})
			return err
		}, func(c store.Claim) store.Report { return failed(c, lifecycle.App) }, store.ReportAlreadyEnded, "COMPLETED Completed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				if !w.Postgres {
					return
				}
				run := w.one()
				c := w.claimOne("w")
				w.accepts(running(c))
				held, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
				go func() {
					done <- w.InTx(t.Context(), func(tx *store.Tx) error {
						if err := test.others(w, tx, run, c); err != nil {
							return err
						}
						close(held)
						<-goOn
						return nil
					})
				}()
				<-held
				answered := make(chan store.ReportStatus, 1)
				go func() {
					results, err := w.Report(t.Context(), "w", []store.Report{test.says(c)})
					if err != nil || len(results) != 1 {
						t.Errorf("%v, %v", results, err)
						results = make([]store.ReportResult, 1)
					}
					answered <- results[0].Status
				}()
				w.awaitLock()
				close(goOn)
				w.check(<-done)
				if got := <-answered; got != test.status {
					t.Errorf("answered %s, want %s", got, test.status)
				}
				w.isIn(run.ID, test.state)
				last := time.Time{}
				for _, e := range w.listEvents(run.ID, 0) {
					if e.At.Before(last) {
						t.Errorf("event %d is before the one before it", e.Seq)
					}
					last = e.At
				}
			})
		})
	}
}

// TestConcurrentWritersOfAttemptsNeverDeadlock changes the same attempts concurrently, each caller in a
// different order.
func TestConcurrentWritersOfAttemptsNeverDeadlock(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.runs("d", 40)
		claims := w.claim(request("p", "w", 40))
		var leases []store.Lease
		var reports []store.Report
		for i := range claims {
			c := claims[len(claims)-1-i] // not the order in which they were claimed
			leases = append(leases, leaseOf(c))
			reports = append(reports, running(c))
		}
		calls := []func(round int) error{
			func(int) error { _, _, err := w.renew("w", leases...); return err },
			func(int) error { _, err := w.Report(t.Context(), "w", reports); return err },
			func(round int) error {
				chunks := make([]store.LogChunk, len(claims))
				for i, c := range claims {
					chunks[i] = store.LogChunk{Lease: leaseOf(c), Offset: int64(round), Text: "x"}
				}
				return w.AppendLogs(t.Context(), chunks)
			},
			func(int) error { _, err := w.Claim(t.Context(), request("p", "w", 5)); return err },
		}
		var all sync.WaitGroup
		for _, call := range calls {
			all.Go(func() {
				for round := range 20 {
					if err := call(round); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		if !w.Postgres {
			return
		}
		var deadlocks int
		w.past(func(db *sql.DB) error {
			return db.QueryRowContext(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").
				Scan(&deadlocks)
		})
		if deadlocks != 0 {
			t.Errorf("there were %d deadlocks", deadlocks)
		}
	})
}
