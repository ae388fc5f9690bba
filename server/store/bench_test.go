package store_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

const (
	benchBatch   = 100
	benchWorkers = 4
)

// BenchmarkFullCycle takes runs from due to completed in batches of a hundred, by four workers at once:
// claim, running, ended. One operation is one run.
func BenchmarkFullCycle(b *testing.B) {
	s := storetest.PostgreSQL(b)
	fill(b, s, b.N)
	b.ResetTimer()
	benchCycleOn(b, s, running, succeeded)
}

// BenchmarkKubernetesCycle is BenchmarkFullCycle with all that a Kubernetes worker reports: the manifest is the smallest
// that the examples make.
func BenchmarkKubernetesCycle(b *testing.B) {
	s := storetest.PostgreSQL(b)
	fill(b, s, b.N)
	job := must[[]byte](b)(os.ReadFile("testdata/job.json"))
	benchCycleOn(b, s,
		func(c store.Claim) store.Report {
			manifest := bytes.ReplaceAll(job, []byte("RUN"), []byte(c.RunID.String()))
			return store.Report{Lease: leaseOf(c), Kind: store.ReportManifest, Manifest: manifest}
		},
		submitted,
		func(c store.Claim) store.Report {
			return store.Report{Lease: leaseOf(c), Kind: store.ReportPending, Diagnosis: "pulling image registry/etl:1"}
		},
		running, succeeded)
}

// benchCycleOn also reports the WAL of a run, full-page images included, and what it takes on disk, with indexes.
func benchCycleOn(b *testing.B, s *storetest.Store, reports ...func(store.Claim) store.Report) {
	ctx := b.Context()
	before := wal(b, s)
	defer func() {
		b.ReportMetric((wal(b, s)-before)/float64(b.N), "WAL-B/op")
		b.ReportMetric(disk(b, s)/float64(b.N), "disk-B/op")
	}()
	var left atomic.Int64
	left.Store(int64(b.N))
	var workers sync.WaitGroup
	for i := range benchWorkers {
		workers.Go(func() {
			name := fmt.Sprint("w", i)
			for left.Load() > 0 {
				claims, err := s.Claim(ctx, request("p", name, benchBatch))
				if err != nil {
					b.Error(err)
					return
				}
				if len(claims) > 0 {
					cycle(b, s, name, claims, reports)
					left.Add(-int64(len(claims)))
				}
			}
		})
	}
	workers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
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
		WHERE c.relname IN ('runs', 'attempts', 'events', 'manifests')`)
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

func cycle(
	b *testing.B, s *storetest.Store, worker string, claims []store.Claim, reports []func(store.Claim) store.Report,
) {
	for _, report := range reports {
		all := make([]store.Report, len(claims))
		for i, c := range claims {
			all[i] = report(c)
		}
		results, err := s.Report(b.Context(), worker, all)
		if err != nil {
			b.Error(err)
			return
		}
		for _, r := range results {
			if r.Status != store.ReportAccepted {
				b.Errorf("answered %+v", r)
				return
			}
		}
	}
}

// fill makes n runs that are due.
func fill(b testing.TB, s *storetest.Store, n int) {
	b.Helper()
	ctx := b.Context()
	if _, err := s.CreatePool(ctx, store.NewPool{Name: "p", Type: "kubernetes", Template: store.TemplateDocument{Document: []byte(`{}`)}}, actor); err != nil {
		b.Fatal(err)
	}
	if _, _, err := s.UpsertDeployment(ctx, store.Deployment{Name: "d", Pool: "p"}, actor); err != nil {
		b.Fatal(err)
	}
	create(b, s, n)
}

func create(b testing.TB, s *storetest.Store, n int) {
	b.Helper()
	for ; n > 0; n -= 1000 {
		if _, err := s.CreateRuns(b.Context(), "d", make([]store.NewRun, min(n, 1000)), actor); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBulkCreate creates runs a thousand at a time. One operation is one run.
func BenchmarkBulkCreate(b *testing.B) {
	s := storetest.PostgreSQL(b)
	fill(b, s, 0)
	b.ResetTimer()
	create(b, s, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}
