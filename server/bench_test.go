package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

const (
	benchWorkers = 4
	benchBatch   = 100
	benchEvery   = 5 * time.Millisecond // 200 runs a second
)

// benched is a server on PostgreSQL with a pool and a deployment, and its database.
type benched struct {
	store         *store.Store
	admin, worker *apiclient.ClientWithResponses

	url, key string // of the admin
	database string // its address
}

func bench(b *testing.B) benched {
	b.Helper()
	database := pgtest.Database(b)
	admin, worker := benchKey(b), benchKey(b)
	address := make(chan server.Address, 1)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Options{
			Listen: "127.0.0.1:0", DatabaseURL: database, Migrate: server.MigrateAuto, Version: "bench",
			Logger:            slog.New(slog.DiscardHandler),
			BootstrapAdminKey: admin, BootstrapWorkerKey: worker, RateLimit: -1,
			EnsurePools: []server.PoolSpec{{Name: "p", Type: "process"}},
			Ready:       func(a server.Address) { address <- a },
		})
	}()
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * benchWorkers}
	b.Cleanup(func() {
		cancel()
		transport.CloseIdleConnections()
		if err := <-ended; err != nil {
			b.Errorf("server: %v", err)
		}
	})
	var url string
	select {
	case a := <-address:
		url = a.URL
	case err := <-ended:
		ended <- nil
		b.Fatalf("the server has not started: %v", err)
	}
	s := expect(store.Open(b.Context(), store.Options{URL: database, MaxConns: 10}))(b)
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	err := s.InTx(b.Context(), func(tx *store.Tx) error {
		_, _, err := tx.UpsertDeployment(b.Context(), store.Deployment{Name: "d", Pool: "p"}, "ada")
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return benched{s, benchClient(b, url, admin, transport), benchClient(b, url, worker, transport), url, admin, database}
}

func expect[T any](v T, err error) func(b testing.TB) T {
	return func(b testing.TB) T {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
}

func benchKey(b *testing.B) string {
	b.Helper()
	return expect(apikey.New())(b).Text
}

func benchClient(b *testing.B, url, key string, transport http.RoundTripper) *apiclient.ClientWithResponses {
	b.Helper()
	return expect(apiclient.NewClientWithResponses(url,
		apiclient.WithHTTPClient(&http.Client{Transport: transport}),
		apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+key)
			return nil
		})))(b)
}

// through has four workers take so many runs to their end; each call takes a batch and says how many there
// were.
func (x benched) through(b *testing.B, batch func(worker string) (int, error)) {
	b.Helper()
	for n := b.N; n > 0; n -= 1000 {
		if _, err := x.store.CreateRuns(b.Context(), "d", make([]store.NewRun, min(n, 1000)),
			"ada"); err != nil {
			b.Fatal(err)
		}
	}
	for i := range benchWorkers {
		hello := store.Worker{Pool: "p", Name: fmt.Sprint("w", i), ClusterID: "c"}
		if err := x.store.UpsertWorker(b.Context(), hello, storetest.SessionOf("p", hello.Name).ID); err != nil {
			b.Fatal(err)
		}
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var workers sync.WaitGroup
	for i := range benchWorkers {
		workers.Go(func() {
			for left.Load() > 0 {
				n, err := batch(fmt.Sprint("w", i))
				if err != nil {
					b.Error(err)
					return
				}
				left.Add(int64(-n))
			}
		})
	}
	workers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
	b.StopTimer()
}

// BenchmarkHTTPCycle takes runs from due to completed over the API, in batches of a hundred by four workers
// that do nothing else. One operation is one run.
func BenchmarkHTTPCycle(b *testing.B) {
	x := bench(b)
	x.through(b, func(worker string) (int, error) {
		claims, err := x.claim(b.Context(), worker, benchBatch, 0)
		if err != nil || len(claims) == 0 {
			return 0, err
		}
		return len(claims), x.finish(b.Context(), worker, claims)
	})
}

// BenchmarkHTTPCycleLimit does the same with the store alone.
func BenchmarkHTTPCycleLimit(b *testing.B) {
	x := bench(b)
	x.through(b, func(worker string) (int, error) {
		claims, err := x.store.Claim(b.Context(), store.ClaimRequest{
			RequestID: uuid.New(), Pool: "p", Worker: worker, ClusterID: "c", Max: benchBatch,
			Lease: time.Minute, Session: storetest.SessionOf("p", worker).ID,
		})
		begun, ended := make([]store.Report, len(claims)), make([]store.Report, len(claims))
		for i, c := range claims {
			lease := store.Lease{AttemptID: c.AttemptID, Epoch: c.Epoch}
			begun[i] = store.Report{Lease: lease, Kind: store.ReportRunning}
			ended[i] = store.Report{Lease: lease, Kind: store.ReportEnded,
				Outcome: lifecycle.Outcome{Succeeded: true}}
		}
		for _, reports := range [][]store.Report{begun, ended} {
			if err == nil && len(reports) > 0 {
				_, err = x.store.Report(b.Context(), worker, reports)
			}
		}
		return len(claims), err
	})
}

func (x benched) claim(ctx context.Context, worker string, most int32, wait int32) ([]api.Claim, error) {
	answer, err := x.worker.ClaimRunsWithResponse(ctx, api.ClaimRequest{
		RequestID: uuid.New(), Pool: "p", Worker: worker, ClusterID: "c", Max: most, WaitSeconds: wait,
		SessionID: storetest.SessionOf("p", worker).ID,
	})
	if err != nil {
		return nil, err
	}
	if answer.JSON200 == nil {
		return nil, fmt.Errorf("claim: %s %s", answer.Status(), answer.Body)
	}
	return answer.JSON200.Claims, nil
}

func (x benched) finish(ctx context.Context, worker string, claims []api.Claim) error {
	yes := true
	begun, ended := make([]api.Report, len(claims)), make([]api.Report, len(claims))
	for i, c := range claims {
		begun[i] = api.Report{AttemptID: c.AttemptID, Epoch: c.Epoch, Kind: api.ReportKindRunning}
		ended[i] = api.Report{AttemptID: c.AttemptID, Epoch: c.Epoch, Kind: api.ReportKindEnded,
			Succeeded: &yes}
	}
	for _, reports := range [][]api.Report{begun, ended} {
		answer, err := x.worker.ReportAttemptsWithResponse(ctx,
			api.ReportRequest{Worker: worker, Pool: "p", Reports: reports})
		if err != nil {
			return err
		}
		if answer.JSON200 == nil {
			return fmt.Errorf("report: %s %s", answer.Status(), answer.Body)
		}
	}
	return nil
}

// BenchmarkHTTPDispatch makes 200 runs a second over the API while four workers wait for them. p50-sec/op and
// p99-sec/op are from due to claimed, as the worker sees it.
func BenchmarkHTTPDispatch(b *testing.B) {
	x := bench(b)
	var mu sync.Mutex
	var waits []time.Duration
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var workers sync.WaitGroup
	for i := range benchWorkers {
		workers.Go(func() {
			worker := fmt.Sprint("w", i)
			for ctx.Err() == nil {
				claims, err := x.claim(ctx, worker, 10, 20)
				at := time.Now()
				if err == nil {
					err = x.finish(ctx, worker, claims)
				}
				if err != nil && ctx.Err() == nil {
					b.Error(err)
					return
				}
				mu.Lock()
				for _, c := range claims {
					waits = append(waits, at.Sub(c.ScheduledTime))
				}
				if len(waits) >= b.N {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	every := time.NewTicker(benchEvery)
	defer every.Stop()
	b.ResetTimer()
	for range b.N {
		<-every.C
		answer, err := x.admin.CreateRunWithResponse(b.Context(), "d", nil, api.RunCreate{})
		if err != nil || answer.JSON201 == nil {
			b.Fatalf("create a run: %v %s", err, answer.Body)
		}
	}
	workers.Wait()
	b.StopTimer()
	slices.Sort(waits)
	b.ReportMetric(waits[len(waits)/2].Seconds(), "p50-sec/op")
	b.ReportMetric(waits[len(waits)*99/100].Seconds(), "p99-sec/op")
}
