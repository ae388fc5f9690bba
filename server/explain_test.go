package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
)

// why asks why a run is as it is.
func (r *running) why(run uuid.UUID) api.RunExplanation {
	r.t.Helper()
	return read[api.RunExplanation](r.call(http.MethodGet, "/api/v1/runs/"+run.String()+"/explain",
		"").is(http.StatusOK))
}

func TestExplainOverTheLifeOfARun(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", `,"concurrency_limit":1`)
	first, second := r.startRun("etl", `{}`), r.startRun("etl", `{}`)
	if e := r.why(first.ID); len(e.Reasons) != 1 || e.Reasons[0].Code != "no-worker" || len(e.Next) == 0 {
		t.Errorf("without a worker: %+v", e)
	}
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	e := r.why(second.ID)
	if len(e.Reasons) != 1 || e.Reasons[0].Code != "deployment-full" ||
		!strings.Contains(e.Sentence, first.Name) || e.Run.State.Name != "AwaitingSlot" {
		t.Errorf("behind a limit: %+v", e)
	}
	for path, want := range map[string]string{"/api/v1/runs/" + second.ID.String(): "AwaitingSlot",
		"/api/v1/runs/" + first.ID.String(): "Running"} {
		if got := read[api.RunDetail](r.call(http.MethodGet, path, "")).Run.State.Name; got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	list := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs?state=SCHEDULED", "").is(http.StatusOK))
	if len(list.Items) != 1 || list.Items[0].State.Name != "AwaitingSlot" {
		t.Errorf("listed as %+v", list.Items)
	}
	if e := r.why(first.ID); !strings.HasPrefix(e.Sentence, `it has been running for `) ||
		!strings.Contains(e.Sentence, `worker "w1"`) {
		t.Errorf("while it runs: %+v", e)
	}
	w.finish(claim, 3, "no such table\n")
	if e := r.why(first.ID); !strings.Contains(e.Sentence, "exit code 3") ||
		!strings.Contains(strings.Join(e.Details, "\n"), "| no such table") {
		t.Errorf("after its end: %+v", e)
	}
	if e := r.why(second.ID); len(e.Reasons) != 0 || e.Run.State.Name != "Scheduled" {
		t.Errorf("with the slot free again: %+v", e)
	}
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"theirs","type":"process"}`).is(http.StatusCreated)
	key := read[api.APIKeyCreated](r.call(http.MethodPost, "/api/v1/api-keys",
		`{"name":"k","bindings":[{"role":"viewer","pool":"theirs"}]}`).is(http.StatusCreated)).Secret
	if got := r.send(r.request(key, http.MethodGet, "/api/v1/runs/"+first.ID.String()+"/explain",
		"")); got.status != http.StatusForbidden && got.status != http.StatusNotFound {
		t.Errorf("a key of another pool: %d %s", got.status, got.body)
	}
	r.call(http.MethodGet, "/api/v1/runs/"+uuid.NewString()+"/explain", "").refused(http.StatusNotFound,
		"not-found")
}
