package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

const freeTemplate = `{"variables":{"properties":{
		"image":{"type":"string"},"env":{"type":"object"},"args":{"type":"array"},"resources":{"type":"object"}}},
	"job_configuration":{"env":"{{ env }}","job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{
		"spec":{"containers":[{"name":"job","image":"{{ image }}","args":"{{ args }}",
			"command":["run","{{ toJson .resources }}"]}]}}}}}}`

// failedRun creates a run and lets it fail.
func (w aWorker) failedRun(deployment, body string) api.Run {
	w.t.Helper()
	run := w.startRun(deployment, body)
	claim := w.claimOne()
	w.begin(claim)
	w.finish(claim, 1, "")
	return run
}

func (r *running) history(run api.Run) string {
	r.t.Helper()
	return string(r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/events", "").is(http.StatusOK).body)
}

func TestARetryIsHeldToWhatTheDeploymentHasFrozenSince(t *testing.T) {
	t.Parallel()
	r := withFreeTemplate(t)
	w := r.newWorker("w")
	const values = `,"job_variables":{"image":"a:%s","env.MODE":"%s"},"parameters":{"opts":{"mode":"%[2]s"},"day":"x"}`
	r.deploy("etl", fmt.Sprintf(values, "1", "old"))
	plain := w.failedRun("etl", `{"parameters":{"day":"tuesday"},"job_variables":{"env.OTHER":"1"}}`)
	overriding := []api.Run{
		w.failedRun("etl", `{"job_variables":{"env.MODE":"mine"}}`),
		w.failedRun("etl", `{"job_variables":{"env":[{"name":"MODE","value":"mine"}]}}`),
		w.failedRun("etl", `{"job_variables":{"env":{"MODE":null}}}`),
		w.failedRun("etl", `{"job_variables":{"image":"b:1"}}`),
		w.failedRun("etl", `{"parameters":{"opts":{"mode":"mine"}}}`),
		w.failedRun("etl", `{"parameters":{"opts":"x"}}`),
		w.failedRun("etl", `{"parameters":{"opts.mode":"mine"}}`),
	}
	r.deploy("etl", fmt.Sprintf(values, "2", "safe")+
		`,"frozen":{"job_variables":["image","env.MODE"],"parameters":["opts.mode"]}`)

	for i, run := range overriding {
		document := r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/retry", "").
			refused(http.StatusUnprocessableEntity, "frozen")
		if !strings.Contains(*document.Detail, "cannot be retried with its values") {
			t.Errorf("run %d: %s", i, *document.Detail)
		}
	}
	bulk := read[api.RunBulkResult](r.call(http.MethodPost, "/api/v1/runs/retry",
		`{"filter":{"deployment":"etl"}}`).is(http.StatusOK))
	if len(bulk.Done) != 1 || bulk.Done[0].ID != plain.ID || len(bulk.Refused) != len(overriding) ||
		bulk.Refused[0].Code != "frozen" {
		t.Fatalf("bulk retry: %+v", bulk)
	}

	claim := w.claimOne()
	if got := string(claim.RenderInput.Frozen); got != `{"/env/MODE":"safe","image":"a:2"}` {
		t.Errorf("frozen job variables of the new attempt: %s", got)
	}
	if got := string(claim.Parameters); got != `{"day":"tuesday","opts":{"mode":"safe"}}` {
		t.Errorf("parameters of the new attempt: %s", got)
	}
	const note = `attempt 2 takes what deployment \"etl\" freezes now: job variable \"image\", ` +
		`job variable \"env.MODE\", parameter \"opts.mode\"`
	if events := r.history(plain); !strings.Contains(events, note) {
		t.Errorf("the history does not say so: %s", events)
	}
}

func withFreeTemplate(t *testing.T) *running {
	t.Helper()
	r := start(t)
	r.saveTemplate(freeTemplate, "").is(http.StatusOK)
	return r
}

func TestARunThatWaitsIsHeldToWhatIsFrozenMeanwhile(t *testing.T) {
	t.Parallel()
	r := withFreeTemplate(t)
	r.deploy("etl", `,"job_variables":{"image":"a:1"},"parameters":{"mode":"old"}`)
	asks := r.startRun("etl", `{"parameters":{"mode":"mine"}}`)
	asksVariable := r.startRun("etl", `{"job_variables":{"image":"mine"}}`)
	takes := r.startRun("etl", `{}`)
	r.deploy("etl", `,"job_variables":{"image":"a:1"},"parameters":{"mode":"safe"},`+
		`"frozen":{"parameters":["mode"],"job_variables":["image"]}`)

	w := r.newWorker("w")
	claims := w.claim(3, 0)
	if len(claims) != 1 || claims[0].RunID != takes.ID || string(claims[0].Parameters) != `{"mode":"safe"}` {
		t.Fatalf("claimed %+v", claims)
	}
	for _, run := range []api.Run{asks, asksVariable} {
		ended := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String(), "").is(http.StatusOK))
		if ended.Run.State.Type != api.FAILED || !strings.Contains(*ended.Run.State.Message, "has frozen another value") {
			t.Errorf("got %+v", ended.Run.State)
		}
	}
}

func TestAClaimedAttemptKeepsItsValuesWhenTheyAreFrozen(t *testing.T) {
	t.Parallel()
	r := withFreeTemplate(t)
	w := r.newWorker("w")
	r.deploy("etl", `,"job_variables":{"image":"a:1"},"parameters":{"mode":"old"}`)
	r.startRun("etl", `{}`)
	request := w.claimRequest(1, 0)
	first := tell[api.ClaimResponse](r, "claim", request).Claims[0]
	r.deploy("etl", `,"job_variables":{"image":"a:2"},"parameters":{"mode":"safe"},`+
		`"frozen":{"parameters":["mode"],"job_variables":["image"]}`)
	again := tell[api.ClaimResponse](r, "claim", request).Claims[0]
	if string(again.Parameters) != string(first.Parameters) ||
		string(again.RenderInput.Frozen) != string(first.RenderInput.Frozen) {
		t.Errorf("claimed %s and %s, again %s and %s", first.Parameters, first.RenderInput.Frozen,
			again.Parameters, again.RenderInput.Frozen)
	}
}

func TestARetryIsHeldToWhatTheTemplateHasFrozenSince(t *testing.T) {
	t.Parallel()
	r := withFreeTemplate(t)
	w := r.newWorker("w")
	r.deploy("etl", `,"job_variables":{"image":"a:1"}`)
	run := w.failedRun("etl", `{"job_variables":{"resources":{"cpu":9}}}`)
	r.saveTemplate(`{"frozen":{"resources.cpu":1},`+strings.TrimPrefix(freeTemplate, "{"), "").is(http.StatusOK)
	document := r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/retry", "").
		refused(http.StatusUnprocessableEntity, "frozen", "/job_variables/resources/cpu")
	if !strings.Contains(*document.Detail, `"resources.cpu" is frozen by the template`) {
		t.Error(*document.Detail)
	}
}

func TestFrozenNamesHoldInEveryFormOfAValue(t *testing.T) {
	t.Parallel()
	r := withFreeTemplate(t)
	r.deploy("etl", `,"job_variables":{"image":"a:1","env":[{"name":"MODE","value":"safe"}],`+
		`"args":["--safe","x"],"resources":{"limits":{"cpu":2,"a.b/c":1},"requests":{"cpu":1}}},`+
		`"parameters":{"opts":{"mode":"safe","deep":{"n":1}},"list":[{"a":1},2]},`+
		`"frozen":{"job_variables":["env.MODE","args.0","resources.limits.cpu","/resources/limits/a.b~1c"],`+
		`"parameters":["opts.mode","list.0.a"]}`)
	for _, body := range []string{
		`{"job_variables":{"env":{"MODE":"x"}}}`,
		`{"job_variables":{"env.MODE":"x"}}`,
		`{"job_variables":{"env":[{"name":"MODE","value":"x"}]}}`,
		`{"job_variables":{"env":{"MODE":null}}}`,
		`{"job_variables":{"env":[{"name":"MODE","value":"safe"},{"name":"MODE","value":"x"}]}}`,
		`{"job_variables":{"args":["--unsafe"]}}`,
		`{"job_variables":{"args":[]}}`,
		`{"job_variables":{"args":null}}`,
		`{"job_variables":{"resources":{"limits":{"cpu":4}}}}`,
		`{"job_variables":{"resources.limits.cpu":4}}`,
		`{"job_variables":{"resources.limits":{"cpu":4}}}`,
		`{"job_variables":{"resources":null}}`,
		`{"job_variables":{"resources":{"limits":null}}}`,
		`{"job_variables":{"resources":{"limits":{"cpu":null}}}}`,
		`{"job_variables":{"resources":{"limits":{"a.b/c":2}}}}`,
		`{"parameters":{"opts":{"mode":"x"}}}`,
		`{"parameters":{"opts":null}}`,
		`{"parameters":{"opts":[]}}`,
		`{"parameters":{"opts.mode":"x"}}`,
		`{"parameters":{"list":[{"a":2}]}}`,
		`{"parameters":{"list":[]}}`,
	} {
		r.call(http.MethodPost, "/api/v1/deployments/etl/runs", body).
			refused(http.StatusUnprocessableEntity, "frozen")
		r.call(http.MethodPost, "/api/v1/deployments/etl/runs/bulk", `{"runs":[`+body+`]}`).
			refused(http.StatusUnprocessableEntity, "frozen")
	}
	w := r.newWorker("w")
	for body, want := range map[string]string{
		`{"parameters":{"opts":{"x":1}}}`:              `{"list":[{"a":1},2],"opts":{"mode":"safe","x":1}}`,
		`{"parameters":{"opts":{"mode":"safe"}}}`:      `{"list":[{"a":1},2],"opts":{"mode":"safe"}}`,
		`{"parameters":{"list":[{"b":2}]}}`:            `{"list":[{"a":1,"b":2}],"opts":{"mode":"safe","deep":{"n":1}}}`,
		`{"job_variables":{"env":{"OTHER":"1"}}}`:      `{"list":[{"a":1},2],"opts":{"mode":"safe","deep":{"n":1}}}`,
		`{"job_variables":{"resources.limits.m":1}}`:   `{"list":[{"a":1},2],"opts":{"mode":"safe","deep":{"n":1}}}`,
		`{"job_variables":{"args":["--safe","more"]}}`: `{"list":[{"a":1},2],"opts":{"mode":"safe","deep":{"n":1}}}`,
	} {
		r.startRun("etl", body)
		if claim := w.claimOne(); string(claim.Parameters) != want {
			t.Errorf("%s: parameters are %s, want %s", body, claim.Parameters, want)
		}
	}
}

func TestAFrozenNameWithoutAValueIsAFinding(t *testing.T) {
	t.Parallel()
	r := withFreeTemplate(t)
	document := r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"etl","pool":"local",`+
		`"job_variables":{"env.MODE":"x"},"parameters":{"opts":{"mode":1}},`+
		`"frozen":{"job_variables":["env.MOED","ENV.mode"],"parameters":["opts.mod"]}}]}`).
		refused(http.StatusUnprocessableEntity, "frozen", "/deployments/0/frozen/job_variables/0",
			"/deployments/0/frozen/job_variables/1", "/deployments/0/frozen/parameters/0")
	if m := (*document.Errors)[0].Message; !strings.Contains(m, `did you mean "env.MODE"?`) {
		t.Error(m)
	}
}

func TestWhoFreezesAndThawsIsInTheAudit(t *testing.T) {
	t.Parallel()
	r := withFreeTemplate(t)
	frozen := `{"frozen":{"resources.cpu":1,"image":"a:1"},` + strings.TrimPrefix(freeTemplate, "{")
	r.saveTemplate(frozen, "").is(http.StatusOK)
	r.saveTemplate(strings.Replace(frozen, `,"image":"a:1"`, "", 1), "").is(http.StatusOK)
	page := read[api.AuditList](r.call(http.MethodGet, "/api/v1/audit?kind=template", "").is(http.StatusOK))
	thaw, frost := page.Items[0].Changes, page.Items[1].Changes
	has := func(changes []api.AuditChange, field string, before, after bool) bool {
		return slices.ContainsFunc(changes, func(c api.AuditChange) bool {
			return c.Field == field && (c.Before != nil) == before && (c.After != nil) == after
		})
	}
	if !has(frost, "frozen.image", false, true) || !has(frost, "frozen.resources.cpu", false, true) ||
		!has(thaw, "frozen.image", true, false) || has(thaw, "frozen.resources.cpu", true, true) {
		t.Errorf("frozen: %+v\nthawed: %+v", frost, thaw)
	}
}
