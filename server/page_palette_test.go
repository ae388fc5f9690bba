package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/ui"
)

// typesInto replaces what a field has, as a visitor does.
func typesInto(selector, text string) step {
	return holds(`(selector, text) => {
		const field = document.querySelector(selector);
		if (!field) return false;
		field.value = text;
		field.dispatchEvent(new Event("input", {bubbles: true}));
		return true;
	}`, selector, text)
}

// slash presses the key alone: chromedp.KeyEvent would type the character besides, which a browser does not do once a page has
// taken the key. It is pressed again until the script of the page is there.
var slash = holds(`() => {
	if (!document.querySelector("dialog[open]")) {
		document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true, cancelable: true}));
	}
	return document.querySelector(".palette") !== null;
}`)

const paletteField = ".palette input"

// chosenOption waits until the option that Enter opens has a text.
func chosenOption(text string) step {
	return holds(`(text) => {
		const field = document.querySelector(".palette input");
		const option = document.getElementById(field?.getAttribute("aria-activedescendant") ?? "");
		return Boolean(option) && option.getAttribute("aria-selected") === "true" && option.textContent.includes(text);
	}`, text)
}

func needScripts(t *testing.T) {
	t.Helper()
	if !ui.Built() {
		testenv.Missing(t, "the scripts of the page are not built: run make page")
	}
}

func TestThePaletteFindsRunsDeploymentsPoolsAndPages(t *testing.T) {
	t.Parallel()
	needScripts(t)
	r := start(t, withoutKeys)
	r.deploy("sales-load", "")
	r.deploy("sales-report", "")
	run := r.startRun("sales-load", `{"name":"<b>steady-gull</b>"}`)
	ctx := browser(t)
	do(t, ctx, "note faults", notesFaults())
	do(t, ctx, "a page, and a place with the focus", chromedp.Navigate(r.url+"/deployments"),
		holds(`() => { document.querySelector("main a.row-link, main table a").focus(); return document.activeElement.matches("main a"); }`))
	before := evaluate[string](t, ctx, `document.activeElement.href`)
	do(t, ctx, "the pages before anything is typed", slash, shows(".palette [role=option]", "Overview"), chosenOption("Overview"))
	do(t, ctx, "deployments", chromedp.KeyEvent("sales"), shows(".palette [role=option]", "sales-report"), hides(".palette [role=option]", "Overview"))
	do(t, ctx, "the second by arrow", chosenOption("sales-load"), chromedp.KeyEvent(kb.ArrowDown), chosenOption("sales-report"),
		chromedp.KeyEvent(kb.ArrowDown), chosenOption("sales-load"))
	if n := evaluate[int](t, ctx, `document.querySelectorAll(".palette [role=option][aria-selected=true]").length`); n != 1 {
		t.Errorf("%d options are chosen", n)
	}
	do(t, ctx, "Escape", chromedp.KeyEvent(kb.Escape), holds(`() => document.querySelector(".palette") === null`))
	if at := evaluate[string](t, ctx, `document.activeElement.href ?? document.activeElement.outerHTML.slice(0, 100)`); at != before {
		t.Errorf("the focus is at %q, was at %q", at, before)
	}
	do(t, ctx, "by Ctrl K, a run by its name", holds(`() => { document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "k", ctrlKey: true, bubbles: true, cancelable: true})); return true; }`),
		typesInto(paletteField, "gull"), shows(".palette [role=option]", "<b>steady-gull</b>"), shows(".palette [role=option]", "Scheduled"))
	do(t, ctx, "by the beginning of its ID", typesInto(paletteField, run.ID.String()[:20]), shows(".palette [role=status]", "1 found"), chosenOption("steady-gull"))
	do(t, ctx, "by its whole ID", typesInto(paletteField, run.ID.String()), hides(".palette [role=option]", "sales-load"), chosenOption("steady-gull"))
	do(t, ctx, "a pool", typesInto(paletteField, "LOC"), chosenOption("local"))
	do(t, ctx, "nothing", typesInto(paletteField, "no such thing"), shows(".palette [role=status]", "Nothing is called like that"), holds(`() => document.querySelector(".palette ul").hidden`))
	do(t, ctx, "a page", typesInto(paletteField, "sched"), chosenOption("Schedules"), chromedp.KeyEvent(kb.Enter))
	arrives(t, ctx, "it is open", shows("h1", "Schedules"))
	do(t, ctx, "Enter before the answer", press("#find"), typesInto(paletteField, "steady-gull"), holds(`() => { document.querySelector(".palette input").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true})); return true; }`))
	arrives(t, ctx, "the run", shows("h1", "steady-gull"))
	if faults := evaluate[string](t, ctx, `faults.join("\n")`); faults != "" {
		t.Error(faults)
	}
}

// TestThePaletteShowsTheLastAnswer: the server answers an older question later.
func TestThePaletteShowsTheLastAnswer(t *testing.T) {
	t.Parallel()
	needScripts(t)
	r := start(t, withoutKeys)
	r.deploy("first", "")
	r.deploy("second", "")
	target, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	release, asked, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var questions atomic.Int32
	forward := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host }, FlushInterval: -1,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {}}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/search" {
			questions.Add(1)
		}
		if q.URL.Query().Get("q") == "first" {
			close(asked)
			select {
			case <-release:
			case <-q.Context().Done():
				close(left)
				return
			}
		}
		forward.ServeHTTP(w, q)
	}))
	t.Cleanup(proxy.Close)
	ctx := browser(t)
	do(t, ctx, "a slow question", chromedp.Navigate(proxy.URL+"/runs"), slash, shows(".palette [role=option]", "Overview"), typesInto(paletteField, "first"))
	<-asked
	do(t, ctx, "another", typesInto(paletteField, "second"), chosenOption("second"))
	<-left // the first is no longer asked for
	close(release)
	before := questions.Load()
	do(t, ctx, "keys in a row", typesInto(paletteField, "s"), typesInto(paletteField, "se"), typesInto(paletteField, "sec"), chosenOption("second"), shows(".palette [role=status]", "1 found"))
	if n := questions.Load() - before; n > 3 {
		t.Errorf("%d questions", n)
	}
}

func TestG3ThePaletteAndTheHelpAreAccessible(t *testing.T) {
	t.Parallel()
	needScripts(t)
	source := axe(t)
	r := start(t, withoutKeys)
	someWorld(r)
	ctx := browser(t)
	do(t, ctx, "note faults", notesFaults())
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 768, 320} {
			where := fmt.Sprintf("%s, %d", scheme, width)
			do(t, ctx, where, chromedp.EmulateViewport(width, 900), prefers(scheme), chromedp.Navigate(r.url+"/runs"), shows("h1", "Runs"),
				slash, typesInto(paletteField, "n"), shows(".palette [role=option]", "long-name"))
			accessible(t, ctx, source, "palette, "+where)
			if wide := evaluate[int](t, ctx, `Math.max(document.documentElement.scrollWidth - innerWidth, document.querySelector(".palette").scrollWidth - document.querySelector(".palette").clientWidth)`); wide > 0 {
				t.Errorf("%s: %d pixels too wide", where, wide)
			}
			do(t, ctx, where, chromedp.KeyEvent(kb.Escape), hides(".palette", ""), chromedp.KeyEvent("?"), shows(".help", "Keyboard shortcuts"))
			accessible(t, ctx, source, "help, "+where)
			if faults := evaluate[string](t, ctx, `faults.join("\n")`); faults != "" {
				t.Errorf("%s: %s", where, faults)
			}
		}
	}
}

func TestSingleLetterKeysWorkAndCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	needScripts(t)
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	r.startRun("hello", `{"name":"older"}`)
	newer := r.startRun("hello", `{"name":"newer"}`)
	ctx := browser(t)
	do(t, ctx, "the overview", chromedp.Navigate(r.url+"/"))
	for _, way := range []struct{ keys, heading string }{{"gr", "Runs"}, {"gd", "Deployments"}, {"gp", "Pools"}, {"gs", "Schedules"}, {"go", "Overview"}} {
		do(t, ctx, way.keys, chromedp.KeyEvent(way.keys))
		arrives(t, ctx, way.keys, shows("main h1", way.heading))
	}
	do(t, ctx, "rows", chromedp.Navigate(r.url+"/runs"), shows("td", "older"), chromedp.KeyEvent("jj"))
	at := func() string {
		return evaluate[string](t, ctx, `document.activeElement.textContent`)
	}
	if text := at(); text != "older" {
		t.Errorf("j leads to %q", text)
	}
	do(t, ctx, "back, and chosen", chromedp.KeyEvent("kx"))
	if text := at(); text != "newer" {
		t.Errorf("k leads to %q", text)
	}
	if chosen := evaluate[string](t, ctx, `[...document.querySelectorAll("main input[name=run]:checked")].map((one) => one.value).join()`); chosen != newer.ID.String() {
		t.Errorf("x has chosen %q", chosen)
	}
	do(t, ctx, "Enter", chromedp.KeyEvent(kb.Enter))
	arrives(t, ctx, "the run", shows("main h1", "newer"))

	do(t, ctx, "help", chromedp.KeyEvent("?"), shows(".help dt", "g r"))
	listed := evaluate[string](t, ctx, `[...document.querySelectorAll(".help kbd")].map((one) => one.textContent).join("|")`)
	for _, key := range []string{"/", "Ctrl K", "g o", "g r", "g d", "g p", "j", "k", "x", "Enter", "e", "?"} {
		if !strings.Contains("|"+listed+"|", "|"+key+"|") {
			t.Errorf("the help does not list %s: %s", key, listed)
		}
	}
	do(t, ctx, "turned off in the menu", chromedp.KeyEvent(kb.Escape), hides(".help", ""), press(".menu summary"), choose(".preference:nth-of-type(3) select", "off"), press(".menu summary"),
		holds(`() => { document.activeElement.blur(); return true; }`), chromedp.KeyEvent("?/gr"))
	if evaluate[bool](t, ctx, `document.querySelector("dialog") !== null || location.pathname.endsWith("/runs")`) {
		t.Error("a key works that was turned off")
	}
	do(t, ctx, "the help in the menu", press(".menu summary"), press(".menu .sheet > button"), shows(".help", "Single-letter keys are off"), chromedp.KeyEvent(kb.Escape),
		holds(`() => { document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "k", ctrlKey: true, bubbles: true, cancelable: true})); return true; }`),
		shows(".palette [role=option]", "Overview"))
}

func TestKeyELeadsToTheFirstErrorOfTheOutput(t *testing.T) {
	t.Parallel()
	p := newLogPage(t)
	p.begins(t, strings.Repeat("fine\n", 500)+"ERROR it broke\n"+strings.Repeat("fine\n", 500))
	p.opens(t, "", says("1,001 lines"), chromedp.KeyEvent("e"), row(501, "ERROR it broke"), holds(`() => location.hash === "#L501"`))
}
