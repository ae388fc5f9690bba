package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

// TestG8FourteenTabsOfLiveRunsAllShow: over HTTP/1.1 a browser opens six connections to a server, so that a stream for each
// tab would stop the seventh.
func TestG8FourteenTabsOfLiveRunsAllShow(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	run := r.startRun("hello", `{"name":"the run"}`)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	first := browser(t)
	address := r.url + "/runs/" + run.ID.String()
	tabs := []context.Context{first}
	do(t, first, "the first tab", chromedp.Navigate(address), shows("#link", "live"))
	for range 13 {
		tab, closeTab := chromedp.NewContext(first)
		t.Cleanup(closeTab)
		do(t, tab, "another tab", chromedp.Navigate(address), shows("#run-state", "Running"), shows("#link", "live"))
		tabs = append(tabs, tab)
	}
	w.finish(claim, 0, "")
	do(t, tabs[len(tabs)-1], "the end in the last tab", shows("#run-state", "Completed"))
	do(t, first, "the end in the first tab, once it is seen", chromedp.Reload(), shows("#run-state", "Completed"))
	if got := r.page("/runs/" + run.ID.String()).is(http.StatusOK); got.header.Get("Content-Security-Policy") == "" {
		t.Error("the page has no policy")
	}
}

// TestG11SignOutEndsAllTabs: what other tabs show goes with the session, also where it was ended elsewhere.
func TestG11SignOutEndsAllTabs(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	key := r.makeKey("me", api.RoleViewer)
	first := browser(t)
	do(t, first, "a tab", chromedp.Navigate(r.url+"/session"))
	second, closeTab := chromedp.NewContext(first)
	t.Cleanup(closeTab)
	third, closeTab := chromedp.NewContext(first)
	t.Cleanup(closeTab)
	signIn := func() {
		t.Helper()
		do(t, first, "sign in", chromedp.Navigate(r.url+"/session"), chromedp.SendKeys(chromedp.CSS("#key"), key), press("main button"))
		arrives(t, first, "the overview", shows("h1", "Overview"))
		do(t, second, "another tab", chromedp.Navigate(r.url+"/deployments/hello#schedules"), shows("#link", "live"))
		do(t, third, "a tab that shows nothing that changes", chromedp.Navigate(r.url+"/search?q=hello"), shows("main", "hello"))
	}
	signIn()
	do(t, first, "sign out", chromedp.Evaluate[chromedp.Void](`void document.querySelector('form[action$="session/end"] button').click()`))
	arrives(t, first, "signed out", shows("h1", "Signed out"))
	arrives(t, second, "the sign-in", shows("h1", "Sign in"))
	arrives(t, third, "the sign-in in the third tab", shows("h1", "Sign in"))
	if to := evaluate[string](t, second, `document.querySelector("[name=to]").value`); to != "deployments/hello" {
		t.Errorf("the other tab returns to %q", to)
	}
	signIn()
	_, rest, _ := strings.Cut(key, "_")
	id, _, _ := strings.Cut(rest, "_")
	r.call(http.MethodDelete, "/api/v1/api-keys/"+id, "").is(http.StatusNoContent)
	arrives(t, second, "the sign-in after the key was revoked", shows("h1", "Sign in"))
	arrives(t, first, "the sign-in of the first tab", shows("h1", "Sign in"))
	arrives(t, third, "the sign-in of the third tab", shows("h1", "Sign in"))
}
