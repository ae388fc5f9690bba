package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

// TestUIShowsTheNewestEventsAndEarlierOnesOnRequest: a run can have thousands.
func TestUIShowsTheNewestEventsAndEarlierOnesOnRequest(t *testing.T) {
	r := start(t)
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	w := r.newWorker("w")
	claim := w.claimOne()
	w.see(claim, api.ReportKindManifest,
		func(report *api.Report) { report.Manifest = json.RawMessage(`{"apiVersion":"batch/v1","kind":"Job"}`) })
	for i := range 120 {
		w.see(claim, api.ReportKindPending, func(report *api.Report) {
			diagnosis := fmt.Sprintf("reason %d.", i)
			report.Diagnosis = &diagnosis
		})
	}
	ctx := browser(t)
	count := `document.querySelectorAll("#events li").length`
	do(t, ctx, "the newest events", chromedp.Navigate(r.url+"/#/runs/"+run.ID.String()),
		chromedp.WaitVisible(chromedp.CSS("#login[open] #key")), chromedp.SetValue(chromedp.CSS("#key"), r.admin),
		chromedp.Click(chromedp.CSS("#login-form button")),
		shows("#events li:first-child .message", "reason 119."))
	if n := evaluate[int](t, ctx, count); n != 100 {
		t.Errorf("%d events are shown, want 100", n)
	}
	w.see(claim, api.ReportKindRunning, nil)
	do(t, ctx, "it above the others", shows("#events li:first-child .state", "Running"))
	do(t, ctx, "earlier events", press("#events-earlier"), shows("#events li:last-child .state", "Scheduled"))
	all := read[api.RunEventList](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/events?limit=500",
		"").is(http.StatusOK)).Items
	if n := evaluate[int](t, ctx, count); n != len(all) {
		t.Errorf("%d events are shown, want all %d", n, len(all))
	}
}
