package server_test

import (
	"database/sql"
	"net/http"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/internal/testenv"
)

// rowsRead is how many rows and index entries of the large tables were read by connections that are closed.
func rowsRead(t *testing.T, address string) (n int) {
	t.Helper()
	db, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const tables = "('runs', 'run_counts', 'run_count_changes', 'live', 'ready', 'events', 'attempts', 'deployments', 'schedules')"
	err = db.QueryRowContext(t.Context(), `
		SELECT (SELECT SUM(seq_tup_read + COALESCE(idx_tup_fetch, 0)) FROM pg_stat_user_tables WHERE relname IN `+tables+`)
			+ (SELECT SUM(idx_tup_read) FROM pg_stat_user_indexes WHERE relname IN `+tables+`)`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestO5PagesReadFewRowsOfManyRuns asks for each page many times, of few runs and of many. What the server reads beside, which
// is little, is counted too.
func TestO5PagesReadFewRowsOfManyRuns(t *testing.T) {
	testenv.Slow(t, "it fills a database")
	const many, often = 40_000, 20
	for path, most := range map[string]int{
		"/": 3_000, "/?window=30d": 4_000, "/runs": 1_000, "/runs?state=FAILED": 1_000, "/search?q=etl-0000": 20_000,
		"/deployments": 8_000, "/schedules": 2_000, "/deployments/etl-000007": 1_000,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			address := pgtest.Database(t)
			if err := start(t, withoutKeys, on(address)).stop(); err != nil { // which makes the tables
				t.Fatal(err)
			}
			if err := manyRuns(t.Context(), address, many); err != nil {
				t.Fatal(err)
			}
			before := rowsRead(t, address)
			r := start(t, withoutKeys, on(address))
			for range often {
				r.page(path).is(http.StatusOK)
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			read := (rowsRead(t, address) - before) / often
			t.Logf("%s: %d rows and index entries a page", path, read)
			if read > most {
				t.Errorf("%d rows and index entries were read for a page, want %d at most", read, most)
			}
		})
	}
}
