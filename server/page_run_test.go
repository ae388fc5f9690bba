package server_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestThePageOfARunTellsItsStory(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", `,"retries":{"max":1}`)
	run := r.startRun("hello", `{"name":"the run","parameters":{"large":9007199254740993,"point":2.50}}`)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.see(claim, api.ReportKindManifest,
		func(report *api.Report) {
			report.Manifest = json.RawMessage(`{"apiVersion":"batch/v1","kind":"Job","spec":{"rows":1.0}}`)
		})
	w.see(claim, api.ReportKindRunning, nil)
	w.write(claim, 0, "the first line\n<script>alert(1)</script>\n")
	id := run.ID.String()
	shown := r.page("/runs/"+id).is(http.StatusOK).has("<h1>the run</h1>", "<title>● the run · Berth</title>", "Running", "the first line",
		"&lt;script&gt;", "9007199254740993", "2.50", `href="../runs/`+id+`/cancel"`, `data-topics="run:`+id, "w1")
	if strings.Contains(string(shown.body), "<script>alert") {
		t.Error("output became markup")
	}
	r.page("/runs/the%20run").is(http.StatusOK).has("<h1>the run</h1>")
	r.page("/runs/"+id+"/attempts/1/manifest").is(http.StatusOK).has("kind: Job", "rows: 1.0")
	r.page("/runs/" + id + "/attempts/2/manifest").is(http.StatusNotFound)
	r.page("/runs/"+id+"/events").is(http.StatusOK).has("Running", "Scheduled")
	r.page("/runs/0197a1de-7f10-7a02-8b1e-91c4a7d3e001").is(http.StatusNotFound).has("0197a1de", `href="../runs">Runs`)
	r.page("/runs/nobody").is(http.StatusNotFound).has("no run is called")

	r.page("/runs/"+id+"/cancel").is(http.StatusOK).has("Cancel the run?", `method="post"`)
	gone := r.sendForm("/runs/"+id+"/cancel", url.Values{}).is(http.StatusSeeOther)
	if to := gone.header.Get("Location"); to != "../../runs/"+id {
		t.Errorf("leads to %q", to)
	}
	r.sendForm("/runs/"+id+"/retry", url.Values{}).is(http.StatusOK).has(`role="alert"`)
	w.finish(claim, 1, "app")
	r.page("/runs/"+id).is(http.StatusOK).has("Failed", "/retry")
	r.sendForm("/runs/"+id+"/retry", url.Values{}).is(http.StatusSeeOther)
	r.page("/runs/"+id).is(http.StatusOK).has("Scheduled", "retried by")
}

func TestThePageOfARunOffersWhatTheRoleAllows(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	id := r.startRun("hello", `{}`).ID.String()
	viewer, operator := r.signedIn(r.makeKey("v", api.RoleViewer)), r.signedIn(r.makeKey("o", api.RoleOperator))
	if page := r.page("/runs/"+id, "Cookie", viewer).is(http.StatusOK); strings.Contains(string(page.body), "/cancel") {
		t.Errorf("a viewer is offered to cancel:\n%s", page.body)
	}
	r.sendForm("/runs/"+id+"/cancel", url.Values{}, "Cookie", viewer).is(http.StatusForbidden).has("You are v (viewer)")
	r.page("/runs/"+id, "Cookie", operator).is(http.StatusOK).has("/cancel")
	r.sendForm("/runs/"+id+"/cancel", url.Values{}, "Cookie", operator).is(http.StatusSeeOther)
	r.page("/runs/"+id, "Cookie", viewer).has("Cancelled", "by o")
}

// signedIn returns the cookie of a browser that has signed in with a key.
func (r *running) signedIn(key string) string {
	r.t.Helper()
	in := r.sendForm("/session", url.Values{"key": {key}}).is(http.StatusSeeOther)
	value, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")
	return value
}

func TestAListOfRunsIsFilteredAndPaged(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	for i := range 30 {
		r.startRun("hello", fmt.Sprintf(`{"name":"run %02d"}`, i))
	}
	odd := r.startRun("hello", `{"name":"the odd one"}`)
	r.call(http.MethodPost, "/api/v1/runs/"+odd.ID.String()+"/cancel", "").is(http.StatusOK)
	first := r.page("/runs?limit=25").is(http.StatusOK).has("the odd one", "31 found", ">Older<")
	if strings.Contains(string(first.body), "run 03<") {
		t.Error("the first page has more than 25 runs")
	}
	_, rest, _ := strings.Cut(string(first.body), `rel="next" href="`)
	older, _, _ := strings.Cut(rest, `"`)
	r.page("/runs"+strings.ReplaceAll(older, "&amp;", "&")).is(http.StatusOK).has("run 00", ">Newest<")
	r.page("/runs?state=CANCELLED").is(http.StatusOK).has("the odd one", "1 found", "✕ state: CANCELLED")
	if page := r.page("/runs?text=run+17").is(http.StatusOK).has("run 17"); strings.Contains(string(page.body), "run 18<") {
		t.Error("the text does not count")
	}
	r.page("/runs?text=nothing").is(http.StatusOK).has("No run matches this filter")
}

func TestR5ManyRunsAreChangedByTheSameAddress(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", `,"tags":["nightly"]`)
	r.deploy("other", "")
	first := r.startRun("hello", `{"name":"first"}`).ID.String()
	for range 29 {
		r.startRun("hello", `{}`)
	}
	stays := r.startRun("other", `{"name":"stays"}`).ID.String()
	r.page("/runs").is(http.StatusOK).has(`value="`+first+`"`, `form="chosen"`)

	one := "/runs/bulk?do=cancel&run=" + first
	r.page(one).is(http.StatusOK).has("<b>1 run</b>", "first")
	r.sendForm(one, url.Values{}).is(http.StatusOK).has("1 cancelled.")
	r.sendForm(one, url.Values{}).is(http.StatusOK).has("1 cancelled.") // pressed twice

	all := "/runs/bulk?do=cancel&all=true&deployment=hello&state=SCHEDULED"
	r.page(all).is(http.StatusOK).has("All runs with state: SCHEDULED, deployment: hello", "<b>29 runs</b>")
	r.sendForm(all, url.Values{}).is(http.StatusOK).has("29 cancelled.")
	r.page("/runs?state=SCHEDULED").is(http.StatusOK).has("1 found", "stays")
	r.page("/runs/bulk?do=retry&all=true&deployment=hello&state=CANCELLED").is(http.StatusOK).has("<b>30 runs</b>")
	for _, bad := range []string{"do=cancel", "do=cancel&all=true&name=x", "do=delete&run=" + first, "do=cancel&run=x"} {
		r.page("/runs/bulk?" + bad).is(http.StatusBadRequest)
	}
	r.sendForm("/runs/bulk?do=retry&run="+stays, url.Values{}).is(http.StatusOK).has("0 retried, 1 refused", `id="refused"`, stays)
	r.page("/runs/bulk?do=cancel&all=true").is(http.StatusOK).has("<b>31 runs</b>")
}

// TestN9TheManifestIsComparedWithOthers: an earlier attempt, another run, and what the template makes now; what each run has with
// another value is no difference.
func TestN9TheManifestIsComparedWithOthers(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.saveTemplate(plainTemplate(""), "").is(http.StatusOK)
	r.deploy("etl", `,"retries":{"max":1}`)
	w := r.newWorker("w1")
	job := func(c api.Claim, run api.Run, image string) {
		w.see(c, api.ReportKindManifest, func(report *api.Report) {
			report.Manifest = json.RawMessage(fmt.Sprintf(`{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"etl-%[1]s-%[2]d",
				"creationTimestamp":"2026-01-01T00:00:0%[2]dZ","labels":{"berth.dev/run-id":%[1]q,"berth.dev/attempt":"%[2]d"}},"status":{"active":%[2]d},
				"spec":{"template":{"metadata":{"annotations":{"creationTimestamp":%[3]q}},"spec":{"containers":[{"name":"job","image":%[3]q,
				"args":["%[1]s"],"env":[{"name":"BERTH_RUN_ID","value":%[1]q},{"name":"BERTH_SCHEDULED_TIME","value":"at %[1]s"},{"name":"status","value":%[3]q}]}]}}}}`, run.ID, c.Attempt, image))
		})
		w.see(c, api.ReportKindRunning, nil)
	}
	good := r.startRun("etl", `{"name":"good"}`)
	claim := w.claimOne()
	job(claim, good, "etl:1")
	w.finish(claim, 0, "")
	bad := r.startRun("etl", `{"name":"bad"}`)
	for _, image := range []string{"etl:1", "etl:2"} {
		claim = w.claimOne()
		job(claim, bad, image)
		w.finish(claim, 1, "app")
	}
	path := "/runs/" + bad.ID.String() + "/attempts/2/manifest"
	r.page(path).is(http.StatusOK).has("image: etl:2", `href="?attempt=1"`, "the last run that completed, good", `href="?now=true"`, `name="run"`)
	for _, query := range []string{"?attempt=1", "?run=good", "?run=" + good.ID.String()} {
		shown := r.page(path+query).is(http.StatusOK).has("-          image: etl:1\n", "&#43;          image: etl:2\n",
			"&#43;              value: etl:2\n", "&#43;        creationTimestamp: etl:2\n")
		if n := strings.Count(string(shown.body), `class="added"`) + strings.Count(string(shown.body), `class="removed"`); n != 6 {
			t.Errorf("%s: %d lines differ, want 6", query, n)
		}
	}
	r.page("/runs/"+bad.ID.String()+"/attempts/1/manifest?run=good").has("Nothing differs.", "image: etl:1")
	r.page(path+"?now=true").is(http.StatusOK).has("to what the template makes now", "image: etl:1", `class="added"`)
	r.page(path+"?run=nothing").is(http.StatusOK).has("no run is called", "image: etl:2")
	r.page(path + "?attempt=7").is(http.StatusOK).has("has no attempt 7")
}

// TestTheSameFailureLeadsToItsOtherRuns: of the deployment, with the cause and the line of the error, whatever the time in the line.
func TestTheSameFailureLeadsToItsOtherRuns(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("etl", "")
	r.deploy("other", "")
	w := r.newWorker("w1")
	fail := func(deployment string, code int32, output string) string {
		run := r.startRun(deployment, `{}`)
		claim := w.claimOne()
		w.begin(claim)
		w.finish(claim, code, output)
		return run.ID.String()
	}
	const trace = "2026-11-30 08:00:0%d ERROR giving up\nTraceback (most recent call last):\n  File \"a.py\"\npsycopg2.errors.UndefinedTable: relation \"x_100%%\" does not exist\n"
	ids := make([]string, 3)
	for i := range ids {
		ids[i] = fail("etl", 1, fmt.Sprintf(trace, i))
	}
	alone := fail("etl", 1, "disk full\n")
	fail("other", 1, fmt.Sprintf(trace, 0))
	shown := r.page("/runs/"+ids[0]).is(http.StatusOK).has("exit code 1: psycopg2.errors.UndefinedTable: relation &#34;x_100%&#34; does not exist", ">2 other runs</a>")
	_, rest, found := strings.Cut(string(shown.body), `the same failure in <a href="`)
	if !found {
		t.Fatal("the page has no link to them")
	}
	address, _, _ := strings.Cut(rest, `"`)
	list := r.page(html.UnescapeString(strings.TrimPrefix(address, ".."))).is(http.StatusOK).has("3 found")
	for _, id := range ids {
		list.has(id)
	}
	r.page("/runs/" + alone).is(http.StatusOK).hasNot("same-failure")
}
