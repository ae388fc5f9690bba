package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// runOutOfMemory ends an attempt as the kernel does.
func (w aWorker) runOutOfMemory(claim api.Claim) {
	w.t.Helper()
	w.see(claim, api.ReportKindEnded, func(r *api.Report) {
		category, code := api.CategoryOOM, int32(137)
		r.Category, r.ExitCode = &category, &code
	})
}

func TestMemoryIsRaisedForTheNextAttempt(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	r.deploy(
		"hungry",
		`,"job_variables":{"date":"2026-01-01","memory":100},"retries":{"max":1,"oom":{"max":5,"variable":"memory","factor":1.5}}`,
	)
	run := r.startRun("hungry", `{}`)
	w := r.newWorker("w1")
	// 100 × 1.5 × 1.5 is brought to the schema's 256; then there is nothing to raise, and the ordinary budget
	// is drawn on.
	for attempt, want := range []string{`{}`, `{"memory":150}`, `{"memory":225}`, `{"memory":256}`,
		`{"memory":256}`} {
		claim := w.claimOne()
		if got := string(claim.RenderInput.Run); got != want || claim.RunID != run.ID {
			t.Fatalf("attempt %d is given %s, want %s", attempt+1, got, want)
		}
		w.begin(claim)
		w.runOutOfMemory(claim)
	}
	detail := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String(),
		"").is(http.StatusOK))
	if detail.Run.State.Name != "OutOfMemory" || len(detail.Attempts) != 5 ||
		string(detail.Attempts[1].Raised) != `{"memory":150}` {
		t.Errorf("got %+v", detail)
	}
	events := string(r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/events",
		"").is(http.StatusOK).body)
	for _, said := range []string{"out-of-memory retry 1 of 5 with memory raised from 100 to 150",
		"raised from 225 to 256", "retry 1 of 1"} {
		if !strings.Contains(events, said) {
			t.Errorf("the history does not say %q", said)
		}
	}
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/retry", "").is(http.StatusOK)
	if claim := w.claimOne(); string(claim.RenderInput.Run) != `{}` || claim.Attempt != 6 {
		t.Errorf("a retry by hand begins with %s, attempt %d", claim.RenderInput.Run, claim.Attempt)
	}
}

func TestRetryPolicyIsStoredUnchanged(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	const policy = `"retries":{"max":3,"backoff":{"initial_seconds":0.5,"factor":3,"max_seconds":60,"jitter":0.2},"on":[1,75,"deadline"],"infrastructure_max":0,"oom":{"max":2,"variable":"memory","factor":2,"max_value":200}}`
	r.deploy("etl", ","+policy)
	kept := string(r.call(http.MethodGet, "/api/v1/deployments/etl", "").is(http.StatusOK).body)
	for _, part := range []string{`"initial_seconds":0.5`, `"factor":3`, `"max_seconds":60`, `"jitter":0.2`,
		`"on":[1,75,"deadline"]`, `"max_value":200`, `"variable":"memory"`} {
		if !strings.Contains(kept, part) {
			t.Errorf("%s is not in %s", part, kept)
		}
	}
	again := read[api.ApplyResult](r.call(http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"etl","pool":"local",`+policy+`}]}`).is(http.StatusOK))
	if again.Changes[0].Action != api.Unchanged {
		t.Errorf("the same again is %+v", again.Changes[0])
	}
}

func TestApplyReportsAllErrorsAtOnce(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	refused := r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[
		{"name":"a","pool":"local","timeout_seconds":0,"retries":{"max":-1,"on":[0,"evicted"],"backoff":{"initial_seconds":1,"jitter":2}}},
		{"name":"b","pool":"local","tgas":[],"concurrency_limit":-3}]}`)
	refused.refused(http.StatusBadRequest, "invalid-body", "/deployments/0/timeout_seconds",
		"/deployments/0/retries/max", "/deployments/0/retries/on/0", "/deployments/0/retries/on/1",
		"/deployments/0/retries/backoff/jitter", "/deployments/1/tgas", "/deployments/1/concurrency_limit")
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[
		{"name":"a","pool":"local","retries":{"delay_seconds":3,"backoff":{"initial_seconds":9,"max_seconds":1},"oom":{"max":1,"variable":"ram","max_value":"lots"}}}]}`).
		refused(http.StatusUnprocessableEntity, "apply-invalid", "/deployments/0/retries/delay_seconds",
			"/deployments/0/retries/backoff/max_seconds",
			"/deployments/0/retries/oom/variable", "/deployments/0/retries/oom/max_value")
}
