package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

// TestN1TheStoryOfARunIsVisibleWithoutScrolling: from queued to its end, on a window of 1280 × 800.
func TestN1TheStoryOfARunIsVisibleWithoutScrolling(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	ctx := browser(t)
	for _, one := range []struct {
		run   api.Run
		parts []string // that are in sight as a whole
		begun string   // of which at least the head is
	}{
		{w.failed, []string{"#run-state", "#run-why", "#run-actions", "#attempts tbody tr:last-child", "#log .bar"}, "#log .view"},
		{w.live, []string{"#run-state", "#run-why", "#run-actions", "#attempts tbody tr:last-child", "#log .bar"}, "#log .view"},
		{w.waiting, []string{"#run-state", "#run-why", "#run-actions", "#run-wait", "#run-wait .steps"}, "#run-wait"},
	} {
		w.greet()
		do(t, ctx, one.run.Name, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(w.url+"/runs/"+one.run.ID.String()), shows(one.parts[len(one.parts)-1], ""))
		for _, part := range one.parts {
			if bottom := evaluate[float64](t, ctx, `document.querySelector("`+part+`").getBoundingClientRect().bottom`); bottom > 800 {
				t.Errorf("%s: %s ends at %.0f", one.run.Name, part, bottom)
			}
		}
		if top := evaluate[float64](t, ctx, `document.querySelector("`+one.begun+`").getBoundingClientRect().top`); top > 700 {
			t.Errorf("%s: %s begins at %.0f", one.run.Name, one.begun, top)
		}
		if at := evaluate[float64](t, ctx, `scrollY`); at != 0 {
			t.Errorf("%s: the page has scrolled by %.0f", one.run.Name, at)
		}
	}
}

// TestN2ARunOpensInFourRequests: one for the page and those for the output, however many events there are. Scripts and styles
// are in the browser's cache, and the stream of changes is that of all tabs.
func TestN2ARunOpensInFourRequests(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", `,"retries":{"max":0}`)
	w := r.newWorker("w1")
	opened := func(run api.Run) (requests []string) {
		ctx := browser(t)
		do(t, ctx, "what loads the scripts", chromedp.Navigate(r.url+"/runs/"+run.ID.String()), shows("#log .row .text", "bye"))
		do(t, ctx, "the run", chromedp.Navigate("about:blank"), chromedp.Navigate(r.url+"/runs/"+run.ID.String()), shows("#log .row .text", "bye"))
		const asked = `JSON.stringify(["page", ...performance.getEntriesByType("resource").map((one) => one.name).filter((one) => !one.includes("/assets/") && !one.endsWith("/changes"))])`
		if err := json.Unmarshal([]byte(evaluate[string](t, ctx, asked)), &requests); err != nil {
			t.Fatal(err)
		}
		return requests
	}
	var runs []api.Run
	for _, retries := range []int{0, 60} {
		run := r.startRun("hello", `{}`)
		for i := range retries + 1 {
			if i > 0 {
				r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/retry", "").is(http.StatusOK)
			}
			claim := w.claimOne()
			w.begin(claim)
			w.write(claim, 0, "ERROR bye\n")
			w.finish(claim, 1, "ERROR bye")
		}
		runs = append(runs, run)
	}
	few, many := opened(runs[0]), opened(runs[1])
	if len(few) > 4 || len(many) > len(few) {
		t.Errorf("a run opens with %d requests, one with 300 events with %d:\n%s\n%s", len(few), len(many), strings.Join(few, "\n"), strings.Join(many, "\n"))
	}
}

// TestN3ARunWithoutAnErrorInItsOutputOpensAtItsEnd: no line looks like an error; the last one tells most.
func TestN3ARunWithoutAnErrorInItsOutputOpensAtItsEnd(t *testing.T) {
	p := newLogPage(t)
	p.begins(t, strings.Repeat("well\n", 2000)+"no table of that name\n")
	p.worker.finish(p.claim, 3, "no table of that name")
	p.opens(t, "?attempt=1", row(2001, "no table of that name"))
}

// TestN4WhatExplainsARunIsLinked: what the sentences name has its page, and what helps is done there or by a command.
func TestN4WhatExplainsARunIsLinked(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("one", `,"concurrency_limit":1`)
	r.startRun("one", `{"name":"the good"}`)
	w := r.newWorker("w1")
	good := w.claimOne()
	w.begin(good)
	w.finish(good, 0, "")
	ended := r.startRun("one", `{"name":"the ended"}`)
	claim := w.claimOne()
	w.begin(claim)
	w.write(claim, 0, "ERROR bye\n")
	w.finish(claim, 1, "ERROR bye")
	running := r.startRun("one", `{"name":"the <b>holder"}`)
	waiting := r.startRun("one", `{}`)
	w.begin(w.claimOne())
	admin, viewer := r.signedIn(r.admin), r.signedIn(r.makeKey("v", api.RoleViewer))
	id := waiting.ID.String()
	r.page("/runs/"+id, "Cookie", admin).is(http.StatusOK).has(
		`deployment <a href="../deployments/one">&#34;one&#34;</a>`, `<a href="../runs/`+running.ID.String()+`">the &lt;b&gt;holder</a>`,
		`href="../deployments/one">Raise the limit of deployment one</a>: <code>berth deploy</code>`, "data-copy")
	r.page("/runs/"+running.ID.String(), "Cookie", admin).is(http.StatusOK).has(
		`worker <a href="../pools/local#w-w1">&#34;w1&#34;</a>`, `<a href="#log">read its output</a>: <code>berth run logs --follow `)
	id = ended.ID.String()
	r.page("/runs/"+id, "Cookie", admin).is(http.StatusOK).has(
		`<a href="#log">read its output</a>`, `<a href="../runs/the%20good">the good</a>`, `<a href="../runs/`+id+`/retry" data-dialog>retry it…</a>: <code>berth run retry `+id+`</code>`,
		`<a href="../deployments/one/run?from=`+id+`">run it again`)
	r.page("/runs/"+id, "Cookie", viewer).is(http.StatusOK).has(`<li>retry it: <code>berth run retry ` + id)

	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"paused":true,"pause_reason":"work on the cluster"}`).is(http.StatusOK)
	r.page("/runs/"+waiting.ID.String(), "Cookie", admin).is(http.StatusOK).has(`ork pool <a href="../pools/local">&#34;local&#34;</a>`,
		`href="../pools/local/resume" data-dialog>Resume work pool local`)
}

// TestN4ACommandIsCopied presses the button beside a command.
func TestN4ACommandIsCopied(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	ctx := browser(t)
	do(t, ctx, "copied", chromedp.Navigate(r.url+"/runs/"+run.ID.String()), holds(`() => {
		navigator.clipboard.writeText = (text) => { window.written = text; return Promise.resolve(); };
		return true;
	}`), press("#run-wait [data-copy], #run-why [data-copy]"), shows(".copied[role=status]", "Copied"))
	if text := evaluate[string](t, ctx, `written`); !strings.HasPrefix(text, "berth ") {
		t.Errorf("copied is %q", text)
	}
	do(t, ctx, "selected where the page may not write", holds(`() => {
		navigator.clipboard.writeText = () => Promise.reject(new Error("denied"));
		return true;
	}`), press("#run-wait [data-copy], #run-why [data-copy]"), shows(".copied", "Ctrl C"), holds(`() => getSelection().toString().startsWith("berth ")`))
}

// TestN8TheTitleHasTheShapeOfTheState takes a run through its states.
func TestN8TheTitleHasTheShapeOfTheState(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	w := r.newWorker("w1")
	run := r.startRun("hello", `{"name":"the run"}`)
	shape := func(want string) {
		t.Helper()
		r.page("/runs/" + run.ID.String()).is(http.StatusOK).has("<title>" + want + " the run · Berth</title>")
	}
	shape("○")
	claim := w.claimOne()
	shape("◐")
	w.begin(claim)
	shape("●")
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "").is(http.StatusOK)
	shape("⊘")
	for _, end := range []struct {
		code  int32
		shape string
	}{{0, "✓"}, {1, "✕"}} {
		run = r.startRun("hello", `{"name":"the run"}`)
		claim := w.claimOne()
		w.begin(claim)
		w.finish(claim, end.code, "")
		shape(end.shape)
	}
	run = r.startRun("hello", `{"name":"the run"}`)
	claim = w.claimOne()
	w.begin(claim)
	w.see(claim, api.ReportKindEnded, func(report *api.Report) {
		category := api.CategoryConfig
		report.Category = &category
	})
	shape("▲")
}

// TestN9TheManifestIsThatWhichRan: as YAML with the digits of the Job. That a worker reports no secret in it, its own tests say
// (TestSecretEnvironmentIsNeverReported).
func TestN9TheManifestIsThatWhichRan(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	w := r.newWorker("w1")
	run := r.startRun("hello", `{}`)
	claim := w.claimOne()
	w.see(claim, api.ReportKindManifest, func(report *api.Report) {
		report.Manifest = json.RawMessage(`{"apiVersion":"batch/v1","kind":"Job","spec":{"rows":1.0,"large":9007199254740993,"day":"007"}}`)
	})
	r.page("/runs/"+run.ID.String()+"/attempts/1/manifest").is(http.StatusOK).has("kind: Job", "rows: 1.0", "large: 9007199254740993", `day: &#34;007&#34;`)
}
