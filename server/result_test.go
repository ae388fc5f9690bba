package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// claimKeyed claims one run, with a key for its job.
func (w aWorker) claimKeyed() api.Claim {
	w.t.Helper()
	request := w.claimRequest(1, 20)
	yes := true
	request.JobKeys = &yes
	claims := tell[api.ClaimResponse](w.running, "claim", request).Claims
	if len(claims) != 1 || claims[0].JobKey == nil {
		w.t.Fatalf("claimed %d runs, or no key", len(claims))
	}
	return claims[0]
}

func TestJobKeyIsLimitedToItsRun(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	run, other := r.startRun("etl", `{}`), r.startRun("etl", `{}`)
	w := r.newWorker("w1")
	if plain := w.claimOne(); plain.JobKey != nil || plain.RunID != run.ID {
		t.Fatal("a key was created without a request for one")
	}
	claim := w.claimKeyed()
	path, foreign := "/api/v1/runs/"+other.ID.String(), "/api/v1/runs/"+run.ID.String()
	as := func(method, path, body string) answer {
		t.Helper()
		return r.send(r.request(*claim.JobKey, method, path, body))
	}
	as(http.MethodGet, path+"/result", "").refused(http.StatusNotFound, "not-found")
	as(http.MethodPut, path+"/result", `{"value":{"rows":1e3,"note":"ü"}}`).is(http.StatusOK)
	as(http.MethodPut, path+"/progress", `{"percent":40,"message":"loading"}`).is(http.StatusOK)
	w.begin(claim)
	detail := read[api.RunDetail](as(http.MethodGet, path, "").is(http.StatusOK))
	if string(detail.Result.Value) != `{"rows":1e3,"note":"ü"}` || detail.Result.Attempt != 1 ||
		*detail.Progress.Percent != 40 {
		t.Errorf("got %+v, %+v", detail.Result, detail.Progress)
	}
	for _, refused := range [][3]string{
		{"GET", foreign, ""}, {"PUT", foreign + "/result", `{"value":1}`}, {"PUT", foreign + "/progress", `{"percent":1}`},
		{"GET", path + "/logs", ""}, {"POST", path + "/cancel", ""}, {"GET", "/api/v1/runs", ""}, {"GET", "/api/v1/info", ""},
		{"GET", "/api/v1/variables", ""}, {"POST", "/api/v1/deployments/etl/runs", "{}"}, {"POST", "/api/v1/worker/claim", "{}"},
	} {
		as(refused[0], refused[1], refused[2]).refused(http.StatusForbidden, "forbidden")
	}
	as(http.MethodGet, "/api/v1/runs/"+run.Name, "").refused(http.StatusForbidden, "forbidden")
	as(http.MethodGet, "/api/v1/runs/x", "").refused(http.StatusNotFound, "not-found")
	as(http.MethodPut, path+"/progress", `{"percent":101}`).refused(http.StatusBadRequest, "invalid-body")
	as(http.MethodPut, path+"/result",
		`{"value":"`+strings.Repeat("x", 64<<10)+`"}`).refused(http.StatusRequestEntityTooLarge,
		"body-too-large")
	as(http.MethodPut, path+"/result", `{"value":"`+strings.Repeat("x", 64<<10-2)+`"}`).is(http.StatusOK)

	w.finish(claim, 0, "")
	as(http.MethodPut, path+"/result", `{"value":2}`).refused(http.StatusUnauthorized, "unauthenticated")
	r.call(http.MethodPut, path+"/result", `{"value":2}`).refused(http.StatusConflict, "run-finished")
	wrong := (*claim.JobKey)[:len(*claim.JobKey)-43] + strings.Repeat("A", 43)
	r.send(r.request(wrong, http.MethodGet, path, "")).refused(http.StatusUnauthorized, "unauthenticated")
	if got := read[api.RunResult](r.call(http.MethodGet, path+"/result", "")); len(got.Value) != 64<<10 {
		t.Errorf("the result has %d bytes", len(got.Value))
	}
}

func TestProgressIsStreamed(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	run := r.startRun("etl", `{}`)
	w := r.newWorker("w1")
	claim := w.claimKeyed()
	w.begin(claim)
	s := r.stream(run, "", "")
	s.until(isState(api.RUNNING))
	r.send(r.request(*claim.JobKey, http.MethodPut, "/api/v1/runs/"+run.ID.String()+"/progress",
		`{"percent":40}`)).is(http.StatusOK)
	seen := s.until(func(m message) bool { return m.event == "progress" })
	var told api.RunProgress
	if err := json.Unmarshal([]byte(seen[len(seen)-1].data), &told); err != nil || *told.Percent != 40 {
		t.Errorf("got %s: %v", seen[len(seen)-1].data, err)
	}
	w.finish(claim, 0, "")
	s.until(isEnd)
}
