package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berth-dev/berth/server/lifecycle"
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
	benchCycleOn(b, s)
}

func benchCycleOn(b *testing.B, s *storetest.Store) {
	ctx := b.Context()
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
					cycle(b, s, name, claims)
					left.Add(-int64(len(claims)))
				}
			}
		})
	}
	workers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

func cycle(b *testing.B, s *storetest.Store, worker string, claims []store.Claim) {
	started, finished := make([]store.Report, len(claims)), make([]store.Report, len(claims))
	for i, c := range claims {
		started[i] = running(c)
		finished[i] = store.Report{
			Lease: leaseOf(c), Kind: store.ReportEnded, Outcome: lifecycle.Outcome{Succeeded: true},
		}
	}
	for _, reports := range [][]store.Report{started, finished} {
		results, err := s.Report(b.Context(), worker, reports)
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
func fill(b *testing.B, s *storetest.Store, n int) {
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

func create(b *testing.B, s *storetest.Store, n int) {
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
