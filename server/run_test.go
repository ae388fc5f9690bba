package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

func TestRunFromEndToEnd(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPut, "/api/v1/variables/greeting", `{"value":"hello"}`).is(http.StatusOK)
	r.deploy(
		"hello",
		`,"parameters":{"name":"nobody","loud":false},"job_variables":{"env":{"GREETING":"{{ berth.variables.greeting }}"}},"tags":["t1"]`,
	)
	run := r.startRun("hello", `{"parameters":{"name":"world"},"tags":["t2"],"name":"first"}`)
	if got := string(run.Parameters); got != `{"loud":false,"name":"world"}` {
		t.Errorf("parameters are %s", got)
	}
	if run.State.Type != api.SCHEDULED || run.Name != "first" || run.CreatedBy != "bootstrap-admin" ||
		len(run.Tags) != 2 {
		t.Errorf("got %+v", run)
	}

	w := r.newWorker("w1")
	claim := w.claimOne()
	if claim.RunID != run.ID || claim.Attempt != 1 || claim.LeaseSeconds != 30 || claim.Takeover ||
		claim.Cancelling {
		t.Errorf("got %+v", claim)
	}
	if got := string(claim.RenderInput.Stored); got != `{"greeting":"hello"}` {
		t.Errorf("stored variables are %s", got)
	}
	version := read[api.TemplateVersion](r.send(r.request(r.worker, http.MethodGet,
		"/api/v1/worker/templates/"+claim.TemplateVersionID.String(), "")).is(http.StatusOK))
	if version.Version != claim.TemplateVersion || len(version.Document) == 0 {
		t.Errorf("got %+v", version)
	}
	w.begin(claim)
	w.write(claim, 0, "hello ")
	w.write(claim, 0, "hello ") // sent again after a lost answer
	w.write(claim, 6, "world\n")
	w.finish(claim, 0, "hello world\n")

	detail := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String(),
		"").is(http.StatusOK))
	if detail.Run.State.Type != api.COMPLETED || *detail.Run.ExitCode != 0 || len(detail.Attempts) != 1 ||
		detail.Attempts[0].Phase != "ended" {
		t.Errorf("got %+v", detail)
	}
	if got := string(r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/logs",
		"").is(http.StatusOK).body); got != "hello world\n" {
		t.Errorf("logs are %q", got)
	}
	manifest := read[map[string]any](r.call(http.MethodGet,
		"/api/v1/runs/"+run.ID.String()+"/attempts/1/manifest", "").is(http.StatusOK))
	if manifest["kind"] != "Job" {
		t.Errorf("manifest is %v", manifest)
	}
	events := read[api.RunEventList](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/events",
		"").is(http.StatusOK))
	for i, event := range events.Items {
		if event.Seq != int64(len(events.Items)-i) {
			t.Errorf("event %d has number %d", i, event.Seq)
		}
	}
	if last := events.Items[0]; last.State.Type != api.COMPLETED {
		t.Errorf("the last event is %+v", last)
	}
	counted := string(r.call(http.MethodGet, "/metrics", "").is(http.StatusOK).body)
	for _, want := range []string{
		`berth_attempts_total{category="",outcome="succeeded",pool="local"} 1`,
		`berth_build_info{component="server",goversion="`,
		`berth_http_request_seconds_count{code="201",method="POST",route="/api/v1/deployments/{deployment}/runs"} 1`,
		`berth_workers{pool="local",state="alive"} 1`, `berth_slots{kind="used",pool="local",queue=""} 0`,
	} {
		if !strings.Contains(counted, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "").refused(http.StatusConflict,
		"run-finished")
}

func TestSameIdempotencyKeyCreatesOneRun(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	r.deploy("other", "")
	create := func(deployment, key, body string) answer {
		request := r.request(r.admin, http.MethodPost, "/api/v1/deployments/"+deployment+"/runs", body)
		request.Header.Set("Idempotency-Key", key)
		return r.send(request)
	}
	first := read[api.Run](create("etl", "k", `{"parameters":{"a":1,"b":2}}`).is(http.StatusCreated))
	again := read[api.Run](create("etl", "k", ` {"parameters": {"b":2, "a":1}} `).is(http.StatusOK))
	if first.ID != again.ID {
		t.Errorf("a second run %s was made beside %s", again.ID, first.ID)
	}
	create("etl", "k", `{"parameters":{"a":2}}`).refused(http.StatusConflict, "idempotency-mismatch")
	create("other", "k", `{}`).is(http.StatusCreated)
	create("etl", strings.Repeat("k", 201), `{}`).refused(http.StatusBadRequest, "invalid-parameter")
	if runs := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs?deployment=etl",
		"")); len(runs.Items) != 1 {
		t.Errorf("there are %d runs", len(runs.Items))
	}
}

func TestAnIdempotencyKeyIsTheSameAloneAndInAList(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	const path = "/api/v1/deployments/etl/runs"
	alone := func(key, body string) answer {
		request := r.request(r.admin, http.MethodPost, path, body)
		request.Header.Set("Idempotency-Key", key)
		return r.send(request)
	}
	list := func(item string) answer { return r.call(http.MethodPost, path+"/bulk", `{"runs":[`+item+`]}`) }

	first := read[api.Run](alone("a", `{"name":"x","parameters":{"n":1.50}}`).is(http.StatusCreated))
	again := read[api.RunsCreated](list(
		`{"parameters":{"n":1.50},"idempotency_key":"a","name":"x"}`).is(http.StatusOK))
	if again.Existed != 1 || again.Items[0].ID != first.ID {
		t.Errorf("in a list: existed %d, run %s; want run %s", again.Existed, again.Items[0].ID, first.ID)
	}
	list(`{"idempotency_key":"a","name":"x","parameters":{"n":2}}`).
		refused(http.StatusConflict, "idempotency-mismatch")

	listed := read[api.RunsCreated](list(`{"idempotency_key":"b","tags":[]}`).is(http.StatusOK))
	if run := read[api.Run](alone("b", `{"tags":[]}`).is(http.StatusOK)); run.ID != listed.Items[0].ID {
		t.Errorf("alone: run %s, want %s", run.ID, listed.Items[0].ID)
	}
	alone("b", `{}`).refused(http.StatusConflict, "idempotency-mismatch")
}

func TestRepeatedRequestReturnsItsRunEvenIfItWouldBeRefusedNow(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	create := func(key string) answer {
		request := r.request(r.admin, http.MethodPost, "/api/v1/deployments/etl/runs",
			`{"parameters":{"a":1}}`)
		request.Header.Set("Idempotency-Key", key)
		return r.send(request)
	}
	first := read[api.Run](create("k").is(http.StatusCreated))
	r.deploy("etl", `,"parameter_schema":{"type":"object","properties":{"a":{"type":"string"}}}`)
	create("new").refused(http.StatusUnprocessableEntity, "parameters-invalid")
	if again := read[api.Run](create("k").is(http.StatusOK)); again.ID != first.ID {
		t.Errorf("got run %s, want %s", again.ID, first.ID)
	}
}

func TestFreezeDuringValidationRefusesTheRun(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", `,"parameters":{"a":"0"}`)
	var creating sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		creating.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					r.call(http.MethodPost, "/api/v1/deployments/etl/runs", `{"parameters":{"a":"mine"}}`)
				}
			}
		})
	}
	var frozen time.Time
	for i := range 20 {
		r.deploy("etl", fmt.Sprintf(`,"version":"%d","parameters":{"a":"%d"}`, i, i))
	}
	r.deploy("etl", `,"parameters":{"a":"1"},"frozen":{"parameters":["a"]}`)
	frozen = read[api.Deployment](r.call(http.MethodGet, "/api/v1/deployments/etl", "")).UpdatedAt
	close(stop)
	creating.Wait()
	runs := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs?deployment=etl&limit=200", "")).Items
	if len(runs) == 0 {
		t.Fatal("no run was created")
	}
	for _, run := range runs { // newest first
		if run.CreatedAt.After(frozen) {
			t.Errorf("run %s was created at %s with a value that was frozen at %s", run.ID, run.CreatedAt,
				frozen)
		}
	}
}

func TestNumbersInParametersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	run := r.startRun("etl", `{"parameters":{"big":9007199254740993,"exact":1.10,"text":"a<b"}}`)
	var got struct{ Big, Exact json.Number }
	if err := json.Unmarshal(run.Parameters, &got); err != nil {
		t.Fatal(err)
	}
	if got.Big != "9007199254740993" || got.Exact != "1.10" {
		t.Errorf("got %s", run.Parameters)
	}
}

func TestRunIsNotClaimedBeforeItIsDue(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", "")
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	run := r.startRun("etl", `{"scheduled_time":"`+later+`"}`)
	w := r.newWorker("w1")
	if claims := w.claim(5, 0); len(claims) != 0 {
		t.Errorf("claimed %+v", claims)
	}
	cancelled := read[api.Run](r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel",
		"").is(http.StatusOK))
	if cancelled.State.Type != api.CANCELLED {
		t.Errorf("state of the unclaimed run = %s", cancelled.State.Type)
	}
}

func TestApplyReturnsTemplateWarnings(t *testing.T) {
	t.Parallel()
	r := start(t)
	pool := `{"pools":[{"name":"new","type":"process","base_job_template":` + process + `}]}`
	for _, time := range []string{"created", "seen again"} {
		result := read[api.ApplyResult](r.call(http.MethodPost, "/api/v1/apply", pool).is(http.StatusOK))
		if len(result.Warnings) == 0 ||
			!strings.HasPrefix(result.Warnings[0].Pointer, "/pools/0/base_job_template/") {
			t.Errorf("%s: warnings %+v, want one on the template", time, result.Warnings)
		}
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	described := `{"pools":[{"name":"new","type":"process","base_job_template":` + process + `}],
		"variables":[{"name":"v","value":{"a":1}}],
		"deployments":[{"name":"a","pool":"new"},{"name":"b","pool":"local","timeout_seconds":%s}]}`
	good, bad := strings.Replace(described, "%s", "60", 1), strings.Replace(described,
		`"pool":"local","timeout_seconds":%s`, `"pool":"local","job_variables":{"command":7}`, 1)
	before := everything(r)
	r.call(http.MethodPost, "/api/v1/apply", bad).refused(http.StatusUnprocessableEntity, "variables-invalid",
		"/deployments/1/job_variables/command")
	dry := read[api.ApplyResult](r.call(http.MethodPost, "/api/v1/apply",
		`{"dry_run":true,`+good[1:]).is(http.StatusOK))
	if after := everything(r); after != before {
		t.Errorf("something was stored:\nbefore %s\nafter  %s", before, after)
	}
	real := read[api.ApplyResult](r.call(http.MethodPost, "/api/v1/apply", good).is(http.StatusOK))
	if len(real.Changes) != 4 || !sameChanges(dry.Changes, real.Changes) {
		t.Errorf("the plan was %+v, what was done is %+v", dry.Changes, real.Changes)
	}
	for _, change := range real.Changes {
		if change.Action != api.Create {
			t.Errorf("%s %s: %s", change.Kind, change.Name, change.Action)
		}
	}
	again := read[api.ApplyResult](r.call(http.MethodPost, "/api/v1/apply", good).is(http.StatusOK))
	for _, change := range again.Changes {
		if change.Action != api.Unchanged {
			t.Errorf("the second time: %s %s: %s %v", change.Kind, change.Name, change.Action, change.Fields)
		}
	}
	changed := read[api.ApplyResult](r.call(http.MethodPost, "/api/v1/apply",
		strings.Replace(good, "60", "61", 1)).is(http.StatusOK))
	if last := changed.Changes[3]; last.Action != api.Update || len(*last.Fields) != 1 ||
		(*last.Fields)[0] != "timeout_seconds" {
		t.Errorf("got %+v", last)
	}
}

func sameChanges(a, b []api.Change) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func TestApplyKeepsOperatorSettingsThatItDoesNotSet(t *testing.T) {
	t.Parallel()
	r := start(t)
	limit := func() *int32 {
		return read[api.WorkPool](r.call(http.MethodGet, "/api/v1/work-pools/local", "")).ConcurrencyLimit
	}
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"concurrency_limit":0}`).is(http.StatusOK)
	r.call(http.MethodPost, "/api/v1/apply",
		`{"pools":[{"name":"local","description":"d"}]}`).is(http.StatusOK)
	if got := limit(); got == nil || *got != 0 {
		t.Errorf("a limit of 0 has become %v", got)
	}
	r.call(http.MethodPost, "/api/v1/apply",
		`{"pools":[{"name":"local","concurrency_limit":null}]}`).is(http.StatusOK)
	if got := limit(); got != nil {
		t.Errorf("null has left a limit of %d", *got)
	}
	r.deploy("etl", "")
	r.call(http.MethodPatch, "/api/v1/deployments/etl", `{"paused":true}`).is(http.StatusOK)
	r.deploy("etl", `,"description":"d"`)
	if d := read[api.Deployment](r.call(http.MethodGet, "/api/v1/deployments/etl", "")); !d.Paused ||
		d.Description != "d" {
		t.Errorf("got %+v", d)
	}
}

func TestTemplatesAreVersioned(t *testing.T) {
	t.Parallel()
	r := start(t)
	const path = "/api/v1/work-pools/local/template"
	first := r.call(http.MethodGet, path, "").is(http.StatusOK)
	if got := first.header.Get("ETag"); got != `"1"` {
		t.Errorf("ETag is %s", got)
	}
	put := func(ifMatch, document string) answer {
		request := r.request(r.admin, http.MethodPut, path, asSave(document))
		if ifMatch != "" {
			request.Header.Set("If-Match", ifMatch)
		}
		return r.send(request)
	}
	second := read[api.TemplateVersion](put(`"1"`, process).is(http.StatusOK))
	if second.Version != 2 {
		t.Errorf("the second version is %d", second.Version)
	}
	put(`"1"`, strings.Replace(process, "true", "false", 1)).refused(http.StatusPreconditionFailed,
		"precondition-failed")
	put(`"x"`, process).refused(http.StatusBadRequest, "invalid-parameter")
	if same := read[api.TemplateVersion](put("", process).is(http.StatusOK)); same.Version != 2 {
		t.Errorf("saving the same again made version %d", same.Version)
	}
	versions := read[api.TemplateVersionList](r.call(http.MethodGet, path+"/versions", "").is(http.StatusOK))
	if len(versions.Items) != 2 || versions.Items[0].Version != 2 || versions.Items[0].Document != nil {
		t.Errorf("got %+v", versions)
	}
	old := read[api.TemplateVersion](r.call(http.MethodGet, path+"?version=1", "").is(http.StatusOK))
	if old.Version != 1 || len(old.Document) == 0 {
		t.Errorf("got %+v", old)
	}
	report := read[api.LintReport](r.call(http.MethodPost, path+"/lint",
		strings.Replace(process, `"true"`, `"{{ nothing }}"`, 1)).is(http.StatusOK))
	if len(report.Errors) == 0 {
		t.Error("lint finds nothing in a placeholder that is not declared")
	}
}

func TestServerReopensAnExistingDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here := func(o *server.Options) { o.DataDir = dir }
	first := start(t, here)
	first.deploy("hello", "")
	id := read[api.Info](first.call(http.MethodGet, "/api/v1/info", "").is(http.StatusOK)).InstallationID
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, here)
	second.call(http.MethodGet, "/api/v1/deployments/hello", "").is(http.StatusOK)
	if got := read[api.Info](second.call(http.MethodGet, "/api/v1/info",
		"").is(http.StatusOK)); got.InstallationID != id || !got.Authenticated {
		t.Errorf("got %+v", got)
	}
	request := first.request(first.admin, http.MethodGet, "", "")
	request.URL.Host, request.URL.Path = strings.TrimPrefix(second.url, "http://"), "/api/v1/info"
	second.send(request).is(http.StatusOK) // the bootstrap key that was replaced overlaps
	if matches, err := filepath.Glob(filepath.Join(dir, "berth.db*")); err != nil || len(matches) == 0 {
		t.Errorf("no database in %s: %v", dir, err)
	}
}

func TestEventsComeInPages(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	w := r.newWorker("w")
	claim := w.claimOne()
	w.begin(claim)
	w.finish(claim, 0, "")
	path := "/api/v1/runs/" + run.ID.String() + "/events?limit=2"
	var numbers []int64
	for cursor := ""; ; {
		page := read[api.RunEventList](r.call(http.MethodGet, path+cursor, "").is(http.StatusOK))
		for _, event := range page.Items {
			numbers = append(numbers, event.Seq)
		}
		if page.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *page.NextCursor
	}
	if !slices.IsSortedFunc(numbers, func(a, b int64) int { return int(b - a) }) || len(numbers) < 5 ||
		numbers[len(numbers)-1] != 1 {
		t.Errorf("the pages have the events %v, want all, newest first", numbers)
	}
	r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/events?cursor=x", "").
		refused(http.StatusBadRequest, "invalid-cursor")
	stream := string(r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/stream?after="+
		strconv.FormatInt(numbers[0]-1, 10), "").is(http.StatusOK).body)
	if n := strings.Count(stream, "event: event"); n != 1 {
		t.Errorf("the stream after all events but one has %d: %s", n, stream)
	}
}
