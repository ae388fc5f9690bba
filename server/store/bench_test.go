package store_test

import (
	"database/sql"
	"testing"

	"github.com/berth-dev/berth/server/store/cycletest"
	"github.com/berth-dev/berth/server/store/storetest"
)

// BenchmarkFullCycle takes runs from due to completed in batches of a hundred, by four workers at once:
// claim, running, ended. One operation is one run.
func BenchmarkFullCycle(b *testing.B) {
	benchCycle(b, storetest.PostgreSQL(b, storetest.WallClock), cycletest.Process())
}

// BenchmarkKubernetesCycle is BenchmarkFullCycle with all that a Kubernetes worker reports.
func BenchmarkKubernetesCycle(b *testing.B) {
	benchCycle(b, storetest.PostgreSQL(b, storetest.WallClock), cycletest.Kubernetes())
}

// benchCycle also reports the WAL of a run, full-page images included, and what it takes on disk, with indexes.
func benchCycle(b *testing.B, s *storetest.Store, path cycletest.Path) {
	cycletest.Fill(b, s, b.N)
	before := wal(b, s)
	b.ResetTimer()
	if err := path.Run(b.Context(), s, b.N); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
	b.StopTimer()
	b.ReportMetric((wal(b, s)-before)/float64(b.N), "WAL-B/op")
	b.ReportMetric(disk(b, s)/float64(b.N), "disk-B/op")
}

// wal is where the write-ahead log is, in bytes.
func wal(b *testing.B, s *storetest.Store) float64 {
	b.Helper()
	return figure(b, s, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
}

// disk is the size of the tables of runs that have ended, in bytes.
func disk(b *testing.B, s *storetest.Store) float64 {
	b.Helper()
	return figure(b, s, `SELECT SUM(pg_total_relation_size(c.oid)) FROM pg_class c
		WHERE c.relname ~ '^(runs|attempts|events|manifests)($|_p|_rest)' AND c.relkind = 'r'`)
}

func figure(b *testing.B, s *storetest.Store, query string) (n float64) {
	b.Helper()
	db := must[*sql.DB](b)(sql.Open("postgres", s.URL))
	defer db.Close()
	if err := db.QueryRowContext(b.Context(), query).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkBulkCreate creates runs a thousand at a time. One operation is one run.
func BenchmarkBulkCreate(b *testing.B) {
	s := storetest.PostgreSQL(b, storetest.WallClock)
	cycletest.Fill(b, s, 0)
	b.ResetTimer()
	cycletest.Create(b, s, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}
