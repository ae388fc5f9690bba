package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

func TestBulkCreateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	const path = "/api/v1/deployments/dated/runs/bulk"
	many := func(n int) string {
		items := make([]string, n)
		for i := range items {
			items[i] = fmt.Sprintf(`{"idempotency_key":"k%d","name":"run-%d","job_variables":{"memory":%d}}`,
				i, i, i%200+1)
		}
		return `{"runs":[` + strings.Join(items, ",") + `]}`
	}
	r.call(http.MethodPost, path,
		`{"runs":[{},{"job_variables":{"memory":1000}},{"parameters":[]},{"tags":[""]}]}`).
		refused(http.StatusBadRequest, "invalid-body", "/runs/2/parameters", "/runs/3/tags/0")
	r.call(http.MethodPost, path,
		`{"runs":[{},{"job_variables":{"memory":1000}},{"job_variables":{"mmeory":1}}]}`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/runs/1/job_variables/memory",
			"/runs/2/job_variables/mmeory")
	r.call(http.MethodPost, path, many(1001)).refused(http.StatusBadRequest, "invalid-body", "/runs")
	if n := read[api.RunCounts](r.call(http.MethodGet, "/api/v1/runs/count", "")).Total; n != 0 {
		t.Fatalf("%d runs were made by refused calls", n)
	}
	made := read[api.RunsCreated](r.call(http.MethodPost, path, many(1000)).is(http.StatusOK))
	if made.Created != 1000 || made.Existed != 0 || made.Items[999].Name != "run-999" {
		t.Errorf("created %d, existed %d", made.Created, made.Existed)
	}
	again := read[api.RunsCreated](r.call(http.MethodPost, path, many(1000)).is(http.StatusOK))
	if again.Created != 0 || again.Existed != 1000 || again.Items[7].ID != made.Items[7].ID {
		t.Errorf("again: created %d, existed %d", again.Created, again.Existed)
	}
	r.call(http.MethodPost, path,
		`{"runs":[{},{"idempotency_key":"k1","name":"another"}]}`).refused(http.StatusConflict,
		"idempotency-mismatch")
	counts := read[api.RunCounts](r.call(http.MethodGet, "/api/v1/runs/count?deployment=dated&text=run-99",
		"").is(http.StatusOK))
	if counts.Total != 11 || counts.ByState["SCHEDULED"] != 11 {
		t.Errorf("counted %+v", counts)
	}
}

func TestBulkCancelAndRetry(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	r.deploy("other", "")
	ids := []uuid.UUID{}
	for range 5 {
		ids = append(ids, r.startRun("etl", `{}`).ID)
	}
	r.startRun("other", `{}`)
	var cancelled int
	for cursor := ""; ; {
		body := `{"filter":{"deployment":"etl"},"limit":2` + cursor + `}`
		result := read[api.RunBulkResult](r.call(http.MethodPost, "/api/v1/runs/cancel",
			body).is(http.StatusOK))
		if cancelled += len(result.Done); len(result.Refused) > 0 ||
			result.Done[0].State.Type != api.CANCELLED {
			t.Fatalf("got %+v", result)
		}
		if result.NextCursor == nil {
			break
		}
		cursor = `,"cursor":"` + *result.NextCursor + `"`
	}
	if cancelled != 5 {
		t.Errorf("cancelled %d", cancelled)
	}
	named, err := json.Marshal(map[string]any{"ids": []uuid.UUID{ids[0], uuid.New(), ids[1]}})
	if err != nil {
		t.Fatal(err)
	}
	result := read[api.RunBulkResult](r.call(http.MethodPost, "/api/v1/runs/retry",
		string(named)).is(http.StatusOK))
	if len(result.Done) != 2 || len(result.Refused) != 1 || result.Refused[0].Code != "not-found" {
		t.Errorf("got %+v", result)
	}
	result = read[api.RunBulkResult](r.call(http.MethodPost, "/api/v1/runs/retry",
		`{"filter":{"deployment":"etl"}}`).is(http.StatusOK))
	if len(result.Done) != 0 {
		t.Errorf("retried %d that were cancelled", len(result.Done))
	}
	result = read[api.RunBulkResult](r.call(http.MethodPost, "/api/v1/runs/retry",
		`{"filter":{"deployment":"etl","states":["CANCELLED"]}}`).is(http.StatusOK))
	if len(result.Done) != 3 {
		t.Errorf("retried %d of the others", len(result.Done))
	}
	r.call(http.MethodPost, "/api/v1/runs/cancel", `{}`).refused(http.StatusBadRequest, "invalid-body",
		"/filter")
	r.call(http.MethodPost, "/api/v1/runs/cancel", `{"filter":{}}`).refused(http.StatusBadRequest,
		"invalid-body", "/filter")
}

func TestLimitedKeyListsAndCancelsOnlyRunsOfItsPools(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"theirs","type":"process"}`).is(http.StatusCreated)
	r.deploy("mine", "")
	r.call(http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"theirs","pool":"theirs"}]}`).is(http.StatusOK)
	for range 3 {
		r.startRun("theirs", `{}`)
	}
	own := r.startRun("mine", `{}`)
	key := read[api.APIKeyCreated](r.call(http.MethodPost, "/api/v1/api-keys",
		`{"name":"limited","bindings":[{"role":"operator","pool":"local"}]}`).is(http.StatusCreated)).Secret
	page := read[api.RunList](r.send(r.request(key, http.MethodGet, "/api/v1/runs?limit=1",
		"")).is(http.StatusOK))
	if len(page.Items) != 1 || page.Items[0].ID != own.ID || page.NextCursor != nil {
		t.Errorf("got %+v", page)
	}
	if n := read[api.RunCounts](r.send(r.request(key, http.MethodGet, "/api/v1/runs/count",
		"")).is(http.StatusOK)).Total; n != 1 {
		t.Errorf("counts %d", n)
	}
	result := read[api.RunBulkResult](r.send(r.request(key, http.MethodPost, "/api/v1/runs/cancel",
		`{"filter":{"text":"-"}}`)).is(http.StatusOK))
	if len(result.Done) != 1 || result.Done[0].ID != own.ID {
		t.Errorf("cancelled %+v", result)
	}
}

func TestPausedWorkerClaimsNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	w := r.newWorker("w1")
	r.startRun("etl", `{}`)
	paused := read[api.Worker](r.call(http.MethodPatch, "/api/v1/work-pools/local/workers/w1",
		`{"paused":true}`).is(http.StatusOK))
	if !paused.Paused || !paused.Alive {
		t.Errorf("got %+v", paused)
	}
	if claims := w.claim(1, 0); len(claims) != 0 {
		t.Errorf("claimed %+v", claims)
	}
	r.call(http.MethodPatch, "/api/v1/work-pools/local/workers/w1", `{"paused":false}`).is(http.StatusOK)
	w.claimOne()
	r.call(http.MethodPatch, "/api/v1/work-pools/local/workers/nobody",
		`{"paused":true}`).refused(http.StatusNotFound, "not-found")
	if list := read[api.WorkerList](r.call(http.MethodGet, "/api/v1/workers?alive=false",
		"").is(http.StatusOK)); len(list.Items) != 0 {
		t.Errorf("dead are %+v", list.Items)
	}
}

// listEvents reads a stream of a list, event by event.
func (r *running) listEvents(query, last string) (next func() (name, id, data string), done func()) {
	r.t.Helper()
	request := r.request(r.admin, http.MethodGet, "/api/v1/runs/stream"+query, "")
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	response, err := r.http.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		r.t.Fatalf("status %d", response.StatusCode)
	}
	lines := bufio.NewScanner(response.Body)
	next = func() (name, id, data string) {
		r.t.Helper()
		for lines.Scan() {
			key, text, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case key == "event":
				name = text
			case key == "id":
				id = text
			case key == "data":
				data = text
			case lines.Text() == "" && name != "":
				return name, id, data
			}
		}
		r.t.Fatalf("the stream has ended: %v", lines.Err())
		return "", "", ""
	}
	return next, func() { _ = response.Body.Close() }
}

func TestStreamOfRuns(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	first := r.startRun("etl", `{}`)
	next, done := r.listEvents("?deployment=etl&state=SCHEDULED", "")
	defer done()
	expect := func(name string, holds ...string) string {
		t.Helper()
		got, id, data := next()
		for _, part := range holds {
			if !strings.Contains(data, part) {
				t.Errorf("%s does not hold %s: %s", got, part, data)
			}
		}
		if got != name {
			t.Errorf("got %s, want %s: %s", got, name, data)
		}
		return id
	}
	expect("run", first.ID.String())
	expect("list", first.ID.String())
	second := r.startRun("etl", `{}`)
	expect("run", second.ID.String())
	expect("list", `["`+second.ID.String()+`","`+first.ID.String()+`"]`)
	r.call(http.MethodPost, "/api/v1/runs/"+first.ID.String()+"/cancel", "").is(http.StatusOK)
	last := expect("list", `{"ids":["`+second.ID.String()+`"]}`)
	resumed, end := r.listEvents("?deployment=etl&state=SCHEDULED", last+"000")
	defer end()
	if name, _, data := resumed(); name != "list" || !strings.Contains(data, second.ID.String()) {
		t.Errorf("after a reconnect: %s %s", name, data)
	}
	r.call(http.MethodGet, "/api/v1/runs/stream?deployment=nobody", "").refused(http.StatusNotFound,
		"not-found")
}

// The clock of a server decides nothing about what a reader of a list knows already.
func TestStreamOfRunsWithAWrongServerClock(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.Now = func() time.Time { return time.Now().Add(time.Hour) } })
	r.deploy("etl", "")
	run := r.startRun("etl", `{}`)
	next, done := r.listEvents("?deployment=etl", "")
	if name, _, data := next(); name != "run" {
		t.Fatalf("got %s: %s", name, data)
	}
	if _, id, _ := next(); id == "" {
		t.Fatal("the list has no id")
	} else {
		done()
		r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "").is(http.StatusOK)
		resumed, end := r.listEvents("?deployment=etl", id)
		defer end()
		if name, _, data := resumed(); name != "run" || !strings.Contains(data, "CANCELLED") {
			t.Errorf("after a reconnect: %s %s", name, data)
		}
	}
}

func TestRunsAreFilteredByCauseCreatorScheduleAndAnyTag(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	failed := r.startRun("etl", `{"name":"failed","tags":["a"]}`)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	w.finish(claim, 3, "no\n")
	waiting := read[api.Run](r.send(r.request(r.makeKey("ci", api.RoleOperator), http.MethodPost,
		"/api/v1/deployments/etl/runs", `{"name":"waiting","tags":["b"]}`)).is(http.StatusCreated))
	if waiting.CreatedBy == failed.CreatedBy {
		t.Fatalf("both were created by %q", failed.CreatedBy)
	}

	for query, want := range map[string]string{
		"cause=app":                        "failed",
		"cause=oom":                        "",
		"cause=oom&cause=app":              "failed",
		"created_by=" + waiting.CreatedBy:  "waiting",
		"created_by=nobody":                "",
		"any_tag=a&any_tag=b":              "waiting failed",
		"any_tag=b&any_tag=c":              "waiting",
		"any_tag=a&any_tag=b&tag=a":        "failed",
		"schedule=nightly":                 "",
		"any_tag=a&any_tag=b&cause=app":    "failed",
		"any_tag=b&created_by=nobody":      "",
		"cause=app&state=FAILED&limit=1":   "failed",
		"cause=app&state=SCHEDULED&tag=a":  "",
		"any_tag=b&state=SCHEDULED&text=w": "waiting",
	} {
		var names []string
		for _, run := range read[api.RunList](r.call(http.MethodGet, "/api/v1/runs?"+query, "").is(http.StatusOK)).Items {
			names = append(names, run.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
		if strings.Contains(query, "limit") {
			continue
		}
		count := read[api.RunCounts](r.call(http.MethodGet, "/api/v1/runs/count?"+query, "").is(http.StatusOK))
		if count.Total != int64(len(names)) {
			t.Errorf("%s: %d are counted, %d listed", query, count.Total, len(names))
		}
	}
	r.call(http.MethodGet, "/api/v1/runs?cause=nonsense", "").refused(http.StatusBadRequest, "invalid-parameter")

	cancel := func(filter string) []api.Run {
		return read[api.RunBulkResult](r.call(http.MethodPost, "/api/v1/runs/cancel", `{"filter":`+filter+`}`).
			is(http.StatusOK)).Done
	}
	if done := cancel(`{"any_tags":["a","b"],"created_by":"nobody"}`); len(done) != 0 {
		t.Errorf("cancelled %+v", done)
	}
	if done := cancel(`{"any_tags":["a","b"]}`); len(done) != 1 || done[0].ID != waiting.ID {
		t.Errorf("cancelled %+v, want the run that waits", done)
	}
}
