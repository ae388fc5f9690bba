package tracing_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/berth-dev/berth/internal/otlptest"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
	"github.com/berth-dev/berth/server/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counts are the metrics of a service.
type counts struct {
	mu       sync.Mutex
	ends     map[string]int
	rejected int64
}

func (c *counts) Ends(result string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[result] += n
}

func (c *counts) Rejected(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rejected += n
}

func (c *counts) of(result string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends[result]
}

// serve runs a service as a server does, until the test ends or stop is called.
func serve(t *testing.T, s *storetest.Store) (counted *counts, stop func()) {
	t.Helper()
	counted = &counts{ends: map[string]int{}}
	service, err := tracing.New(t.Context(), tracing.Options{
		Store: s.Store, Version: "test", Counter: counted, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !service.On() {
		t.Fatal("tracing is off")
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return counted, stop
}

// sendingTo configures services for a receiver.
func sendingTo(t *testing.T, r *otlptest.Receiver) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.HTTPURL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
}

// each runs a test on both databases, one after the other: the environment is that of the process.
func each(t *testing.T, test func(*testing.T, *storetest.Store)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { test(t, storetest.SQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, storetest.PostgreSQL(t)) })
}

// pool makes a pool with a deployment.
func pool(t *testing.T, s *storetest.Store) {
	t.Helper()
	_, err := s.CreatePool(t.Context(), store.NewPool{
		Name: "p", Type: "kubernetes", Template: store.TemplateDocument{Document: []byte(`{"version": 1}`)},
	}, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.UpsertDeployment(t.Context(), store.Deployment{Name: "etl", Pool: "p"}, "ada"); err != nil {
		t.Fatal(err)
	}
}

// complete creates runs, which end at once.
func complete(t *testing.T, s *storetest.Store, n int) []uuid.UUID {
	t.Helper()
	if _, err := s.CreateRuns(t.Context(), "etl", make([]store.NewRun, n), "ada"); err != nil {
		t.Fatal(err)
	}
	claims, err := s.Claim(t.Context(), store.ClaimRequest{
		RequestID: uuid.New(), Pool: "p", Worker: "w", ClusterID: "c", Max: n, Lease: time.Minute,
		Session: storetest.SessionOf("p", "w").ID,
	})
	if err != nil || len(claims) != n {
		t.Fatalf("claimed %d runs: %v", len(claims), err)
	}
	var ids []uuid.UUID
	for _, c := range claims {
		lease := store.Lease{AttemptID: c.AttemptID, Epoch: c.Epoch}
		_, err := s.Report(t.Context(), "w", []store.Report{
			{Lease: lease, Kind: store.ReportRunning},
			{Lease: lease, Kind: store.ReportEnded, Outcome: lifecycle.Outcome{Succeeded: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.RunID)
	}
	return ids
}

// spansOfOne is how many spans a run of complete has: the run, its wait, the attempt and its pending, execute and record.
const spansOfOne = 6

func arrived(runs int) func([]otlptest.Span, int) bool {
	return func(spans []otlptest.Span, _ int) bool { return len(spans) >= runs*spansOfOne }
}

// TestSeveralServersSendEachSpanOnce, over both protocols.
func TestSeveralServersSendEachSpanOnce(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			each(t, func(t *testing.T, s *storetest.Store) {
				const runs = 450 // more than a batch, on each server
				receiver := otlptest.New(t)
				sendingTo(t, receiver)
				t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
				t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
				if protocol == "grpc" {
					t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.GRPCURL)
				} else {
					t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=etl")
				}
				pool(t, s)
				first, stopFirst := serve(t, s)
				second, stopSecond := serve(t, s)
				ids := complete(t, s, runs)
				receiver.Await(t, "all spans", arrived(runs))
				stopFirst()
				stopSecond()
				spans := receiver.Spans()
				if len(spans) != runs*spansOfOne {
					t.Errorf("%d spans arrived, want %d", len(spans), runs*spansOfOne)
				}
				seen := map[string]bool{}
				for _, span := range spans {
					if seen[span.TraceID+span.ID] {
						t.Errorf("%s %s arrived twice", span.TraceID, span.Name)
					}
					seen[span.TraceID+span.ID] = true
				}
				root := spans[slices.IndexFunc(spans, func(s otlptest.Span) bool { return s.Name == "RUN etl" })]
				if !slices.ContainsFunc(ids, func(id uuid.UUID) bool { return root.TraceID == hexOf(id) }) {
					t.Errorf("trace %s is that of no run", root.TraceID)
				}
				if root.Resource["service.name"] != "berth" || root.Resource["deployment.environment.name"] != "test" {
					t.Errorf("resource %v", root.Resource)
				}
				if protocol != "grpc" && receiver.Header().Get("X-Team") != "etl" {
					t.Errorf("headers %v", receiver.Header())
				}
				if sum := first.of(tracing.Exported) + second.of(tracing.Exported); sum != runs {
					t.Errorf("%d ends were counted, want %d", sum, runs)
				}
			})
		})
	}
}

func hexOf(id uuid.UUID) string {
	text := id.String()
	return text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
}

// TestWhatAServerLeavesBehindIsSentByAnother: it had taken the spans, and perhaps sent them, but did not say so.
func TestWhatAServerLeavesBehindIsSentByAnother(t *testing.T) {
	each(t, func(t *testing.T, s *storetest.Store) {
		receiver := otlptest.New(t)
		sendingTo(t, receiver)
		pool(t, s)
		_, stop := serve(t, s)
		complete(t, s, 1)
		first := receiver.Await(t, "first spans", arrived(1))
		stop()

		complete(t, s, 1)
		if _, taken, err := s.AcquireTracedEnds(t.Context(), 10, time.Minute); err != nil || len(taken) != 1 {
			t.Fatalf("taken %v, %v", taken, err) // by a server that ends now
		}
		counted, _ := serve(t, s)
		s.Advance(2 * time.Minute)
		both := receiver.Await(t, "the spans of the other", arrived(2))
		if second := both[len(first):]; len(second) != spansOfOne || second[0].TraceID == first[0].TraceID {
			t.Errorf("sent again: %s", otlptest.Text(second))
		}
		if n := counted.of(tracing.Dropped); n != 0 {
			t.Errorf("%d ends were dropped", n)
		}
	})
}

// TestSpansThatAreSentAgainAreEqual, so that a receiver that keeps them by their ID has each once.
func TestSpansThatAreSentAgainAreEqual(t *testing.T) {
	each(t, func(t *testing.T, s *storetest.Store) {
		receiver := otlptest.New(t)
		sendingTo(t, receiver)
		pool(t, s)
		receiver.LoseAnswers(true)
		_, stop := serve(t, s)
		complete(t, s, 1)
		first := receiver.Await(t, "spans", arrived(1))
		receiver.LoseAnswers(false)
		s.Advance(time.Hour)
		second := receiver.Await(t, "spans again", arrived(2))[len(first):]
		stop()
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("spans (-first +second):\n%s", diff)
		}
	})
}

// TestAReceiverThatIsAwayLosesNothing, and one that rejects spans does not get them again.
func TestAReceiverThatIsAwayLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *storetest.Store) {
		receiver := otlptest.New(t)
		sendingTo(t, receiver)
		pool(t, s)
		receiver.SetAway(true)
		counted, stop := serve(t, s)
		complete(t, s, 3)
		receiver.Await(t, "refused request", func(_ []otlptest.Span, n int) bool { return n > 0 })
		receiver.SetAway(false)
		s.Advance(time.Hour) // the delay of the retry
		receiver.Await(t, "all spans", arrived(3))

		receiver.Reject(2)
		complete(t, s, 1)
		receiver.Await(t, "the spans of which some are rejected", arrived(4))
		stop()
		if len(receiver.Spans()) != 4*spansOfOne {
			t.Errorf("%d spans arrived, want %d", len(receiver.Spans()), 4*spansOfOne)
		}
		if counted.of(tracing.Retried) == 0 || counted.of(tracing.Exported) != 4 || counted.rejected != 2 {
			t.Errorf("counted %v and %d rejected", counted.ends, counted.rejected)
		}
	})
}
