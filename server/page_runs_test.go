package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

func TestR1EveryControlIsInTheAddress(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", `,"tags":["nightly"]`)
	r.deploy("other", "")
	w := r.newWorker("w1")
	failed := r.startRun("hello", `{"name":"the failed one"}`)
	claim := w.claimOne()
	w.begin(claim)
	w.finish(claim, 3, "no such table\nsecond line\n")
	r.startRun("other", `{"name":"the waiting one"}`)
	found := func(query string, want ...string) {
		t.Helper()
		page := r.page("/runs?" + query).is(http.StatusOK)
		for _, name := range []string{"the failed one", "the waiting one"} {
			listed := strings.Contains(string(page.body), ">"+name+"<")
			if wanted := strings.Contains(strings.Join(want, ","), name); listed != wanted {
				t.Errorf("%s: %s is listed: %v", query, name, listed)
			}
		}
	}
	both := []string{"the failed one", "the waiting one"}
	found("", both...)
	today := url.QueryEscape(time.Now().UTC().Add(-time.Hour).Format(time.RFC3339))
	for _, query := range []string{
		"state=FAILED", "deployment=hello", "tag=nightly", "cause=app", "text=failed", "name=the+failed+one",
		"state=FAILED&cause=app&by=" + failed.CreatedBy + "&from=" + today,
	} {
		found(query, "the failed one")
		r.page("/runs?" + query).has("1 found")
	}
	found("pool=local&by="+failed.CreatedBy+"&limit=25", both...)
	found("cause=oom")
	found("schedule=nightly")
	found("sort=-duration", "the failed one") // the only one that has ended
	found("to=" + today)
	// What a visitor without a cookie sees is in the form, too: it is what the next address is made of.
	r.page("/runs?cause=app&by=me&schedule=x").has(`<option selected>app</option>`, `name="by" value="me"`, `name="schedule" value="x"`)
	r.page("/runs?limit=many").is(http.StatusBadRequest)
}

func TestR2CountsAreOverAllRuns(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	for range 30 {
		r.startRun("hello", `{}`)
	}
	r.startRun("hello", `{"name":"oldest no more"}`)
	page := r.page("/runs?limit=25").is(http.StatusOK).has("31 found")
	if n := strings.Count(string(page.body), `<tr id="r-`); n != 25 {
		t.Errorf("%d rows", n)
	}
	page = r.page("/runs?limit=25&text=oldest").has("1 found")
	if n := strings.Count(string(page.body), `<tr id="r-`); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestR3RowsSayWhy(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("one", `,"concurrency_limit":1`)
	waiting := r.startRun("one", `{"name":"without a worker"}`)
	listed := func(run api.Run) string {
		t.Helper()
		for _, one := range read[api.RunList](r.call(http.MethodGet, "/api/v1/runs", "").is(http.StatusOK)).Items {
			if one.ID == run.ID && one.Waits != nil {
				return *one.Waits
			}
		}
		return ""
	}
	if got := listed(waiting); got != "no live worker" {
		t.Errorf("without a worker: %q", got)
	}
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	second, third := r.startRun("one", `{}`), r.startRun("one", `{}`)
	if a, b := listed(second), listed(third); a != "limit 1 of 1" || b != "limit 1 of 1, 1 ahead" {
		t.Errorf("behind a limit: %q, %q", a, b)
	}
	if got := listed(waiting); got != "" {
		t.Errorf("while it runs: %q", got)
	}
	later := r.startRun("one", fmt.Sprintf(`{"scheduled_time":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339)))
	if got := listed(later); got != "" {
		t.Errorf("before its time: %q", got)
	}
	w.finish(claim, 3, "INFO begins\nError: no such table\nand a second line\n")
	page := r.page("/runs").is(http.StatusOK).has(`<div class="why">waits for a worker</div>`, `<div class="why">1 ahead</div>`,
		"due <time", `<div class="why">app, exit code 3: Error: no such table</div>`)
	page.hasNot("no live worker")
}

func TestR4NewRowsWaitWhileTheListIsRead(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	var runs []api.Run
	for i := range 40 {
		runs = append(runs, r.startRun("hello", fmt.Sprintf(`{"name":"run %02d"}`, i)))
	}
	ctx := browser(t)
	do(t, ctx, "the list", chromedp.Navigate(r.url+"/runs"), shows("table.runs td", "run 39"), shows("#link", "live"),
		press(`[value="`+runs[38].ID.String()+`"]`), shows("#chosen-count", "1 selected"))
	r.startRun("hello", `{"name":"new one"}`)
	do(t, ctx, "a bar while rows are chosen", shows("#news button", "1 new"), hides("table.runs td", "new one"))
	r.startRun("hello", `{"name":"new two"}`)
	r.call(http.MethodPost, "/api/v1/runs/"+runs[37].ID.String()+"/cancel", "").is(http.StatusOK)
	do(t, ctx, "rows change where they are", shows("#news button", "2 new"), shows("#r-"+runs[37].ID.String(), "Cancelled"),
		hides("table.runs td", "new two"))
	do(t, ctx, "all on request", press("#news button"), shows("table.runs td", "new two"), hides("#news", "new"),
		shows("#chosen-count", "1 selected"))
	do(t, ctx, "scrolled", press(`[value="`+runs[38].ID.String()+`"]`), shows("#chosen-count", "0 selected"),
		holds(`() => { scrollTo(0, 300); return scrollY > 0; }`))
	const place = `Math.round(document.getElementById("r-%s").getBoundingClientRect().top)`
	before := evaluate[int](t, ctx, fmt.Sprintf(place, runs[30].ID))
	r.startRun("hello", `{"name":"new three"}`)
	do(t, ctx, "a bar while the list is scrolled", shows("#news button", "1 new"), hides("table.runs td", "new three"))
	if after := evaluate[int](t, ctx, fmt.Sprintf(place, runs[30].ID)); after != before {
		t.Errorf("a row moved from %d to %d", before, after)
	}
	do(t, ctx, "back at the top", holds(`() => { scrollTo(0, 0); return true; }`), shows("table.runs td", "new three"), hides("#news", "new"))
}

func TestR7PageSizeAndColumnsAreRemembered(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", `,"tags":["nightly"]`)
	for range 30 {
		r.startRun("hello", `{}`)
	}
	ctx := browser(t)
	rows := func(n int) step {
		return holds(`(n) => document.querySelectorAll("table.runs tbody tr").length === n`, n)
	}
	do(t, ctx, "a size", chromedp.Navigate(r.url+"/runs?text=-"), rows(30), choose("[name=limit]", "25"), press(".filter button"))
	arrives(t, ctx, "fewer rows", rows(25))
	do(t, ctx, "it is kept", chromedp.Navigate(r.url+"/runs"), rows(25), shows("th", "Pool"), hides("th", "Tags"))
	do(t, ctx, "columns", press(".choose summary"), press(".choose [value=pool]"), press(".choose [value=tags]"), press(".choose button"))
	arrives(t, ctx, "the chosen columns", shows("th", "Tags"))
	do(t, ctx, "they are kept", chromedp.Navigate(r.url+"/runs?state=SCHEDULED"), shows("td .tag", "nightly"), hides("th", "Pool"), rows(25))
	if at := evaluate[string](t, ctx, `location.search`); at != "?state=SCHEDULED" {
		t.Errorf("the address is %s", at)
	}
	r.page("/runs").has("Pool · queue") // of another browser
}

func TestR8RowsAreReachedAndChosenByKeys(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	first := r.startRun("hello", `{"name":"first"}`)
	r.startRun("hello", `{"name":"second"}`)
	ctx := browser(t)
	do(t, ctx, "j, j, k, j and x", chromedp.Navigate(r.url+"/runs"), shows("table.runs td", "second"), shows("#chosen-count", "0 selected"),
		chromedp.KeyEvent("jjkjx"), shows("#chosen-count[role=status]", "1 selected"))
	if one := evaluate[bool](t, ctx, fmt.Sprintf(`document.querySelector('[value="%s"]').checked`, first.ID)); !one {
		t.Error("another row is chosen")
	}
	do(t, ctx, "x again", chromedp.KeyEvent("x"), shows("#chosen-count", "0 selected"), chromedp.KeyEvent("\r"))
	arrives(t, ctx, "Enter opens it", shows("h1", "first"))
}
