package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/server/api"
)

// someIndexes are those of an Indexed Job under way.
func someIndexes() *api.AttemptIndexes {
	return &api.AttemptIndexes{
		Total: 5, Succeeded: 2, Failed: 1, SucceededIndexes: new("0-1"), FailedIndexes: new("3"),
		Failures: &[]api.IndexFailure{{
			Index: 3, Category: api.CategoryApp, ExitCode: new(int32(4)), Message: new(`container "job" exited with code 4`),
		}},
	}
}

func TestTheIndexesOfAnAttemptAreShownAsReportedLast(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	run := r.startRun("hello", `{"name":"indexed"}`)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	shown := func() *api.AttemptIndexes {
		detail := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String(), "").is(http.StatusOK))
		return detail.Attempts[0].Indexes
	}
	if got := shown(); got != nil {
		t.Errorf("an attempt of which no indexes were reported has %+v", got)
	}
	w.see(claim, api.ReportKindRunning, func(r *api.Report) { r.Indexes = someIndexes() })
	if diff := cmp.Diff(someIndexes(), shown()); diff != "" {
		t.Errorf("while it runs (-want +got):\n%s", diff)
	}
	last := someIndexes()
	last.Succeeded, last.SucceededIndexes = 4, new("0-2,4")
	long := *last
	long.Failures = &[]api.IndexFailure{{Index: 3, Category: api.CategoryApp, Message: new(strings.Repeat("x", 3000))}}
	w.see(claim, api.ReportKindEnded, func(r *api.Report) {
		r.Succeeded, r.Category, r.Indexes = new(false), new(api.CategoryApp), &long
	})
	(*last.Failures)[0] = api.IndexFailure{Index: 3, Category: api.CategoryApp, Message: new(strings.Repeat("x", 1024) + "…")}
	if diff := cmp.Diff(last, shown()); diff != "" {
		t.Errorf("after its end (-want +got):\n%s", diff)
	}
}
