package store_test

import (
	"database/sql"
	"os"
	"testing"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/archive"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/cycletest"
	"github.com/berth-dev/berth/server/store/storetest"
)

// archiveBench is a store on PostgreSQL with an archive in a directory.
func archiveBench(b *testing.B) (*archived, *sql.DB) {
	b.Helper()
	w := &archived{dir: b.TempDir()}
	w.archive = must[*archive.Archive](b)(archive.Open(archive.Config{URL: "file://" + w.dir}))
	b.Cleanup(func() {
		if err := w.archive.Close(); err != nil {
			b.Error(err)
		}
	})
	s := storetest.PostgreSQL(b, storetest.WallClock, func(o *storetest.Options) { o.Archive = w.archive })
	w.world = &world{Store: s}
	w.Archiver = w.newArchiver(s)
	db := must[*sql.DB](b)(sql.Open("postgres", s.URL))
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return w, db
}

// bytesOf reads a number of bytes from the database.
func bytesOf(b *testing.B, db *sql.DB, query string) (n float64) {
	b.Helper()
	if err := db.QueryRowContext(b.Context(), query).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

const (
	walSQL = `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')`
	// outputSizeSQL is what output takes: its rows, with their indexes and what is stored out of line.
	outputSizeSQL = `
SELECT SUM(pg_total_relation_size(c.oid))
FROM pg_class c
WHERE c.relname LIKE 'log\_chunks%' AND c.relkind = 'r' OR c.relname = 'outputs'`
)

// BenchmarkArchiveRuns archives the output of runs, 50 KB each. One operation is one output.
func BenchmarkArchiveRuns(b *testing.B) {
	w, db := archiveBench(b)
	cycletest.Fill(b, w.Store, b.N)
	const size, most = 50_000, 200
	text := output(size)
	for left := b.N; left > 0; left -= most {
		var chunks []store.LogChunk
		var reports []store.Report
		for _, c := range must[[]store.Claim](b)(w.Claim(b.Context(), request("p", "w", min(left, most)))) {
			chunks = append(chunks, store.LogChunk{Lease: leaseOf(c), Text: text})
			reports = append(reports, succeeded(c))
		}
		if err := w.AppendLogs(b.Context(), chunks); err != nil {
			b.Fatal(err)
		}
		must[[]store.ReportResult](b)(w.Report(b.Context(), "w", reports))
	}
	before, wal := bytesOf(b, db, outputSizeSQL), bytesOf(b, db, walSQL)
	w.Advance(settled)
	b.ResetTimer()
	if err := w.Work(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	runs := float64(b.N)
	b.ReportMetric((bytesOf(b, db, walSQL)-wal)/runs, "WAL-B/op")
	if _, err := db.ExecContext(b.Context(), "VACUUM outputs, log_chunks"); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(before/runs, "database-before-B/op")
	b.ReportMetric(bytesOf(b, db, outputSizeSQL)/runs, "database-after-B/op")
	b.ReportMetric(bytesOf(b, db, "SELECT SUM(object_size) FROM outputs")/runs, "object-B/op")
}

// BenchmarkArchiveGigabyte archives one output of a gibibyte. It reports the most memory that the process took.
func BenchmarkArchiveGigabyte(b *testing.B) {
	w, db := archiveBench(b)
	const size, call = 1 << 30, 8 << 20
	cycletest.Fill(b, w.Store, b.N)
	claims := must[[]store.Claim](b)(w.Claim(b.Context(), request("p", "w", b.N)))
	text := output(call)
	for _, c := range claims {
		for offset := int64(0); offset < size; offset += call {
			if err := w.AppendLogs(b.Context(), []store.LogChunk{{Lease: leaseOf(c), Offset: offset, Text: text}}); err != nil {
				b.Fatal(err)
			}
		}
		must[[]store.ReportResult](b)(w.Report(b.Context(), "w", []store.Report{succeeded(c)}))
	}
	w.Advance(settled)
	b.SetBytes(size)
	b.ResetTimer()
	if err := w.Work(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(testenv.Memory(b, os.Getpid(), "VmHWM"), "peak-RSS-B")
	b.ReportMetric(bytesOf(b, db, "SELECT SUM(size)::float8 / SUM(object_size) FROM outputs"), "compression")
}
