package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/berth-dev/berth/server/api"
)

// geometry is where the parts of a page are that no name may move, and what it is called.
const geometry = `JSON.stringify([document.title, innerWidth, document.documentElement.scrollWidth > innerWidth,
	...[".top", ".top nav", "h1", "main form.filter", "main table thead"].map((one) => {
		const at = document.querySelector(one)?.getBoundingClientRect();
		return at && [at.left, at.top, at.right, at.height].map(Math.round);
	})])`

// TestG5NamesChangeNothingBesideThem: names that look like markup, are long, written from right to left, or have signs.
func TestG5NamesChangeNothingBesideThem(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", `,"tags":["plain"]`)
	plain := r.startRun("hello", `{"name":"plain"}`)
	ctx := browser(t)
	do(t, ctx, "note faults", notesFaults())
	paths := []string{"/runs", "/deployments", "/pools/local"}
	before := map[string]string{}
	look := func(visit func(where, now string)) {
		for _, width := range []int64{desk, telephone} {
			for _, path := range paths {
				do(t, ctx, path, chromedp.EmulateViewport(width, 900), chromedp.Navigate(r.url+path))
				visit(fmt.Sprintf("%s, %d", path, width), evaluate[string](t, ctx, geometry))
			}
		}
	}
	look(func(where, now string) { before[where] = now })

	names := []string{
		"<script>globalThis.faults.push('run')</script><img src=x onerror=faults.push(1)>", strings.Repeat("long", 50), "שלום עולם 7", "🚢⚓🛳️ 👩‍🚀",
		`"><b>bold</b>&lt;`, "</title><title>another", "a\u0301\u0301\u0301 stack",
	}
	r.deploy("odd", `,"tags":["<b>bold</b>"],"description":`+string(encode(t, strings.Join(names, " "))))
	for _, name := range names {
		run := r.startRun("odd", string(encode(t, map[string]string{"name": name})))
		do(t, ctx, name, chromedp.Navigate(r.url+"/runs/"+run.ID.String()), shows("h1", name))
		if title := evaluate[string](t, ctx, `document.title`); title != "○ "+name+" · Berth" {
			t.Errorf("the page of %q is called %q", name, title)
		}
		if faults := evaluate[string](t, ctx, `faults.join()`); faults != "" {
			t.Errorf("%q: %s", name, faults)
		}
	}
	look(func(where, now string) {
		// A row more moves no head of a column by a pixel; what the columns share may.
		if now != before[where] {
			t.Errorf("%s was\n%s, is\n%s", where, before[where], now)
		}
		if faults := evaluate[string](t, ctx, `faults.join()`); faults != "" {
			t.Errorf("%s: %s", where, faults)
		}
	})
	do(t, ctx, "a name beside others", chromedp.Navigate(r.url+"/runs"), shows("a", "שלום"))
	if bidi := evaluate[string](t, ctx, `getComputedStyle([...document.querySelectorAll("td a")].find((one) => one.textContent.includes("שלום"))).unicodeBidi`); bidi != "isolate" {
		t.Errorf("a name written from right to left turns what is beside it: %s", bidi)
	}
	do(t, ctx, "a plain one", chromedp.Navigate(r.url+"/runs/"+plain.ID.String()), shows("h1", "plain"))
	if title := evaluate[string](t, ctx, `document.title`); title != "○ plain · Berth" {
		t.Errorf("the page of another run is called %q", title)
	}
}

// counting is a proxy that counts the requests for a path.
type counting struct {
	url   string
	mu    sync.Mutex
	paths []string
}

func (r *running) counted() *counting {
	r.t.Helper()
	target, err := url.Parse(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &counting{}
	forward := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host
		}, FlushInterval: -1, Transport: r.http.Transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		c.mu.Lock()
		c.paths = append(c.paths, request.URL.Path)
		c.mu.Unlock()
		forward.ServeHTTP(w, request)
	}))
	r.t.Cleanup(proxy.CloseClientConnections)
	r.t.Cleanup(proxy.Close)
	c.url = proxy.URL
	return c
}

// since returns the requests after the first n.
func (c *counting) since(n int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.paths[n:])
}

// TestG7APageAsksOnlyWhenSomethingChanges: where nothing changes it asks once a minute, for what no change tells; where much
// changes, once a second; and where it is not seen, never.
func TestG7APageAsksOnlyWhenSomethingChanges(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.call(http.MethodPut, "/api/v1/variables/day", `{"value":0}`).is(http.StatusOK)
	c := r.counted()
	ctx := browser(t)
	do(t, ctx, "the page", chromedp.Navigate(c.url+"/variables"), shows("td", "day"), shows("#link", "live"))

	// Minutes pass within a moment.
	idle := len(c.since(0))
	const minutes = 5
	budget := float64(minutes * 60_000)
	passes := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetVirtualTimePolicy, emulation.SetVirtualTimePolicyParams{
			Policy: emulation.VirtualTimePolicyAdvance, Budget: &budget,
		})
		return err
	})
	do(t, ctx, "minutes", holds(`() => { window.begun = Date.now(); return true; }`), passes)
	// The browser's own waiting would be over within the same moment.
	for deadline := time.Now().Add(patience); evaluate[float64](t, ctx, `Date.now() - begun`) < budget-1000; {
		if time.Now().After(deadline) {
			t.Fatal("no time passes")
		}
	}
	asked := c.since(idle)
	t.Logf("%d requests in %d minutes", len(asked), minutes)
	if len(asked) > minutes || len(asked) == 0 {
		t.Errorf("%d requests in %d minutes: %v", len(asked), minutes, asked)
	}

	// A new tab, whose time is that of the machine.
	tab, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	do(t, tab, "another tab", chromedp.Navigate(c.url+"/variables"), shows("td", "day"), shows("#link", "live"))
	changes := func(lasting time.Duration) (n int, took time.Duration) {
		begun := time.Now()
		for ; time.Since(begun) < lasting; n++ {
			r.call(http.MethodPut, "/api/v1/variables/day", fmt.Sprintf(`{"value":%d}`, n+1)).is(http.StatusOK)
		}
		return n, time.Since(begun)
	}
	before := len(c.since(0))
	n, took := changes(4 * time.Second)
	do(t, tab, "the last value", holds(fmt.Sprintf(`() => document.querySelector("td details pre").textContent.trim() === "%d"`, n)))
	refreshes := len(c.since(before))
	t.Logf("%d changes in %s, %d refreshes", n, took, refreshes)
	if most := int(took.Seconds()) + 4; refreshes > most {
		t.Errorf("%d changes in %s lead to %d refreshes, want %d at most", n, took, refreshes, most)
	}

	const see = `(hidden) => { Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
		document.dispatchEvent(new Event("visibilitychange")); return true; }`
	do(t, tab, "it is hidden", holds(see, true))
	before = len(c.since(0))
	n, _ = changes(2 * time.Second)
	if hidden := c.since(before); len(hidden) > 0 {
		t.Errorf("a hidden page asks: %v", hidden)
	}
	do(t, tab, "it is seen", holds(see, false), holds(fmt.Sprintf(`() => document.querySelector("td details pre").textContent.trim() === "%d"`, n)))
}

// TestG9WhatIsTypedSurvivesTheLossOfTheServer: in a filter, a form and the editor; and nothing is shown twice.
func TestG9WhatIsTypedSurvivesTheLossOfTheServer(t *testing.T) {
	t.Parallel()
	r := withText(t)
	r.deploy("hello", `,"parameter_schema":{"type":"object","properties":{"text":{"type":"string"}}}`)
	w := r.newWorker("w1")
	run := r.startRun("hello", `{"name":"the run"}`)
	claim := w.claimOne()
	w.begin(claim)
	w.write(claim, 0, "the first line\n")
	proxy := newInterruptibleProxy(t, r)
	address := "http://" + proxy.address
	list := browser(t)
	do(t, list, "a filter", chromedp.Navigate(address+"/runs"), shows("#link", "live"), shows("td", "the run"),
		chromedp.SendKeys(chromedp.CSS("[name=text]"), "half a na"))
	tabs := map[string]context.Context{}
	for _, name := range []string{"form", "editor", "output"} {
		tab, closeTab := chromedp.NewContext(list)
		t.Cleanup(closeTab)
		tabs[name] = tab
	}
	do(t, tabs["form"], "a form", chromedp.Navigate(address+"/deployments/hello/run"), shows("h1", "Run hello"),
		chromedp.SendKeys(chromedp.CSS(`[name="/parameters/text"]`), "half a val"))
	mine := aText + "# half a comm\n"
	do(t, tabs["editor"], "the editor", chromedp.Navigate(address+"/pools/local/template"), ready, write(mine), shows("#verdict", "valid"))
	do(t, tabs["output"], "the output", chromedp.Navigate(address+"/runs/"+run.ID.String()), row(1, "the first line"), shows("#link", "live"))

	proxy.stop()
	begun := time.Now()
	do(t, list, "the loss", shows("#link", "no connection"))
	t.Logf("the loss is shown after %s", time.Since(begun).Round(time.Millisecond))
	w.write(claim, int64(len("the first line\n")), "the second line\n")
	r.startRun("hello", `{"name":"another"}`)
	proxy.start()
	begun = time.Now()
	do(t, list, "the return", shows("#link", "live"), shows("td", "another"))
	t.Logf("the return is shown after %s", time.Since(begun).Round(time.Millisecond))

	if typed := evaluate[string](t, list, `document.querySelector("[name=text]").value`); typed != "half a na" {
		t.Errorf("the filter has %q", typed)
	}
	if typed := evaluate[string](t, tabs["form"], `document.querySelector('[name="/parameters/text"]').value`); typed != "half a val" {
		t.Errorf("the form has %q", typed)
	}
	do(t, tabs["form"], "it is sent", press("button[value=run]"))
	arrives(t, tabs["form"], "the run of it", shows("#run-parameters", "half a val"))
	if text := evaluate[string](t, tabs["editor"], editorText); text != mine {
		t.Errorf("the editor has\n%s", text)
	}
	do(t, tabs["output"], "both lines once", chromedp.Reload(), row(2, "the second line"))
	for what, places := range map[string]string{"row": "tr[id]", "event": "#events li", "line": "#log .row"} {
		for _, tab := range []context.Context{list, tabs["output"]} {
			const twice = `(() => { const all = [...document.querySelectorAll("%s")].map((one) => one.id || one.dataset.line); return all.length - new Set(all).size; })()`
			if n := evaluate[int](t, tab, fmt.Sprintf(twice, places)); n != 0 {
				t.Errorf("a %s is shown twice", what)
			}
		}
	}
}

// tabsTo presses Tab until what has the focus matches, and returns how often it did.
func tabsTo(t *testing.T, ctx context.Context, selector string, most int) int {
	t.Helper()
	for n := 1; n <= most; n++ {
		do(t, ctx, "Tab", chromedp.KeyEvent(kb.Tab))
		if evaluate[bool](t, ctx, `document.activeElement.matches(`+"`"+selector+"`"+`)`) {
			return n
		}
	}
	t.Fatalf("%d presses of Tab do not lead to %s, but to %s", most, selector, evaluate[string](t, ctx, `document.activeElement.outerHTML.slice(0, 200)`))
	return 0
}

// TestG12TheFirstRowIsTwelveStopsAway on every list.
func TestG12TheFirstRowIsTwelveStopsAway(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	ctx := browser(t)
	lists := slices.DeleteFunc(someWorld(r), func(path string) bool {
		return !slices.Contains([]string{
			"/runs", "/deployments", "/schedules", "/schedules?view=week", "/schedules?view=month", "/pools", "/pools/local/template/versions", "/variables",
			"/keys", "/audit", "/approvals", "/rules",
		}, path)
	})
	for _, path := range lists {
		do(t, ctx, path, chromedp.Navigate(r.url+path), shows("main table", ""))
		stops := tabsTo(t, ctx, ".skip", 1)
		do(t, ctx, path, chromedp.KeyEvent("\r"))
		const row = "main tbody tr:first-child :is(td, th, a, button, input, summary), main tbody td, main tbody th a"
		for inRow := false; !inRow; {
			do(t, ctx, "Tab", chromedp.KeyEvent(kb.Tab))
			stops++
			if evaluate[bool](t, ctx, `document.activeElement.matches(".skip")`) {
				do(t, ctx, path, chromedp.KeyEvent("\r"))
			}
			inRow = evaluate[bool](t, ctx, `document.activeElement.matches("`+row+`")`)
			if stops > 12 {
				t.Errorf("%s: the first row is more than 12 stops away; the focus is at %s", path, evaluate[string](t, ctx, `document.activeElement.outerHTML.slice(0, 150)`))
				break
			}
		}
		t.Logf("%s: %d stops", path, stops)
	}
}

// TestG12TheStoriesNeedNoMouse: cancel a run, start one by its form, pause a pool and save a template, by keyboard alone.
func TestG12TheStoriesNeedNoMouse(t *testing.T) {
	t.Parallel()
	r := withText(t)
	r.deploy("hello", `,"parameter_schema":{"type":"object","properties":{"text":{"type":"string"},"all":{"type":"boolean","default":false}}}`)
	run := r.startRun("hello", `{"name":"the run"}`)
	ctx := browser(t)
	enter := chromedp.KeyEvent("\r")

	do(t, ctx, "the list", chromedp.Navigate(r.url+"/runs"), shows("td", "the run"), shows("#chosen-count", "0 selected"), chromedp.KeyEvent("j"), enter)
	arrives(t, ctx, "the run", shows("h1", "the run"))
	do(t, ctx, "it is live", shows("#link", "live"))
	tabsTo(t, ctx, `#run-actions a[href$="/cancel"]`, 40)
	do(t, ctx, "cancel", enter, shows("dialog[open] h1", "Cancel"))
	tabsTo(t, ctx, "dialog button.danger", 5)
	do(t, ctx, "yes", enter)
	arrives(t, ctx, "it is cancelled", shows("#run-state", "Cancelled"))

	do(t, ctx, "the form", chromedp.Navigate(r.url+"/deployments/hello/run"), shows("h1", "Run hello"))
	tabsTo(t, ctx, `[name="/parameters/text"]`, 40)
	do(t, ctx, "a value", chromedp.KeyEvent("by hand"), shows("#differs", "1 differ"))
	tabsTo(t, ctx, "button[value=run]", 60)
	do(t, ctx, "run", enter)
	arrives(t, ctx, "the new run", shows("#run-parameters", "by hand"))

	do(t, ctx, "the pool", chromedp.Navigate(r.url+"/pools/local"), shows("h1", "local"))
	tabsTo(t, ctx, `a[href$="/pools/local/pause"]`, 40)
	do(t, ctx, "pause", enter, shows("dialog[open] h1", "Pause"))
	tabsTo(t, ctx, "dialog [name=reason]", 5)
	do(t, ctx, "why", chromedp.KeyEvent("it rests\r"))
	arrives(t, ctx, "it is paused", shows("#paused", "it rests"))

	do(t, ctx, "the editor", chromedp.Navigate(r.url+"/pools/local/template"), ready, caret("# the jobs of the data team"), chromedp.KeyEvent(" here"), shows("#verdict", "valid"),
		holds(`() => !document.querySelector("#save").disabled`), chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Shift+kb.Tab))
	do(t, ctx, "to the top", holds(`() => { document.querySelector("#main").focus(); return true; }`))
	tabsTo(t, ctx, "#save", 20)
	do(t, ctx, "save", enter, shows("dialog[open]", "Save"), holds(`() => document.activeElement.closest("dialog") !== null`))
	tabsTo(t, ctx, "#save-now", 6)
	do(t, ctx, "now", enter, shows("#newest", "version 3"))
	if !strings.Contains(r.templateNow().Source, "# the jobs of the data team here") {
		t.Errorf("saved\n%s", r.templateNow().Source)
	}
	if got := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String(), "").is(http.StatusOK)); got.Run.State.Type != api.CANCELLED {
		t.Errorf("the run is %s", got.Run.State.Type)
	}
}

// steps goes through the browser's history until an expression is true. A page that the browser has kept is not loaded again, and
// the one that is left is kept as it is: what waits within either may never end, so each look is a call with its own time.
func steps(t *testing.T, ctx context.Context, way, until string) {
	t.Helper()
	look := func(expression string) bool {
		soon, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		is, err := chromedp.Run(soon, chromedp.Evaluate[bool](expression))
		return err == nil && is
	}
	look(`(history.` + way + `(), true)`)
	for deadline := time.Now().Add(patience); !look(until); {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not lead to where %s", way, until)
		}
	}
}

// TestG13BackAndForwardRestoreFilterPageAndScroll.
func TestG13BackAndForwardRestoreFilterPageAndScroll(t *testing.T) {
	t.Parallel()
	r := withText(t)
	r.deploy("hello", "")
	for i := range 60 {
		r.startRun("hello", fmt.Sprintf(`{"name":"run %02d"}`, i))
	}
	ctx := browser(t)
	do(t, ctx, "the first page", chromedp.Navigate(r.url+"/runs?state=SCHEDULED&limit=25"), shows("td", "run 59"), press("a[rel=next]"))
	arrives(t, ctx, "the second page", shows("td", "run 34"))
	second := evaluate[string](t, ctx, "location.href")
	do(t, ctx, "scrolled", holds(`() => { scrollTo(0, 400); return scrollY === 400; }`), press(`tr:nth-child(20) a.row-link`))
	arrives(t, ctx, "a run", shows("h1", "run 15"))
	const there = `Math.abs(scrollY - 400) < 5 && !document.body.textContent.includes("run 59") && document.querySelector(".chips[aria-label=Filter]")?.textContent.includes("state: SCHEDULED") && location.href === "%s"`
	steps(t, ctx, "back", fmt.Sprintf(there, second))
	steps(t, ctx, "back", `document.body.textContent.includes("run 59")`)
	steps(t, ctx, "forward", fmt.Sprintf(there, second))

	do(t, ctx, "a tab of the editor", chromedp.Navigate(r.url+"/pools/local/template"), ready, press("#tab-history"), shows("#pane-history", "2"))
	do(t, ctx, "another page", chromedp.Navigate(r.url+"/about"), shows("h1", "About"))
	steps(t, ctx, "back", `document.querySelector("#pane-history")?.checkVisibility() === true`)
}
