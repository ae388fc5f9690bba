package cycletest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

const (
	// Batch is how many runs a worker claims, and reports, at once.
	Batch = 100
	// Workers claim and report beside each other.
	Workers = 4

	lease       = time.Minute
	createBatch = 1000
	actor       = "ada"
)

// Fill makes a work pool with a deployment, and n runs that are due.
func Fill(t testing.TB, s *storetest.Store, n int) {
	t.Helper()
	pool := store.NewPool{Name: "p", Type: "kubernetes", Template: store.TemplateDocument{Document: []byte(`{}`)}}
	if _, err := s.CreatePool(t.Context(), pool, actor); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.UpsertDeployment(t.Context(), store.Deployment{Name: "d", Pool: "p"}, actor); err != nil {
		t.Fatal(err)
	}
	for i := range Workers {
		w := store.Worker{Name: workerName(i), Pool: "p", ClusterID: "c"}
		if err := s.UpsertWorker(t.Context(), w, storetest.SessionOf("p", w.Name).ID); err != nil {
			t.Fatal(err)
		}
	}
	Create(t, s, n)
}

func workerName(i int) string { return fmt.Sprint("w", i) }

// Create makes n more runs that are due.
func Create(t testing.TB, s *storetest.Store, n int) {
	t.Helper()
	for ; n > 0; n -= createBatch {
		if _, err := s.CreateRuns(t.Context(), "d", make([]store.NewRun, min(n, createBatch)), actor); err != nil {
			t.Fatal(err)
		}
	}
}

// Run takes n runs from due to completed.
func (p Path) Run(ctx context.Context, s *storetest.Store, n int) error {
	var left atomic.Int64
	left.Store(int64(n))
	workers, ctx := errgroup.WithContext(ctx)
	for i := range Workers {
		workers.Go(func() error {
			for left.Load() > 0 {
				claims, err := claim(ctx, s, workerName(i), Batch)
				if err == nil {
					err = p.report(ctx, s, workerName(i), claims)
				}
				if err != nil {
					return err
				}
				left.Add(-int64(len(claims)))
			}
			return nil
		})
	}
	return workers.Wait()
}

func claim(ctx context.Context, s *storetest.Store, worker string, most int) ([]store.Claim, error) {
	return s.Claim(ctx, store.ClaimRequest{
		RequestID: uuid.New(), Pool: "p", Worker: worker, ClusterID: "c", Max: most, Lease: lease,
		Session: storetest.SessionOf("p", worker).ID,
	})
}

func (p Path) report(ctx context.Context, s *storetest.Store, worker string, claims []store.Claim) error {
	for i := range p {
		if err := p.step(ctx, s, worker, i, claims); err != nil {
			return err
		}
	}
	return nil
}

// step makes one report of each attempt, in one call.
func (p Path) step(ctx context.Context, s *storetest.Store, worker string, i int, claims []store.Claim) error {
	if len(claims) == 0 {
		return nil
	}
	reports := make([]store.Report, len(claims))
	for j, c := range claims {
		reports[j] = p[i](c)
	}
	results, err := s.Report(ctx, worker, reports)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Status != store.ReportAccepted {
			return fmt.Errorf("report %d was answered %s: %s", i, r.Status, r.Message)
		}
	}
	return nil
}
