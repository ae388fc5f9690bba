package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// createLarge makes a hundred runs with a megabyte of job variables each, which only a database from before their limit
// has.
func (x benched) createLarge(b *testing.B) {
	b.Helper()
	const megabyte = 1 << 20
	large := json.RawMessage(`{"data":"` + strings.Repeat("x", megabyte) + `"}`)
	for range largeRuns {
		if _, err := x.store.CreateRuns(b.Context(), "d", []store.NewRun{{JobVariables: large}}, "ada"); err != nil {
			b.Fatal(err)
		}
	}
}

const largeRuns = 100

// BenchmarkListLargeRuns lists runs with large job variables. answer-B/op is the size of the answer.
func BenchmarkListLargeRuns(b *testing.B) {
	x := bench(b)
	x.createLarge(b)
	size, limit := 0, int32(largeRuns)
	b.ReportAllocs()
	for b.Loop() {
		answer, err := x.admin.ListRunsWithResponse(b.Context(), &api.ListRunsParams{Limit: &limit})
		if err != nil || answer.JSON200 == nil || len(answer.JSON200.Items) != largeRuns {
			b.Fatalf("list runs: %v %.200s", err, answer.Body)
		}
		size = len(answer.Body)
	}
	b.ReportMetric(float64(size), "answer-B/op")
}

// BenchmarkClaimLargeRuns claims runs with large job variables, as many as it gets at once. answer-B/op is the size of the
// largest answer.
func BenchmarkClaimLargeRuns(b *testing.B) {
	x := bench(b)
	hello := store.Worker{Pool: "p", Name: "w", ClusterID: "c"}
	if err := x.store.UpsertWorker(b.Context(), hello, storetest.SessionOf("p", "w").ID); err != nil {
		b.Fatal(err)
	}
	x.createLarge(b)
	largest := 0
	for b.Loop() {
		claims, err := x.claim(b.Context(), "w", largeRuns, 0)
		if err != nil {
			b.Fatal(err)
		}
		if len(claims) == 0 {
			b.Fatal("nothing is left to claim")
		}
		answer, err := json.Marshal(claims)
		if err != nil {
			b.Fatal(err)
		}
		largest = max(largest, len(answer))
		b.StopTimer()
		if err := x.finish(b.Context(), "w", claims); err != nil {
			b.Fatal(err)
		}
		if _, err := x.store.CreateRuns(b.Context(), "d", make([]store.NewRun, 1), "ada"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(largest), "answer-B/op")
}

// BenchmarkRenewBesideStreams renews a lease while one key has fifty streams of runs open, each with another filter, and a
// hundred runs a second are made. One operation is a renewal.
func BenchmarkRenewBesideStreams(b *testing.B) {
	const streams, every = 50, 10 * time.Millisecond
	x := bench(b)
	hello := store.Worker{Pool: "p", Name: "w", ClusterID: "c"}
	if err := x.store.UpsertWorker(b.Context(), hello, storetest.SessionOf("p", "w").ID); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	var open sync.WaitGroup
	for i := range streams {
		open.Add(1)
		beside.Go(func() { x.stream(ctx, b, fmt.Sprint("stream-", i), open.Done) })
	}
	beside.Go(func() {
		for tick := time.NewTicker(every); ctx.Err() == nil; <-tick.C {
			if _, err := x.store.CreateRuns(ctx, "d", make([]store.NewRun, 1), "ada"); err != nil && ctx.Err() == nil {
				b.Error(err)
				return
			}
		}
	})
	open.Wait()

	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		answer, err := x.worker.RenewLeasesWithResponse(ctx, api.RenewRequest{
			Worker: "w", Pool: "p", SessionID: storetest.SessionOf("p", "w").ID, Leases: []api.AttemptLease{},
		})
		if err != nil || answer.JSON200 == nil {
			b.Fatalf("renew: %v %s", err, answer.Body)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)*99/100].Seconds(), "p99-sec/op")
}

// stream reads a stream of the runs with a text in their name, and says when it is open.
func (x benched) stream(ctx context.Context, b *testing.B, text string, opened func()) {
	limit := int32(100)
	answer, err := x.admin.ClientInterface.StreamRuns(ctx, &api.StreamRunsParams{Text: &text, Limit: &limit})
	opened()
	if err != nil {
		b.Error(err)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		b.Errorf("stream: %s", answer.Status)
	}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
	}
}
