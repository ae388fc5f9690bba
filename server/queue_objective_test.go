package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// TestAnObjectiveOfAQueueIsSetEverywhereAndShownByTheMetrics sets it by the API and by a file, and removes it.
func TestAnObjectiveOfAQueueIsSetEverywhereAndShownByTheMetrics(t *testing.T) {
	t.Parallel()
	r := start(t)
	const queue = "/api/v1/work-pools/local/queues"
	objective := func() string {
		t.Helper()
		q := read[api.WorkQueue](r.call(http.MethodGet, queue+"/slow", "").is(http.StatusOK))
		if q.Objective == nil {
			return ""
		}
		return *q.Objective
	}
	r.call(http.MethodPost, queue, `{"name":"slow","objective":"90m"}`).is(http.StatusCreated)
	if got := objective(); got != "90m" {
		t.Errorf("created with %q", got)
	}
	if m := string(r.call(http.MethodGet, "/metrics", "").is(http.StatusOK).body); !strings.Contains(m,
		`berth_queue_objective_seconds{pool="local",queue="slow"} 5400`) {
		t.Error("the metrics do not show the objective")
	}
	r.call(http.MethodPatch, queue+"/slow", `{"objective":"120s"}`).is(http.StatusOK)
	if got := objective(); got != "2m" {
		t.Errorf("changed to %q", got)
	}
	r.call(http.MethodPatch, queue+"/slow", `{"priority":7}`).is(http.StatusOK)
	if got := objective(); got != "2m" {
		t.Errorf("after another change it is %q", got)
	}
	r.call(http.MethodPatch, queue+"/slow", `{"no_objective":true}`).is(http.StatusOK)
	if got := objective(); got != "" {
		t.Errorf("removed, it is %q", got)
	}
	file := func(objective string) string {
		return `{"pools":[{"name":"local","queues":[{"name":"slow"` + objective + `}]}]}`
	}
	r.applies(file(`,"objective":"5m"`), "unchanged pool local", "update queue local/slow objective")
	r.applies(file(`,"objective":"300s"`), "unchanged pool local", "unchanged queue local/slow")
	r.applies(file(""), "unchanged pool local", "unchanged queue local/slow")
	if got := objective(); got != "5m" {
		t.Errorf("by a file it is %q", got)
	}
	r.applies(file(`,"objective":null`), "unchanged pool local", "update queue local/slow objective")
	if got := objective(); got != "" {
		t.Errorf("removed by a file, it is %q", got)
	}
	for _, wrong := range []string{`{"objective":"5"}`, `{"objective":"0m"}`, `{"objective":"5 minutes"}`, `{"objective":"5m","no_objective":true}`} {
		r.call(http.MethodPatch, queue+"/slow", wrong).is(http.StatusBadRequest)
	}
}
