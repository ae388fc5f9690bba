package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

// hides waits until no visible element has the text.
func hides(selector, text string) step {
	return chromedp.PollFunction[chromedp.Void](
		`(selector, text) => ![...document.querySelectorAll(selector)].some((one) => one.checkVisibility() && one.textContent.includes(text))`,
		chromedp.WithPollingArgs(selector, text),
		chromedp.WithPollingTimeout(patience),
	)
}

func TestUIFiltersRuns(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	for i := range 30 {
		r.startRun("hello", fmt.Sprintf(`{"name":"run %02d"}`, i))
	}
	run := r.startRun("hello", `{"name":"the odd one"}`)
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "").is(http.StatusOK)
	ctx := browser(t)
	older, newer := chromedp.Click(chromedp.CSS("#runs-older")), chromedp.Click(chromedp.CSS("#runs-newer"))
	do(t, ctx, "the newest", chromedp.Navigate(r.url+"/"), shows("#runs td", "the odd one"),
		hides("#runs td", "run 03"))
	do(t, ctx, "older ones", older, shows("#runs td", "run 00"), hides("#runs td", "the odd one"))
	do(t, ctx, "back to the newest", newer, shows("#runs td", "the odd one"))
	do(t, ctx, "by state", chromedp.SetValue(chromedp.CSS("#runs-filter select"), "CANCELLED"),
		input("#runs-filter select"),
		hides("#runs td", "run 2"), shows("#runs td", "the odd one"))
	do(t, ctx, "unfinished runs", chromedp.SetValue(chromedp.CSS("#runs-filter select"), "live"),
		input("#runs-filter select"),
		shows("#runs td", "run 29"), hides("#runs td", "the odd one"))
	do(t, ctx, "by text", chromedp.SendKeys(chromedp.CSS("#runs-filter input"), "run 17"),
		hides("#runs td", "run 18"), shows("#runs td", "run 17"))
	do(t, ctx, "the filter stays while a run is shown", press("#runs a"), shows("#run-title", "run 17"),
		chromedp.Click(chromedp.CSS("#run a")), shows("#runs td", "run 17"), hides("#runs td", "run 18"))
	do(t, ctx, "no match", chromedp.SendKeys(chromedp.CSS("#runs-filter input"), "00"),
		shows("#runs-none", "No run matches"), hides("#runs-empty", "No run"))
}

func TestUISaysHowFarItHasSearched(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	r.startRun("hello", `{"name":"the odd one"}`)
	for range 5 {
		body := `{"runs":[{}` + strings.Repeat(",{}", 499) + `]}`
		r.call(http.MethodPost, "/api/v1/deployments/hello/runs/bulk", body).is(http.StatusOK)
	}
	ctx := browser(t)
	do(t, ctx, "a text that none of the newest has", chromedp.Navigate(r.url+"/"), shows("#runs td", "hello"),
		chromedp.SendKeys(chromedp.CSS("#runs-filter input"), "the odd one"),
		shows("#runs-searched", "No run matches so far: searched back to"), hides("#runs-none", "No run"))
	do(t, ctx, "searching on", chromedp.Click(chromedp.CSS("#runs-older")), shows("#runs td", "the odd one"),
		hides("#runs-searched", "searched"))
}

// input dispatches the event that a browser sends when the user changes a field.
func input(selector string) step {
	return chromedp.PollFunction[chromedp.Void](
		`(selector) => document.querySelector(selector).dispatchEvent(new Event("input", { bubbles: true }))`,
		chromedp.WithPollingArgs(selector), chromedp.WithPollingTimeout(patience))
}

func TestUIShowsAPool(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	r.startRun("hello", `{"name":"the run"}`)
	ctx := browser(t)
	do(t, ctx, "the pool", chromedp.Navigate(r.url+"/"), shows("#pools a", "local"), press("#pools a"),
		shows("#pool-title", "Work pool local"), shows("#pool-queues td", "default"),
		shows("#pool-start", "berth worker start --pool local"),
		shows("#pool-runs a", "the run"), shows("#pool-template-facts",
			"Version 1, saved"), shows("#pool-template", `"job_configuration": {`))
	r.newWorker("w1").claimOne()
	do(t, ctx, "its worker, without a reload", shows("#pool-workers td", "w1"),
		shows("#pool-workers .state", "Alive"), hides("#pool-start", "berth"))
	do(t, ctx, "an unknown pool", chromedp.Navigate(r.url+"/#/pools/nowhere"), shows("#problem", "nowhere"))
	do(t, ctx, "an unknown run", chromedp.Navigate(r.url+"/#/runs/0197a1de-7f10-7a02-8b1e-91c4a7d3e001"),
		shows("#problem", "0197a1de"), hides("#run h3", "Output"))
}

func TestUIShowsTheAttemptsOfARun(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", `,"retries":{"max":1}`)
	run := r.startRun("hello", `{"name":"the run"}`)
	w := r.newWorker("w1")
	ctx := browser(t)
	claim := w.claimOne()
	w.begin(claim)
	do(t, ctx, "the first attempt", chromedp.Navigate(r.url+"/#/runs/"+run.ID.String()),
		shows("#attempts td", "w1"))
	w.write(claim, 0, "no newline")
	w.finish(claim, 3, "no newline")
	again := w.claimOne()
	w.begin(again)
	w.write(again, 0, "hello again\n")
	do(t, ctx, "its output, by attempt", shows("#log", "no newline\n── attempt 2 ──\nhello again\n"),
		shows("#attempts td", "2"), shows("#attempts td", "app"))
	w.see(again, api.ReportKindRunning, func(r *api.Report) { r.Node, r.Indexes = new("n1"), &api.AttemptIndexes{Total: 5} })
	do(t, ctx, "an attempt of which no index has ended", shows("#attempts td", "0 of 5 indexes succeeded"))
	w.see(again, api.ReportKindRunning, func(r *api.Report) { r.Node, r.Indexes = new("n1"), someIndexes() })
	do(t, ctx, "its indexes, without another state", shows("#attempts td", "2 of 5 indexes succeeded (0-1), 1 failed (3)"),
		shows("#attempts td", `index 3: container "job" exited with code 4`))
	do(t, ctx, "the manifest", chromedp.Click(chromedp.CSS("#manifest summary")),
		shows("#manifest pre", `"kind": "Job"`))
}
