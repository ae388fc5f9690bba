package server_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/api"
)

// async runs a call that waits, and hands its result over.
func async[T any](call func() T) <-chan T {
	result := make(chan T, 1)
	go func() { result <- call() }()
	return result
}

func await[T any](t *testing.T, result <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-result:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %s", what, patience)
		panic("unreachable")
	}
}

func TestNewRunEndsAWaitingClaim(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	w := r.newWorker("w1")
	claims := async(func() []api.Claim { return w.claim(1, 30) })
	run := r.startRun("hello", `{}`)
	if got := await(t, claims, "the waiting claim"); len(got) != 1 || got[0].RunID != run.ID {
		t.Errorf("claimed %+v, want run %s", got, run.ID)
	}
}

// TestAClaimIsTimedFromWhenItWasPossible: what a pause or a limit held up is not the server's time.
func TestAClaimIsTimedFromWhenItWasPossible(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	pause := func(body string) {
		r.call(http.MethodPatch, "/api/v1/work-pools/local/queues/default", body).is(http.StatusOK)
	}
	pause(`{"paused":true}`)
	r.startRun("hello", `{}`)
	first := r.newWorker("w1")
	claims := async(func() []api.Claim { return first.claim(1, 30) })
	if got := r.newWorker("w2").claim(1, 2); len(got) != 0 { // two seconds in which the first waits
		t.Fatalf("claimed %+v of a queue that is paused", got)
	}
	resumed := time.Now()
	pause(`{"paused":false}`)
	if got := await(t, claims, "the waiting claim"); len(got) != 1 {
		t.Fatalf("claimed %+v", got)
	}
	most := time.Since(resumed).Seconds()
	metrics := string(r.call(http.MethodGet, "/metrics", "").is(http.StatusOK).body)
	sum := regexp.MustCompile(`berth_run_claim_seconds_sum{pool="local"} (\S+)`).FindStringSubmatch(metrics)
	if sum == nil {
		t.Fatal("no claim is timed")
	}
	if took, err := strconv.ParseFloat(sum[1], 64); err != nil || took > most {
		t.Errorf("the claim took %s s (%v), and was possible for %.3f s", sum[1], err, most)
	}
}

func TestCancelEndsAWaitingClaim(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	request := w.claimRequest(0, 30)
	leases := []api.AttemptLease{{AttemptID: claim.AttemptID, Epoch: claim.Epoch}}
	waiting := async(func() api.ClaimResponse { return tell[api.ClaimResponse](r, "claim", request) })
	cancelling := read[api.Run](r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel",
		"").is(http.StatusOK))
	if cancelling.State.Type != api.CANCELLING {
		t.Errorf("the run is %s", cancelling.State.Type)
	}
	got := await(t, waiting, "the waiting claim")
	if len(got.Cancels) != 1 || got.Cancels[0] != claim.AttemptID || got.CancelsAt == nil {
		t.Fatalf("got %+v, want a cancel of %s", got, claim.AttemptID)
	}
	request.CancelsAfter, request.WaitSeconds = got.CancelsAt, 0
	if again := tell[api.ClaimResponse](r, "claim", request); len(again.Cancels) != 0 || again.CancelsAt != nil {
		t.Errorf("what the worker knows is told again: %+v", again)
	}
	renewed := tell[api.RenewResponse](r, "leases",
		api.RenewRequest{Worker: "w1", Pool: "local", SessionID: w.session(), Leases: leases})
	if len(renewed.Cancels) != 1 || len(renewed.Lost) != 0 {
		t.Errorf("got %+v", renewed)
	}
	w.see(claim, api.ReportKindEnded,
		func(r *api.Report) { category := api.CategoryCancelled; r.Category = &category })
	if got := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String(),
		"")); got.Run.State.Type != api.CANCELLED {
		t.Errorf("the run is %s", got.Run.State.Type)
	}
}

func TestClaimWithoutRunsReturnsAfterItsWait(t *testing.T) {
	t.Parallel()
	r := start(t)
	w := r.newWorker("w1")
	if got := w.claim(5, 0); len(got) != 0 {
		t.Errorf("claimed %+v", got)
	}
	if got := w.claim(5, 1); len(got) != 0 {
		t.Errorf("claimed %+v", got)
	}
}

func TestStoppingTheServerEndsWaitingClaims(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	r := start(t, on(url))
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := r.newWorker("w1")
	// The server notes that a worker is alive when its claim is there and the last note is a while ago.
	if _, err := db.ExecContext(t.Context(), "UPDATE worker_sessions SET seen_at = 'epoch'"); err != nil {
		t.Fatal(err)
	}
	claims := async(func() []api.Claim { return w.claim(1, 30) })
	for seen, deadline := false, time.Now().Add(patience); !seen; {
		const seenSQL = "SELECT seen_at > 'epoch' FROM worker_sessions"
		if err := db.QueryRowContext(t.Context(), seenSQL).Scan(&seen); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the claim has not arrived")
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if got := await(t, claims, "the waiting claim"); len(got) != 0 {
		t.Errorf("claimed %+v", got)
	}
}

func TestRepeatedClaimGetsTheSameResponse(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	r.startRun("hello", `{}`)
	r.startRun("hello", `{}`)
	w := r.newWorker("w1")
	request := w.claimRequest(1, 5)
	first, again := tell[api.ClaimResponse](r, "claim", request), tell[api.ClaimResponse](r, "claim", request)
	if len(first.Claims) != 1 || len(again.Claims) != 1 ||
		first.Claims[0].AttemptID != again.Claims[0].AttemptID ||
		first.Claims[0].Epoch != again.Claims[0].Epoch {
		t.Errorf("got %+v, then %+v", first, again)
	}
}

func TestInvalidProtocolRequestsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	hello := func(change func(*api.WorkerHello)) api.WorkerHello {
		h := api.WorkerHello{Protocol: 1, Pool: "local", Worker: "w", Type: api.Process, ClusterID: "here", SessionID: uuid.New(),
			Version: "v"}
		change(&h)
		return h
	}
	tests := []struct {
		name, path string
		body       any
		status     int
		code       string
	}{
		{
			"another protocol", "hello", hello(func(h *api.WorkerHello) { h.Protocol = 2 }), 400,
			"protocol-unsupported",
		},
		{
			"another type", "hello", hello(func(h *api.WorkerHello) { h.Type = api.Kubernetes }), 409,
			"conflict",
		},
		{
			"an unknown pool", "hello", hello(func(h *api.WorkerHello) { h.Pool = "nowhere" }), 404,
			"not-found",
		},
		{"no name", "hello", hello(func(h *api.WorkerHello) { h.Worker = "" }), 400, "invalid-body"},
		{"no session", "hello", hello(func(h *api.WorkerHello) { h.SessionID = uuid.Nil }), 400, "invalid-body"},
		{"no hello", "claim",
			api.ClaimRequest{RequestID: uuid.New(), Pool: "local", Worker: "w", ClusterID: "here", SessionID: uuid.New()},
			404, "session-unknown"},
		{"no session to renew", "leases", api.RenewRequest{Pool: "local", Worker: "w"}, 400, "invalid-body"},
		{"no cluster", "hello", hello(func(h *api.WorkerHello) { h.ClusterID = "" }), 400, "invalid-body"},
		{
			"too many at once", "claim",
			api.ClaimRequest{RequestID: uuid.New(), Pool: "local", Worker: "w", ClusterID: "here", Max: 1001, SessionID: uuid.New()},
			400, "invalid-body",
		},
		{
			"less than none", "claim",
			api.ClaimRequest{RequestID: uuid.New(), Pool: "local", Worker: "w", ClusterID: "here", Max: -1, SessionID: uuid.New()},
			400, "invalid-body",
		},
		{
			"too many reports", "reports",
			api.ReportRequest{Pool: "local", Worker: "w", Reports: make([]api.Report, 1001)}, 400,
			"invalid-body",
		},
		{
			"output before the beginning", "logs", api.LogAppend{Chunks: []api.LogAppendChunk{{Offset: -1}}},
			400, "invalid-body",
		},
		{"a wrong type of a field", "claim", map[string]any{"max": "many"}, 400, "invalid-body"},
		{"a number beyond its bounds", "claim", map[string]any{"max": 1 << 40}, 400, "invalid-body"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := r.send(r.request(r.worker, http.MethodPost, "/api/v1/worker/"+test.path,
				encode(t, test.body)))
			answer.t = t
			answer.refused(test.status, test.code)
		})
	}
}

func TestFieldsOfNewerWorkersAreIgnored(t *testing.T) {
	t.Parallel()
	r := start(t)
	body := encode(t, api.WorkerHello{Protocol: 1, Pool: "local", Worker: "w", Type: api.Process,
		SessionID: uuid.New(), ClusterID: "here", Version: "v"})
	body = strings.TrimSuffix(body, "}") + `,"invented":{"later":true}}`
	r.send(r.request(r.worker, http.MethodPost, "/api/v1/worker/hello", body)).is(http.StatusOK)
}

func TestReportsOfUnheldAttemptsAreAnsweredIndividually(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	r.startRun("hello", `{}`)
	w := r.newWorker("w1")
	claim := w.claimOne()
	results := w.report(
		api.Report{AttemptID: uuid.New(), Epoch: 1, Kind: api.ReportKindRunning},
		api.Report{AttemptID: claim.AttemptID, Epoch: claim.Epoch + 1, Kind: api.ReportKindRunning},
		api.Report{AttemptID: claim.AttemptID, Epoch: claim.Epoch, Kind: "invented"},
		api.Report{AttemptID: claim.AttemptID, Epoch: claim.Epoch, Kind: api.ReportKindManifest,
			Manifest: []byte(`{}`)},
	)
	for i, want := range []api.ReportResultStatus{"unknown", "stale", "invalid", "accepted"} {
		if results[i].Status != want {
			t.Errorf("report %d: %+v, want %s", i, results[i], want)
		}
	}
	uid := "other"
	found := tell[api.AttemptLookupResult](r, "attempts",
		api.AttemptLookup{Pool: "local", ClusterID: "here", Jobs: []api.AttemptRef{
			{RunID: claim.RunID, Attempt: 1}, {RunID: uuid.New(), Attempt: 1, JobUID: &uid},
		}})
	if len(found.Jobs) != 2 || found.Jobs[0].Status != "active" || found.Jobs[1].Status != "unknown" {
		t.Errorf("got %+v", found)
	}
}

func TestOutputAboveTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	for _, offset := range []string{"-1", "9223372036854775807"} {
		body := fmt.Sprintf(`{"chunks":[{"attempt_id":%q,"epoch":%d,"offset":%s,"text":"lost"}]}`,
			claim.AttemptID, claim.Epoch, offset)
		r.send(r.request(r.worker, http.MethodPost, "/api/v1/worker/logs",
			body)).refused(http.StatusBadRequest, "invalid-body", "/chunks/0/offset")
	}
	w.write(claim, 0, "kept\n")
	if got := string(r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/logs",
		"").body); got != "kept\n" {
		t.Errorf("the output is %q", got)
	}
}
