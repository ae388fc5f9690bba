package server_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

func TestARunIsCancelledAndRetriedOnThePage(t *testing.T) {
	r := start(t)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	path := "/api/v1/runs/" + run.ID.String()
	stateOf := func() api.StateType {
		return read[api.RunDetail](r.call(http.MethodGet, path, "").is(http.StatusOK)).Run.State.Type
	}
	ctx := browser(t)
	login := func(key string) step {
		return chromedp.SetValue(chromedp.CSS("#key"), key)
	}
	press := chromedp.Click(chromedp.CSS("#run-actions button"))
	enter := chromedp.Click(chromedp.CSS("#login-form button"))
	do(t, ctx, "a run, seen by who may only look", chromedp.Navigate(r.url+"/#/runs/"+run.ID.String()), chromedp.WaitVisible(chromedp.CSS("#login[open] #key")),
		login(r.makeKey("looks", api.RoleViewer)), enter, shows("#run-actions button", "Cancel"), press, shows("#run-actions button", "Really cancel?"))
	if got := stateOf(); got != api.SCHEDULED {
		t.Errorf("one click made the run %s", got)
	}
	do(t, ctx, "the refusal", press, shows("#problem", "viewer"))
	if got := stateOf(); got != api.SCHEDULED {
		t.Errorf("a viewer made the run %s", got)
	}
	do(t, ctx, "the same by an operator", chromedp.Evaluate[chromedp.Void](`void sessionStorage.clear()`), chromedp.Reload(),
		chromedp.WaitVisible(chromedp.CSS("#login[open] #key")), login(r.makeKey("acts", api.RoleOperator)), enter,
		shows("#run-actions button", "Cancel"), press, shows("#run-actions button", "Really"), press, shows("#run-state .CANCELLED", "Cancelled"))
	if got := stateOf(); got != api.CANCELLED {
		t.Errorf("the run is %s", got)
	}
	do(t, ctx, "another try", shows("#run-actions button", "Retry"), press, shows("#run-state .SCHEDULED", "Scheduled"), shows("#run-actions button", "Cancel"),
		shows("#events .message", "retried by acts"))
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	w.finish(claim, 0, "")
	do(t, ctx, "the end", shows("#run-state .COMPLETED", "Completed"), chromedp.WaitNotPresent(chromedp.CSS("#run-actions button")))
}
