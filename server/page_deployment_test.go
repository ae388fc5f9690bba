package server_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// TestD1AllDeploymentsAreListedInPages: the hundred and first deployment exists, and the filter looks at all of them.
func TestD1AllDeploymentsAreListedInPages(t *testing.T) {
	r := start(t, withoutKeys)
	r.page("/deployments").is(http.StatusOK).has("<h1>Deployments</h1>", "berth deploy berth.yaml")
	var list []string
	for i := range 120 {
		list = append(list, fmt.Sprintf(`{"name":"d%03d","pool":"local","tags":["t%d"]}`, i, i%2))
	}
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[`+strings.Join(list, ",")+`]}`).is(http.StatusOK)
	next := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	seen := map[string]bool{}
	for query := ""; ; {
		shown := r.page("/deployments" + query).is(http.StatusOK)
		for _, m := range regexp.MustCompile(`deployments/(d\d\d\d)"`).FindAllSubmatch(shown.body, -1) {
			seen[string(m[1])] = true
		}
		more := next.FindSubmatch(shown.body)
		if more == nil {
			break
		}
		query = html.UnescapeString(string(more[1]))
	}
	if len(seen) != 120 {
		t.Errorf("%d of 120 deployments are listed", len(seen))
	}
	r.page("/deployments?text=d119").has(">d119<").hasNot(">d118<")
	r.page("/deployments?tag=t1&text=d11").has(">d119<", "✕ tag: t1").hasNot(">d118<")
	r.page("/deployments?pool=local&paused=true").has("No deployment on this page")
	r.page("/deployments?paused=perhaps").is(http.StatusBadRequest).has("write true or false")
}

// TestD2TheChartAndTheListAgree: the chart has the runs of the list, each a link, and a table says the same.
func TestD1FailingDeploymentsAreListed(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	w := r.newWorker("w1")
	for name, code := range map[string]int32{"works": 0, "fails": 1} {
		r.deploy(name, "")
		r.startRun(name, `{}`)
		claim := w.claimOne()
		w.begin(claim)
		w.finish(claim, code, "")
	}
	r.deploy("rests", "")
	r.page("/deployments?failing=true").is(http.StatusOK).has(">fails<", "✕ failing: true").hasNot(">works<", ">rests<")
	r.page("/deployments?failing=false").is(http.StatusOK).has(">works<", ">rests<").hasNot(">fails<")
	r.page("/deployments?failing=x").is(http.StatusBadRequest)
}

func TestD2TheChartAndTheListAgree(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", "")
	r.page("/deployments/etl").is(http.StatusOK).has("It has not run yet.", "<h1>etl</h1>")
	w := r.newWorker("w")
	r.startRun("etl", `{"name":"works"}`)
	claim := w.claimOne()
	w.begin(claim)
	w.finish(claim, 0, "")
	r.startRun("etl", `{"name":"fails"}`)
	claim = w.claimOne()
	w.begin(claim)
	w.finish(claim, 3, "")
	shown := r.page("/deployments/etl").is(http.StatusOK).has(
		"works: Completed, took", "fails: Failed, took", `class="bar COMPLETED"`, `class="bar FAILED"`, "These runs as a table")
	for _, one := range read[api.RunList](r.call(http.MethodGet, "/api/v1/runs?deployment=etl", "")).Items {
		if n := strings.Count(string(shown.body), `href="../runs/`+one.ID.String()+`"`); n != 3 { // chart, its table, list
			t.Errorf("%s is linked %d times", one.Name, n)
		}
	}
	r.page("/deployments").has("✕</span> Failed")
	r.page("/deployments/nothing").is(http.StatusNotFound).has(">Deployments</a>")
}

// TestD3NextTimesShowBothZonesByName: on the day on which clocks are set back, and on all others.
func TestD3NextTimesShowBothZonesByName(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", `,"schedules":[{"name":"night","rrule":"DTSTART:20991025T000000Z\nRRULE:FREQ=HOURLY;COUNT=4","timezone":"Europe/Berlin"},{"name":"utc","cron":"0 6 * * *"}]`)
	shown := r.page("/deployments/etl").is(http.StatusOK).has(" 06:00 UTC")
	for _, text := range []string{"Sun 2099-10-25 02:00 CEST · Sun 2099-10-25 00:00 UTC", "Sun 2099-10-25 02:00 CET · Sun 2099-10-25 01:00 UTC"} {
		shown.has(text)
	}
}

// TestD4EachValueSaysWhereItIsFrom: schema or template, deployment, frozen.
func TestD4EachValueSaysWhereItIsFrom(t *testing.T) {
	r := start(t, withoutKeys)
	r.saveTemplate(`{"variables":{"type":"object","properties":{"image":{"type":"string","default":"etl:1"},"memory":{"type":"integer","default":64},"cpu":{"type":"integer","default":1}}},
		"job_configuration":{"job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":{"containers":[{"name":"job","image":"{{ image }}","args":["{{ cpu }} cores"],"resources":{"limits":{"memory":"{{ memory }}Mi"}}}]}}}}}}`, "").is(http.StatusOK)
	r.deploy("etl", `,"job_variables":{"image":"etl:2","memory":9},"frozen":{"job_variables":["image"]},"parameters":{"rows":9007199254740993},
		"parameter_schema":{"type":"object","required":["day"],"properties":{"day":{"type":"string","format":"date","description":"The day"},"rows":{"type":"integer","default":1},"rate":{"type":"number","default":1.5}}}`)
	text := strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(string(r.page("/deployments/etl").is(http.StatusOK).body), " ")), " ")
	for _, row := range []string{
		"day The day string (date) each run must set it", "rate number 1.5 schema", "rows integer 9007199254740993 deployment",
		"cpu integer 1 template", "memory integer 9 deployment", "image string &#34;etl:2&#34; frozen by the deployment",
	} {
		if !strings.Contains(text, row) {
			t.Errorf("no row %q in %s", row, text)
		}
	}
}

// TestD5APauseSaysWhatBecomesOfMissedSlots: before it, and who and why afterwards.
func TestD5APauseSaysWhatBecomesOfMissedSlots(t *testing.T) {
	r := start(t)
	r.deploy("etl", `,"schedules":[{"name":"a","cron":"0 6 * * *","misfire":{"mode":"skip"}},{"name":"b","cron":"0 7 * * *","misfire":{"mode":"all","cap":7}},{"name":"c","cron":"0 8 * * *"}]`)
	as := func(role api.Role) []string {
		return []string{"Authorization", "Bearer " + r.makeKey(string(role), role)}
	}
	editor, viewer := as(api.RoleEditor), as(api.RoleViewer)
	r.page("/deployments/etl/pause", editor...).is(http.StatusOK).has(`narrow question"`, "also a run that is started by hand", "Schedule a: missed slots make no run.",
		"Schedule b: after it, each missed slot makes a run, at most the newest 7.", "Schedule c: after it, the latest missed slot makes a run.")
	done := r.sendForm("/deployments/etl/pause", url.Values{"reason": {"The warehouse is down"}}, editor...).is(http.StatusSeeOther)
	if to := done.header.Get("Location"); to != "../../deployments/etl" {
		t.Errorf("leads to %q", to)
	}
	r.startRun("etl", `{"name":"by hand"}`)
	r.page("/runs", editor...).has("by hand", "deployment paused")
	r.page("/deployments/etl", editor...).has("Paused by editor", "The warehouse is down", "Resume")
	r.page("/deployments", editor...).has(">paused<")
	r.page("/deployments/etl", viewer...).hasNot("<button class=\"second\">Resume", "Run…", "Delete…")
	r.sendForm("/deployments/etl/resume", nil, viewer...).is(http.StatusForbidden)
	r.sendForm("/deployments/etl/resume", nil, editor...).is(http.StatusSeeOther)
	r.page("/deployments/etl", editor...).hasNot("Paused by")
}

// TestD6TheYAMLOfADeploymentIsWhatDeployTakesBack: with no change in the plan, whatever is in it.
func TestD6TheYAMLOfADeploymentIsWhatDeployTakesBack(t *testing.T) {
	r := start(t, withoutKeys)
	r.call(http.MethodPost, "/api/v1/apply", `{"project":"sales","deployments":[{"name":"etl","pool":"local","version":"1.10","description":"Two\nlines 😀","tags":["yes","a: b"],
		"parameters":{"rows":9007199254740993,"rate":1.50,"text":"null","when":"2026-01-01","none":null,"list":[],"\u2028":"<&>"},
		"parameter_schema":{"type":"object","properties":{"rows":{"type":"integer"}}},"concurrency_limit":2,"timeout_seconds":60,"retries":{"max":2,"delay_seconds":30},
		"frozen":{"parameters":["rows"]},"schedules":[{"name":"night","cron":"30 2 * * *","timezone":"Europe/Berlin","parameters":{"rate":2.0},"misfire":{"mode":"all","cap":3},"overlap":"queue"}]}]}`).is(http.StatusOK)
	_, rest, _ := strings.Cut(string(r.page("/deployments/etl").is(http.StatusOK).body), `id="deployment-yaml">`)
	text, _, _ := strings.Cut(rest, "</pre>")
	document, err := yamldoc.ToJSON([]byte(html.UnescapeString(text)))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	body := strings.Replace(string(document), "{", `{"dry_run":true,`, 1)
	for _, change := range read[api.ApplyResult](r.call(http.MethodPost, "/api/v1/apply", body).is(http.StatusOK)).Changes {
		if change.Action != api.Unchanged {
			t.Errorf("%s %s %s: %v", change.Action, change.Kind, change.Name, change)
		}
	}
}

func TestADeploymentIsDeletedFromItsPage(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", "")
	r.startRun("etl", `{"name":"lives"}`)
	r.page("/deployments/etl/delete").is(http.StatusOK).has("berth deployment restore etl")
	r.sendForm("/deployments/etl/delete", nil).is(http.StatusConflict).has("lives")
	r.sendForm("/deployments/etl/delete", url.Values{"force": {"yes"}}).is(http.StatusSeeOther)
	r.page("/deployments/etl").is(http.StatusNotFound)
}
