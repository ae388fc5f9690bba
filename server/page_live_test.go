package server_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

func TestN5ARunIsShownAsItHappens(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	run := r.startRun("hello", `{"name":"the <b>run"}`)
	proxy := newInterruptibleProxy(t, r)
	ctx := browser(t)
	do(t, ctx, "the run", chromedp.Navigate("http://"+proxy.address+"/runs/"+run.ID.String()),
		shows("h1", "the <b>run"), shows("#run-state .SCHEDULED", "Scheduled"), shows("#link", "live"))
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	do(t, ctx, "its begin", shows("#run-state .RUNNING", "Running"), shows("#attempts td", "w1"))

	proxy.stop()
	do(t, ctx, "the loss (G9)", shows("#link", "no connection"))
	proxy.start()
	do(t, ctx, "the return", shows("#link", "live"))
	w.finish(claim, 0, "")
	do(t, ctx, "its end", shows("#run-state .COMPLETED", "Completed"))
	if n := evaluate[int](t, ctx, `document.querySelectorAll("#events .SCHEDULED").length`); n != 1 {
		t.Errorf("the first event is shown %d times", n)
	}
	if title := evaluate[string](t, ctx, `document.title`); !strings.HasPrefix(title, "✓ the <b>run") { // N8
		t.Errorf("title %q", title)
	}
}

func TestN6CancelAsksInADialogAndIsDoneOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	ctx := browser(t)
	do(t, ctx, "sign in", chromedp.Navigate(r.url+"/runs/"+run.ID.String()), shows("h1", "Sign in"),
		chromedp.SetValue(chromedp.CSS("#key"), r.makeKey("operator", api.RoleOperator)), press("main form button"))
	arrives(t, ctx, "back at the run", shows("#run-actions a", "Cancel"))
	do(t, ctx, "the question", press("#run-actions [data-dialog]"), shows("dialog[open] h1", "Cancel"),
		chromedp.KeyEvent(kb.Escape), hides("dialog", "Cancel"), press("#run-actions [data-dialog]"),
		shows("dialog[open] h1", "Cancel"), press("dialog button.danger"))
	arrives(t, ctx, "the end", shows("#run-state .CANCELLED", "Cancelled"))
	do(t, ctx, "who did it", shows("#events .message", "cancelled by operator"))
	stored := evaluate[string](t, ctx, `JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie`)
	if strings.Contains(stored, "berth_") { // G11
		t.Errorf("the browser stores %s", stored)
	}
}

func TestR4ANewRunAppearsAndFocusStays(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	first := r.startRun("hello", `{"name":"first"}`)
	ctx := browser(t)
	do(t, ctx, "the list", chromedp.Navigate(r.url+"/runs"), shows("table.runs td", "first"), shows("#link", "live"))
	const focus = `document.activeElement.getAttribute("href") ?? ""`
	do(t, ctx, "the first row by keyboard (R8)", chromedp.KeyEvent("j"))
	if at := evaluate[string](t, ctx, focus); !strings.HasSuffix(at, first.ID.String()) {
		t.Fatalf("focus is at %q", at)
	}
	r.startRun("hello", `{"name":"second"}`)
	do(t, ctx, "a new run", shows("table.runs td", "second"), shows("#counts", "2 found"))
	if at := evaluate[string](t, ctx, focus); !strings.HasSuffix(at, first.ID.String()) {
		t.Errorf("the list lost the focus: %q", at)
	}
	do(t, ctx, "a text that is being typed", chromedp.SendKeys(chromedp.CSS(`[name=text]`), "sec"))
	r.startRun("hello", `{"name":"third"}`)
	do(t, ctx, "another run", shows("table.runs td", "third"))
	if typed := evaluate[string](t, ctx, `document.querySelector("[name=text]").value`); typed != "sec" {
		t.Errorf("what was typed is %q", typed)
	}
	do(t, ctx, "the filter", chromedp.KeyEvent("ond"+kb.Enter))
	arrives(t, ctx, "the filtered list", shows("#counts", "1 found"))
	do(t, ctx, "it is in the address (R1)", chromedp.Reload(), shows("#counts", "1 found"), hides("td", "third"))
}

func TestThePagesWorkBelowAPathOfAProxy(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	run := r.startRun("hello", `{"name":"the run"}`)
	target, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.ErrorLog = log.New(io.Discard, "", 0) // of streams that the page leaves
	proxy := httptest.NewServer(http.StripPrefix("/berth", forward))
	t.Cleanup(proxy.Close)
	ctx := browser(t)
	do(t, ctx, "below a path", chromedp.Navigate(proxy.URL+"/berth/runs/"+run.ID.String()), shows("h1", "Sign in"),
		chromedp.SetValue(chromedp.CSS("#key"), r.admin), press("main form button"))
	arrives(t, ctx, "the run there", shows("h1", "the run"))
	do(t, ctx, "it is live", shows("#link", "live"), press("#run-actions [data-dialog]"), shows("dialog[open] h1", "Cancel"),
		press("dialog button.danger"))
	arrives(t, ctx, "the end", shows("#run-state .CANCELLED", "Cancelled"))
	if at := evaluate[string](t, ctx, `location.pathname`); at != "/berth/runs/"+run.ID.String() {
		t.Errorf("the browser is at %s", at)
	}
}

func TestAPersonSignsInAndOutOnThePage(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	provider, address := oidctest.Start(t, people()...), freeAddress(t)
	provider.SignInAs("u-ada")
	r := start(t, func(o *server.Options) {
		o.Listen = address
		o.SignIn, o.AccessFile = signInTo(provider, "http://"+address), accessFile(t, testAccess)
	})
	do(t, ctx, "open the page", chromedp.Navigate(r.url+"/runs?state=FAILED"), shows("main", "Sign in with "+provider.HostOf()),
		press("main a.button"))
	arrives(t, ctx, "signed in, where the sign-in began", shows(".chips", "state: FAILED"))
	do(t, ctx, "as whom", press(".menu summary"), shows(".menu", "ada@example.com"), press(".menu form button"))
	// The browser goes on to the provider, which sends it back.
	arrives(t, ctx, "signed out here and at the provider", shows("main", "Sign in with "+provider.HostOf()))
}

func TestR6AViewIsKeptInTheBrowserAndPreferencesToo(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	r.startRun("hello", `{"name":"first"}`)
	ctx := browser(t)
	do(t, ctx, "a filter that is kept", chromedp.Navigate(r.url+"/runs?state=SCHEDULED&text=first"), press("#views-kept button"),
		chromedp.SendKeys(chromedp.CSS("#views-kept input"), "mine <b>"+kb.Enter), shows("#views-kept a", "mine <b>"))
	r.startRun("hello", `{"name":"second"}`)
	do(t, ctx, "it stays when the list changes", chromedp.Navigate(r.url+"/runs"), shows("#counts", "2 found"), shows("#views-kept a", "mine"))
	do(t, ctx, "it leads to its filter", press("#views-kept a"))
	arrives(t, ctx, "the filtered list", shows("#counts", "1 found"))
	do(t, ctx, "times in UTC and a dark page", press(".menu summary"), choose(".preference:nth-of-type(1) select", "dark"),
		choose(".preference:nth-of-type(2) select", "utc"), shows("td time", " UTC"), chromedp.Reload(), shows("td time", " UTC"))
	if theme := evaluate[string](t, ctx, `document.documentElement.dataset.theme`); theme != "dark" {
		t.Errorf("the theme is %q", theme)
	}
	do(t, ctx, "the view is forgotten", press("#views-kept button"), hides("#views-kept a", "mine"))
}

// choose selects an option as a visitor does.
func choose(selector, value string) step {
	return chromedp.PollFunction[chromedp.Void](
		`(selector, value) => { const one = document.querySelector(selector); one.value = value; one.dispatchEvent(new Event("change", { bubbles: true })); return true; }`,
		chromedp.WithPollingArgs(selector, value), chromedp.WithPollingTimeout(patience))
}

func TestAFormOfAServerWithoutKeysIsSent(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	ctx := browser(t)
	do(t, ctx, "the question on its page", chromedp.Navigate(r.url+"/runs/"+run.ID.String()+"/cancel"), press("main button.danger"))
	arrives(t, ctx, "the end", shows("#run-state .CANCELLED", "Cancelled"))
}
