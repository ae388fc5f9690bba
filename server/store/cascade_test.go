package store_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/store"
)

// past does something with the database past the store.
func (w *world) past(do func(db *sql.DB) error) {
	w.t.Helper()
	driver, dsn := "sqlite", strings.TrimPrefix(w.URL,
		"sqlite://")+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(10000)"
	if w.Postgres {
		driver, dsn = "postgres", w.URL
	}
	db := must[*sql.DB](w.t)(sql.Open(driver, dsn))
	defer func() { w.check(db.Close()) }()
	w.check(do(db))
}

// rows counts what a table holds.
func (w *world) rows(table string) (n int) {
	w.t.Helper()
	w.past(func(db *sql.DB) error {
		return db.QueryRowContext(w.t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n)
	})
	return n
}

func (w *world) deletes(table string) {
	w.t.Helper()
	w.past(func(db *sql.DB) error {
		_, err := db.ExecContext(w.t.Context(), "DELETE FROM "+table)
		return err
	})
}

// lived is a run that has left something in every table.
func (w *world) lived() {
	w.t.Helper()
	w.one()
	c := w.claimOne("w")
	w.check(w.AppendLogs(w.t.Context(), []store.LogChunk{{Lease: leaseOf(c), Text: "hello"}}))
	w.accepts(running(c), succeeded(c))
	for _, table := range []string{"runs", "attempts", "events", "log_chunks"} {
		if w.rows(table) == 0 {
			w.t.Fatalf("there is nothing in %s", table)
		}
	}
}

func TestDeletingAnObjectPermanentlyDeletesItsDependents(t *testing.T) {
	for _, test := range []struct {
		name   string
		remove func(w *world) error
	}{
		{"a deployment", func(w *world) error {
			return w.DeleteDeployment(w.t.Context(), "d", store.DeleteOptions{Permanently: true}, actor)
		}},
		{"a pool", func(w *world) error {
			return w.DeletePool(w.t.Context(), "p", store.DeleteOptions{Force: true, Permanently: true}, actor)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				w.lived()
				w.check(test.remove(w))
				w.sweep()
				w.sweep()
				for _, table := range []string{"runs", "attempts", "events", "log_chunks"} {
					if n := w.rows(table); n != 0 {
						t.Errorf("%d rows are left in %s", n, table)
					}
				}
			})
		})
	}
}

// TestDeletingARowDeletesItsDependentRows verifies the foreign keys, and the triggers that replace them.
func TestDeletingARowDeletesItsDependentRows(t *testing.T) {
	for _, from := range []string{"runs", "deployments", "pools"} {
		t.Run(from, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				w.lived()
				w.deletes(from)
				for _, table := range []string{from, "runs", "attempts", "events", "log_chunks"} {
					if n := w.rows(table); n != 0 {
						t.Errorf("deleting %s left %d rows in %s", from, n, table)
					}
				}
			})
		})
	}
}
