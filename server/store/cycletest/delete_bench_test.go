package cycletest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// BenchmarkClaimBesideDeletion takes runs of one deployment through, one at a time: with nothing else to do (alone), and
// while another deployment, with 200,000 runs that wait, is deleted and cleared as fast as the sweep can (beside).
func BenchmarkClaimBesideDeletion(b *testing.B) {
	const waiting, claims = 200_000, 300
	s := storetest.PostgreSQL(b, storetest.WallClock)
	Fill(b, s, 1)
	multiply(b, s, waiting)
	if _, err := s.UpdateDeploymentPaused(b.Context(), "d", true, actor); err != nil {
		b.Fatal(err)
	}
	if _, _, err := s.UpsertDeployment(b.Context(), store.Deployment{Name: "other", Pool: "p"}, actor); err != nil {
		b.Fatal(err)
	}
	through99(b, s, claims) // moves what waits out of the way of claims

	var alone float64
	b.Run("beside", func(b *testing.B) {
		var beside float64
		for b.Loop() {
			alone = through99(b, s, claims)
			ctx, cancel := context.WithCancel(b.Context())
			var sweeping sync.WaitGroup
			sweeping.Go(func() {
				err := s.DeleteDeployment(ctx, "d", store.DeleteOptions{Force: true}, actor)
				for err == nil {
					err = s.Sweep(ctx)
				}
				if ctx.Err() == nil {
					b.Error(err)
				}
			})
			beside = through99(b, s, claims)
			cancel()
			sweeping.Wait()
		}
		b.ReportMetric(beside, "p99-sec/op")
	})
	b.Run("alone", func(b *testing.B) { b.ReportMetric(alone, "p99-sec/op") })
}

// through99 makes n runs of the other deployment, one after another, takes each through, and returns the 99th percentile
// of what a claim took, in seconds.
func through99(b *testing.B, s *storetest.Store, n int) float64 {
	b.Helper()
	var took []float64
	for len(took) < n {
		if _, err := s.CreateRuns(b.Context(), "other", make([]store.NewRun, 1), actor); err != nil {
			b.Fatal(err)
		}
		begun := time.Now()
		claims, err := claim(b.Context(), s, workerName(0), 1)
		took = append(took, time.Since(begun).Seconds())
		if err == nil {
			err = Process().report(b.Context(), s, workerName(0), claims)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}
