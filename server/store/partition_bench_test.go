package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/cycletest"
	"github.com/berth-dev/berth/server/store/storetest"
)

// benchWeeks are the partitions of 90 days.
const benchWeeks = 13

// partitionedSince opens a store with weekly partitions of some weeks.
func partitionedSince(b *testing.B, weeks int) *storetest.Store {
	b.Helper()
	s := storetest.PostgreSQL(b, storetest.WallClock)
	if err := s.PartitionRuns(b.Context(), store.PartitionOptions{}); err != nil {
		b.Fatal(err)
	}
	for range weeks {
		s.Advance(7 * aDay)
		if err := s.MaintainPartitions(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// BenchmarkPartitionedCycle is BenchmarkFullCycle on the partitions of 90 days.
func BenchmarkPartitionedCycle(b *testing.B) {
	benchCycle(b, partitionedSince(b, benchWeeks), cycletest.Process())
}

// BenchmarkRetention removes old runs as a Kubernetes worker has left them. One operation is one run.
func BenchmarkRetention(b *testing.B) {
	b.Run("rows", func(b *testing.B) { benchRetention(b, storetest.PostgreSQL(b, storetest.WallClock)) })
	b.Run("partition", func(b *testing.B) { benchRetention(b, partitionedSince(b, 2)) })
}

func benchRetention(b *testing.B, s *storetest.Store) {
	cycletest.Fill(b, s, 1)
	claims, err := s.Claim(b.Context(), request("p", "w", 1))
	if err != nil || len(claims) != 1 {
		b.Fatalf("%d claims, %v", len(claims), err)
	}
	c := claims[0]
	if err := s.AppendLogs(b.Context(), []store.LogChunk{{Lease: leaseOf(c), Text: "done"}}); err != nil {
		b.Fatal(err)
	}
	for _, report := range cycletest.Kubernetes() {
		results, err := s.Report(b.Context(), "w", []store.Report{report(c)})
		if err != nil || results[0].Status != store.ReportAccepted {
			b.Fatalf("answered %+v, %v", results, err)
		}
	}
	copyRuns(b, s, b.N-1)
	s.Advance(40 * aDay)
	if err := s.MaintainPartitions(b.Context()); err != nil {
		b.Fatal(err)
	}
	before := wal(b, s)
	b.ResetTimer()
	removed, err := s.Expire(b.Context(), store.Retention{Runs: 28 * aDay})
	b.StopTimer()
	if err != nil || removed.Runs != int64(b.N) {
		b.Fatalf("removed %+v, %v", removed, err)
	}
	b.ReportMetric((wal(b, s)-before)/float64(b.N), "WAL-B/op")
	b.ReportMetric(deletedRows(b, s)/float64(b.N), "rows/op")
}

// copyRuns makes n copies of the only run, of the same millisecond.
func copyRuns(b *testing.B, s *storetest.Store, n int) {
	b.Helper()
	db := must[*sql.DB](b)(sql.Open("postgres", s.URL))
	defer db.Close()
	for _, table := range []string{"runs", "attempts", "manifests", "events", "outputs"} {
		var columns string
		if err := db.QueryRowContext(b.Context(), `
			SELECT string_agg(column_name, ', ') FROM information_schema.columns
			WHERE table_name = $1 AND is_generated = 'NEVER'`, table).Scan(&columns); err != nil {
			b.Fatal(err)
		}
		values := columns
		for _, id := range []string{"run_id", "attempt_id", "id"} {
			made := fmt.Sprintf("(left(%[1]s::text, 24) || lpad(to_hex(i), 12, '0'))::uuid", id)
			values = strings.ReplaceAll(", "+values+",", ", "+id+",", ", "+made+",")
			values = strings.TrimSuffix(strings.TrimPrefix(values, ", "), ",")
		}
		if _, err := db.ExecContext(b.Context(), fmt.Sprintf("INSERT INTO %[1]s (%[2]s) SELECT %[3]s FROM %[1]s, generate_series(1, %[4]d) AS i ORDER BY i; ANALYZE %[1]s",
			table, columns, values, n)); err != nil {
			b.Fatal(err)
		}
	}
}

// deletedRows closes the store and returns how many rows were deleted, one by one, of what belongs to runs.
func deletedRows(b *testing.B, s *storetest.Store) float64 {
	b.Helper()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for figure(b, s, otherConnectionsSQL) > 0 { // PostgreSQL counts what a connection has deleted once it has ended
		continue
	}
	return figure(b, s, `SELECT SUM(n_tup_del) FROM pg_stat_user_tables
		WHERE relname ~ '^(runs|attempts|manifests|events|outputs|log_chunks)'`)
}
