package server_test

import (
	"net/http"
	"reflect"
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

// TestExplainSaysWhoHoldsTheSlotsWhenItsTurnComesAndWhatHelps has runs behind a limit of one, after two that completed.
func TestExplainSaysWhoHoldsTheSlotsWhenItsTurnComesAndWhatHelps(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", `,"concurrency_limit":1`)
	w := r.newWorker("w1")
	for range 2 {
		r.startRun("etl", `{}`)
		claim := w.claimOne()
		w.begin(claim)
		w.finish(claim, 0, "")
	}
	holder := r.startRun("etl", `{"name":"the holder"}`)
	w.begin(w.claimOne())
	r.startRun("etl", `{"name":"the first"}`)
	last := r.startRun("etl", `{"name":"the last"}`)

	e := r.why(last.ID)
	if len(e.Holders) != 1 || e.HoldersTotal != 1 || e.Holders[0].Run != holder.ID || e.Holders[0].Name != "the holder" ||
		e.Holders[0].Deployment != "etl" || e.Holders[0].Since.IsZero() || e.Holders[0].UsualSeconds == nil {
		t.Errorf("holders: %d of %d, %+v", len(e.Holders), e.HoldersTotal, e.Holders)
	}
	if e.Ahead == nil || *e.Ahead != 1 || e.Eta == nil || e.Eta.To < e.Eta.From {
		t.Errorf("%v ahead, starts in %+v", e.Ahead, e.Eta)
	}
	want := []api.RunAction{
		{Kind: "raise-limit", Target: api.RunActionTarget{Kind: "deployment", Name: "etl"}, Role: api.RoleDeployer, Command: new("berth deploy")},
		{
			Kind: "cancel", Target: api.RunActionTarget{Kind: "run", Name: "the holder", Run: &holder.ID}, Role: api.RoleOperator,
			Command: new("berth run cancel " + holder.ID.String()),
		},
	}
	if !reflect.DeepEqual(e.Actions, want) {
		t.Errorf("actions %+v, want %+v", e.Actions, want)
	}

	page, id := "/runs/"+last.ID.String(), holder.ID.String()
	viewer, operator := r.signedIn(r.makeKey("v", api.RoleViewer)), r.signedIn(r.makeKey("o", api.RoleOperator))
	r.page(page, "Cookie", viewer).is(http.StatusOK).has(`id="run-wait"`, `href="../runs/`+id+`">the holder</a>`, "1 ahead in default",
		"likely to start", "Raise the limit of deployment etl: <code>berth deploy</code>").
		hasNot(`href="../runs/`+id+`/cancel"`, `deployments/etl">Raise`)
	r.page(page, "Cookie", operator).has(`<a href="../runs/` + id + `/cancel" data-dialog>Cancel…<`).hasNot(`deployments/etl">Raise`)
	deployer := r.signedIn(r.makeKey("d", api.RoleDeployer))
	r.page(page, "Cookie", deployer).has(`<a href="../deployments/etl">Raise the limit of deployment etl</a>: <code>berth deploy</code>`)

	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"paused":true,"concurrency_limit":1}`).is(http.StatusOK)
	r.call(http.MethodPatch, "/api/v1/work-pools/local/queues/default", `{"paused":true,"concurrency_limit":1}`).is(http.StatusOK)
	r.call(http.MethodPatch, "/api/v1/deployments/etl", `{"paused":true}`).is(http.StatusOK)
	if e := r.why(last.ID); e.Eta != nil || len(e.Actions) != 7 || e.Actions[0].Kind != "resume" || e.Actions[0].Role != api.RoleEditor {
		t.Errorf("paused: %+v, starts in %+v", e.Actions, e.Eta)
	}
	editor := r.signedIn(r.makeKey("e", api.RoleEditor))
	shown := r.page(page, "Cookie", editor).is(http.StatusOK).hasNot("likely to start")
	for _, address := range []string{
		"pools/local/limit", "pools/local/resume", "pools/local/queues/default/edit", "pools/local/queues/default/resume",
		"deployments/etl/resume",
	} {
		shown.has(`<a href="../` + address + `" data-dialog>`)
		r.page("/"+address, "Cookie", editor).is(http.StatusOK).has(`class="narrow question"`)
	}
	r.page("/runs/"+id, "Cookie", editor).is(http.StatusOK).hasNot(`id="run-wait"`)
	if e := r.why(holder.ID); len(e.Holders)+len(e.Actions) != 0 || e.Ahead != nil || e.Eta != nil {
		t.Errorf("the holder itself: %+v", e)
	}
}

func TestExplainOffersToRunWhatHasFailedAgain(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	run := r.startRun("etl", `{"parameters":{"date":"2026-01-01"}}`)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	w.finish(claim, 3, "")
	want := []api.RunAction{
		{
			Kind: "retry", Target: api.RunActionTarget{Kind: "run", Name: run.Name, Run: &run.ID}, Role: api.RoleOperator,
			Command: new("berth run retry " + run.ID.String()),
		},
		{
			Kind: "run-again", Target: api.RunActionTarget{Kind: "deployment", Name: "etl"}, Role: api.RoleOperator,
			Command: new("berth deployment run etl --param date=2026-01-01"),
		},
	}
	if e := r.why(run.ID); !reflect.DeepEqual(e.Actions, want) {
		t.Errorf("actions %+v, want %+v", e.Actions, want)
	}
	r.page("/runs/"+run.ID.String(), "Cookie", r.signedIn(r.makeKey("v", api.RoleViewer))).is(http.StatusOK).hasNot(`id="run-wait"`)
}
