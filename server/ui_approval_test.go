package server_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

// TestUIShowsAndDecidesApprovals lets a reviewer find, read, reject and approve what waits, and a deployer see
// it without the buttons.
func TestUIShowsAndDecidesApprovals(t *testing.T) {
	g := newGoverned(start(t), allApprovals)
	first := g.needs(g.deploys(g.ci, "1"))
	ctx := browser(t)
	as := func(key string) []step {
		return []step{
			chromedp.Navigate(g.url + "/"), chromedp.Evaluate[chromedp.Void](`void sessionStorage.clear()`), chromedp.Reload(),
			chromedp.WaitVisible(chromedp.CSS("#login[open] #key")), chromedp.SetValue(chromedp.CSS("#key"), key),
			chromedp.Click(chromedp.CSS("#login-form button")),
		}
	}
	do(t, ctx, "a deployer signs in", as(g.ci)...)
	do(t, ctx, "what waits, seen by who asked", shows("#waiting", "1 change waits for an approval: local (1)"),
		shows("#pools td .tag", "1 to approve"), press("#waiting a"),
		shows("#pool-policy", "need the approval of another person with role editor or higher"),
		press("#pool-approvals a"), shows("#approval-title", "create deployment etl"),
		shows("#approval-plan .add", `+version: "1"`), shows("#approval-refusal", "may not decide about this request"),
		chromedp.WaitNotVisible(chromedp.CSS("#approval-approve")), chromedp.WaitVisible(chromedp.CSS("#approval-withdraw")))

	do(t, ctx, "a reviewer signs in", as(g.ada)...)
	do(t, ctx, "the request", shows("#waiting", "1 change"), press("#waiting a"), press("#pool-approvals a"),
		shows("#approval-state .PENDING", "Open"), chromedp.WaitVisible(chromedp.CSS("#approval-approve")),
		chromedp.WaitNotVisible(chromedp.CSS("#approval-withdraw")))
	do(t, ctx, "a rejection without a reason", press("#approval-reject"), shows("#approval-about", "asked by ci"),
		press("#approval-confirm"), shows("#approval-problem", "Give a reason"), press("#approval-cancel"))
	if open := g.look(first); open.State != api.ApprovalOpen {
		t.Errorf("it is %s", open.State)
	}
	do(t, ctx, "the approval", press("#approval-approve"), shows("#approval-question", "Approve this plan?"))
	do(t, ctx, "its confirmation", chromedp.SetValue(chromedp.CSS("#approval-reason"), "fine"), press("#approval-confirm"),
		shows("#approval-state .COMPLETED", "Approved"), shows("#approval-next", "can send the change again"),
		shows("#approval-facts dd", "fine"), chromedp.WaitNotVisible(chromedp.CSS("#approval-approve")))
	g.deploys(g.ci, "1").is(http.StatusOK)
	do(t, ctx, "its use, without a reload", shows("#approval-state .SCHEDULED", "Used"))

	g.as(g.boss, http.MethodPost, "/api/v1/apply?break_glass=production+is+down", aDeployment("2")).is(http.StatusOK)
	g.needs(g.deploys(g.ci, "3"))
	do(t, ctx, "the pool with what was done without an approval", chromedp.Navigate(g.url+"/#/pools/local"),
		shows("#pool-approvals .CRASHED", "Without approval"), shows("#pool-approvals td", "production is down"))
	do(t, ctx, "the rejection", press(`#pool-approvals tr:first-child a`), shows("#approval-plan .add", `+version: "3"`),
		press("#approval-reject"), chromedp.SetValue(chromedp.CSS("#approval-reason"), "not scanned"), press("#approval-confirm"),
		shows("#approval-state .FAILED", "Rejected"), shows("#approval-facts dd", "not scanned"))
}
