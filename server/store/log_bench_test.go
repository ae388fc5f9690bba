package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/cycletest"
	"github.com/berth-dev/berth/server/store/storetest"
)

const (
	logCall   = 256 << 10 // bytes that a worker sends at once
	logChunks = 4         // of so many attempts
)

// output is what a workload may print: lines with a time, a level and figures that differ.
func output(size int) string {
	var b strings.Builder
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := 0; b.Len() < size; i++ {
		at = at.Add(time.Duration(i*7919%997) * time.Millisecond)
		fmt.Fprintf(&b, "%s INFO loader: batch %d read %d rows from part-%05d.parquet in %d ms\n",
			at.Format(time.RFC3339Nano), i, i*7919%65536, i*31%977, i*131%1999)
	}
	return b.String()[:size]
}

// ingest has four workers send output, each for different attempts. One operation is one call.
func ingest(
	b *testing.B,
	s *storetest.Store,
	send func(worker int, attempts []store.Claim, offset int64, text string) error,
) {
	b.Helper()
	cycletest.Fill(b, s, cycletest.Workers*logChunks)
	text := output(logCall / logChunks)
	var left atomic.Int64
	left.Store(int64(b.N))
	attempts := make([][]store.Claim, cycletest.Workers)
	for i := range attempts {
		attempts[i] = must[[]store.Claim](
			b)(s.Claim(b.Context(), request("p", fmt.Sprint("w", i), logChunks)))
	}
	b.ResetTimer()
	var workers sync.WaitGroup
	for i := range cycletest.Workers {
		workers.Go(func() {
			for offset := int64(0); left.Add(-1) >= 0; offset += int64(len(text)) {
				if err := send(i, attempts[i], offset, text); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	workers.Wait()
	b.ReportMetric(float64(b.N)*logCall/b.Elapsed().Seconds(), "B/s")
}

// BenchmarkLogIngest stores the output of running attempts.
func BenchmarkLogIngest(b *testing.B) {
	s := storetest.PostgreSQL(b, storetest.WallClock)
	ingest(b, s, func(_ int, attempts []store.Claim, offset int64, text string) error {
		chunks := make([]store.LogChunk, len(attempts))
		for i, a := range attempts {
			chunks[i] = store.LogChunk{Lease: leaseOf(a), Offset: offset, Text: text}
		}
		return s.AppendLogs(b.Context(), chunks)
	})
}

// BenchmarkLogIngestLimit copies the same bytes into the same table, in as large transactions by as many
// connections.
func BenchmarkLogIngestLimit(b *testing.B) {
	s := storetest.PostgreSQL(b, storetest.WallClock)
	db := must[*sql.DB](b)(sql.Open("postgres", s.URL))
	defer db.Close()
	now := time.Now()
	ingest(b, s, func(_ int, attempts []store.Claim, offset int64, text string) error {
		tx, err := db.BeginTx(b.Context(), nil)
		if err != nil {
			return err
		}
		statement, err := tx.PrepareContext(b.Context(),
			"COPY log_chunks (attempt_id, byte_offset, at, content) FROM STDIN")
		if err != nil {
			return err
		}
		for _, a := range attempts {
			if _, err := statement.ExecContext(b.Context(), a.AttemptID.String(), offset, now, []byte(text)); err != nil {
				return err
			}
		}
		if _, err := statement.ExecContext(b.Context()); err != nil {
			return err
		}
		if err := statement.Close(); err != nil {
			return err
		}
		return tx.Commit()
	})
}
