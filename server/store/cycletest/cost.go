package cycletest

import (
	"database/sql"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/store/storetest"
)

// Cost is what something costs the database, as its write-ahead log has it.
type Cost struct {
	// Rows were inserted or updated, Deletes deleted.
	Rows, Deletes float64
	// IndexEntries were inserted.
	IndexEntries float64
	// WAL are the bytes of the log. There are no images of pages in it.
	WAL float64
	// Updates are among the rows, and HOT among these: they wrote the row on its page, and no index.
	Updates, HOT float64
}

// Measure returns what one run costs on its way from due to completed, on average of n. It needs PostgreSQL 15.
func (p Path) Measure(t testing.TB, n int) Cost {
	t.Helper()
	l := NewLedger(t)
	Fill(t, l.Store, n)
	return l.Cost(t, float64(n), func() error { return p.Run(t.Context(), l.Store, n) })
}

// Ledger is a store on a separate PostgreSQL server, where nothing else writes, so that it can say what something cost.
type Ledger struct {
	Store *storetest.Store
	db    *sql.DB
}

// NewLedger starts PostgreSQL, without autovacuum, which writes too.
func NewLedger(t testing.TB) *Ledger {
	t.Helper()
	s := storetest.OnServer(t, pgtest.Start(t), storetest.WallClock)
	db, err := sql.Open("postgres", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	var version int
	if err := db.QueryRowContext(t.Context(), "SELECT current_setting('server_version_num')::int").Scan(&version); err != nil {
		t.Fatal(err)
	}
	if version < firstWithLog {
		testenv.Missing(t, "PostgreSQL before 15 does not show its log: apt-get install postgresql-15")
	}
	for _, statement := range []string{
		"CREATE EXTENSION pg_walinspect", "ALTER SYSTEM SET autovacuum = off",
		"ALTER SYSTEM SET wal_keep_size = '8GB'", "SELECT pg_reload_conf()",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return &Ledger{s, db}
}

const firstWithLog = 15_00_00

// The log has a record for each row and each entry of an index. An entry that splits its page is in the record of that.
const costSQL = `
SELECT
	COALESCE(SUM(count) FILTER (WHERE kind ~ '^Heap/(INSERT|UPDATE|HOT_UPDATE)'), 0),
	COALESCE(SUM(count) FILTER (WHERE kind ~ '^Heap/DELETE'), 0),
	COALESCE(SUM(count) FILTER (WHERE kind ~ '^Btree/(INSERT_LEAF|INSERT_POST|SPLIT)'), 0),
	pg_wal_lsn_diff($2, $1),
	COALESCE(SUM(count) FILTER (WHERE kind ~ '^Heap/(UPDATE|HOT_UPDATE)'), 0),
	COALESCE(SUM(count) FILTER (WHERE kind ~ '^Heap/HOT_UPDATE'), 0)
FROM pg_get_wal_stats($1::pg_lsn, $2::pg_lsn, TRUE) AS s (kind, count)`

// Cost returns what do costs, divided by a number of operations.
func (l *Ledger) Cost(t testing.TB, operations float64, do func() error) Cost {
	t.Helper()
	from := l.end(t)
	if err := do(); err != nil {
		t.Fatal(err)
	}
	to := l.end(t)
	var c Cost
	all := []any{&c.Rows, &c.Deletes, &c.IndexEntries, &c.WAL, &c.Updates, &c.HOT}
	if err := l.db.QueryRowContext(t.Context(), costSQL, from, to).Scan(all...); err != nil {
		t.Fatal(err)
	}
	for _, figure := range all {
		*figure.(*float64) /= operations
	}
	return c
}

// end is the end of the log, flushed.
func (l *Ledger) end(t testing.TB) (lsn string) {
	t.Helper()
	if _, err := l.db.ExecContext(t.Context(), "SELECT pg_logical_emit_message(TRUE, '', '')"); err != nil { // its commit flushes
		t.Fatal(err)
	}
	if err := l.db.QueryRowContext(t.Context(), "SELECT pg_current_wal_flush_lsn()").Scan(&lsn); err != nil {
		t.Fatal(err)
	}
	return lsn
}

// HOTShare is the part of the updates that wrote no index.
func (c Cost) HOTShare() float64 { return c.HOT / max(c.Updates, 1e-9) }
