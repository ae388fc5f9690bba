package server_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
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
