package server_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

func TestUICancelsAndRetriesARun(t *testing.T) {
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
	do(t, ctx, "a run, opened by a viewer", chromedp.Navigate(r.url+"/#/runs/"+run.ID.String()),
		chromedp.WaitVisible(chromedp.CSS("#login[open] #key")),
		login(r.makeKey("viewer", api.RoleViewer)), enter, shows("#run-actions button",
			"Cancel"), chromedp.WaitVisible(chromedp.CSS("#run-actions button:disabled")),
		shows("#run-actions", "Your role in work pool local does not allow this"))
	do(t, ctx, "the deployment, opened by a viewer", chromedp.Navigate(r.url+"/#/deployments/hello"),
		chromedp.WaitVisible(chromedp.CSS("#deployment-form button:disabled")),
		shows("#deployment-refusal", "does not allow you to start runs"),
		chromedp.Navigate(r.url+"/#/runs/"+run.ID.String()))
	do(t, ctx, "the cancel by an operator", chromedp.Evaluate[chromedp.Void](`void sessionStorage.clear()`),
		chromedp.Reload(),
		chromedp.WaitVisible(chromedp.CSS("#login[open] #key")),
		login(r.makeKey("operator", api.RoleOperator)), enter,
		shows("#run-actions button", "Cancel"), press, shows("#run-actions button",
			"Confirm"), press, shows("#run-state .CANCELLED", "Cancelled"))
	if got := stateOf(); got != api.CANCELLED {
		t.Errorf("state = %s, want CANCELLED", got)
	}
	do(t, ctx, "the retry", shows("#run-actions button", "Retry"), press,
		shows("#run-state .SCHEDULED", "Scheduled"), shows("#run-actions button", "Cancel"),
		shows("#events .message", "retried by operator"))
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	w.finish(claim, 0, "")
	do(t, ctx, "the end", shows("#run-state .COMPLETED", "Completed"),
		chromedp.WaitNotPresent(chromedp.CSS("#run-actions button")))
}
