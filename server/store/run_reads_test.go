package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/lib/pq"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/cycletest"
	"github.com/berth-dev/berth/server/store/storetest"
)

// TestEveryFilterReadsALimitedNumberOfRows asks for a page by each filter in each order, in an installation of few runs
// and in one of many, and counts the rows and index entries that PostgreSQL reads for it.
func TestEveryFilterReadsALimitedNumberOfRows(t *testing.T) {
	const searched, listed = 200, 80 * 200 // a small table is read whole, and counts are folded beside
	few := func(o *storetest.Options) { o.SearchedRuns = searched }
	for _, size := range []int{2_000, 30_000} {
		t.Run(fmt.Sprint(size, " runs"), func(t *testing.T) {
			t.Parallel()
			w := &world{installation(t, 100, size, few), t}
			unfinished := min(size/10, 1000) // rows of ready, and of live, which counts read one by one
			w.waitAndRun(unfinished)
			for _, q := range filterQuestions(t, w.Store) {
				before := w.rowsRead()
				asking := w.OpenAgain(t)
				_, err := q.ask(t.Context(), asking, questionPage)
				if err != nil && !store.IsCode(err, store.ListTooLong) {
					t.Fatalf("%s: %v", q.name, err)
				}
				w.check(asking.Close())
				most := listed
				if strings.HasPrefix(q.name, "count/") {
					most += 4 * unfinished
				}
				if n := w.rowsRead() - before; n > most {
					t.Errorf("%s reads %d rows, want %d at most", q.name, n, most)
				}
			}
		})
	}
}

// waitAndRun adds runs that wait and as many that are under way.
func (w *world) waitAndRun(n int) {
	w.t.Helper()
	cycletest.Create(w.t, w.Store, 2*n)
	for left := n; left > 0; {
		claims := w.claim(request("p", "w", min(left, 1000)))
		for _, c := range claims {
			w.accepts(running(c))
		}
		left -= len(claims)
	}
	w.past(func(db *sql.DB) error {
		_, err := db.ExecContext(w.t.Context(), "VACUUM ANALYZE")
		return err
	})
}

// rowsRead is how many rows and index entries of tables, of runs unless told, were read up to now by connections that are
// closed.
func (w *world) rowsRead(tables ...string) (n int) {
	w.t.Helper()
	if len(tables) == 0 {
		tables = []string{"runs", "ready", "live", "run_counts", "run_count_changes"}
	}
	w.past(func(db *sql.DB) error {
		db.SetMaxOpenConns(1)
		for others := 1; others > 0; {
			err := db.QueryRowContext(w.t.Context(), `
				SELECT COUNT(*) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE '%people%'`).Scan(&others)
			if err != nil {
				return err
			}
		}
		return db.QueryRowContext(w.t.Context(), `
			SELECT (SELECT SUM(seq_tup_read + COALESCE(idx_tup_fetch, 0)) FROM pg_stat_user_tables WHERE relname = ANY($1))
				+ (SELECT SUM(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = ANY($1))`, pq.Array(tables)).Scan(&n)
	})
	return n
}
