package cycletest

import (
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// BenchmarkEmptyPoll has workers poll behind a deployment limit of one, which is taken, while 300,000 runs wait. One
// operation is a poll that finds nothing, or twenty workers that wake together.
func BenchmarkEmptyPoll(b *testing.B) {
	const waiting, waking = 300_000, 20
	s := storetest.PostgreSQL(b, storetest.WallClock)
	Fill(b, s, 0)
	one := int32(1)
	limited := store.Deployment{Name: "d", Pool: "p", ConcurrencyLimit: &one}
	if _, _, err := s.UpsertDeployment(b.Context(), limited, actor); err != nil {
		b.Fatal(err)
	}
	Create(b, s, 1)
	multiply(b, s, waiting)
	if claims, err := claim(b.Context(), s, "holding", 1); err != nil || len(claims) != 1 {
		b.Fatalf("claimed %d runs: %v", len(claims), err)
	}
	poll := func(worker string) error {
		claims, err := claim(b.Context(), s, worker, 10)
		if err == nil && len(claims) > 0 {
			err = fmt.Errorf("claimed %d runs over the limit", len(claims))
		}
		return err
	}
	workers := make([]string, waking)
	for i := range workers {
		workers[i] = fmt.Sprint("waking-", i)
		if err := poll(workers[i]); err != nil { // says hello
			b.Fatal(err)
		}
	}

	b.Run("one", func(b *testing.B) {
		reportPolls(b, func() error { return poll(workers[0]) })
	})
	b.Run("last-of-20", func(b *testing.B) {
		reportPolls(b, func() error {
			var all errgroup.Group
			for _, worker := range workers {
				all.Go(func() error { return poll(worker) })
			}
			return all.Wait()
		})
	})
}

// reportPolls polls again and again. cpu-sec/op is what that takes, in the store and in PostgreSQL.
func reportPolls(b *testing.B, poll func() error) {
	b.Helper()
	var took []float64
	before := cpuTime(b)
	for b.Loop() {
		begun := time.Now()
		if err := poll(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun).Seconds())
	}
	b.ReportMetric((cpuTime(b)-before).Seconds()/float64(len(took)), "cpu-sec/op")
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "p50-sec/op")
	b.ReportMetric(took[len(took)*99/100], "p99-sec/op")
}

// multiply copies the one run that waits, n times.
func multiply(b *testing.B, s *storetest.Store, n int) {
	b.Helper()
	db, err := sql.Open("postgres", s.URL)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, table := range []struct{ name, id string }{{"runs", "id"}, {"ready", "run_id"}} {
		var columns string
		if err := db.QueryRowContext(b.Context(), `
			SELECT string_agg(column_name, ', ')
			FROM information_schema.columns
			WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER' AND column_name <> $2`,
			table.name, table.id).Scan(&columns); err != nil {
			b.Fatal(err)
		}
		copied := fmt.Sprintf(`INSERT INTO %[1]s (%[2]s, %[3]s)
			SELECT (lpad(to_hex(i), 12, '0') || '70008' || lpad(to_hex(i), 15, '0'))::uuid, %[3]s
			FROM %[1]s, generate_series(1, $1) AS i`, table.name, table.id, columns)
		if _, err := db.ExecContext(b.Context(), copied, n); err != nil {
			b.Fatal(err)
		}
		if _, err := db.ExecContext(b.Context(), "VACUUM ANALYZE "+table.name); err != nil {
			b.Fatal(err)
		}
	}
}
