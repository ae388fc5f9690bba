package explain_test

import (
	"testing"
	"time"

	"github.com/berth-dev/berth/server/explain"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func TestBriefSaysWhatARunWaitsFor(t *testing.T) {
	t.Parallel()
	limited := func(n int32) store.ClaimGate { return store.ClaimGate{Name: "x", Limit: &n, Used: n} }
	paused := store.ClaimGate{Name: "x", Paused: true}
	for name, c := range map[string]struct {
		gates store.ClaimGates
		ahead int
		want  string
	}{
		"a worker":                     {want: "waits for a worker"},
		"its turn":                     {ahead: 37, want: "37 ahead"},
		"a turn far off":               {ahead: store.AheadListedMax, want: "100 or more ahead"},
		"the limit of the deployment":  {gates: store.ClaimGates{Deployment: limited(4)}, ahead: 37, want: "limit 4 of 4, 37 ahead"},
		"the narrowest limit":          {gates: store.ClaimGates{Queue: limited(2), Pool: limited(8)}, want: "queue limit 2 of 2"},
		"the limit of the pool":        {gates: store.ClaimGates{Pool: limited(8)}, ahead: 1, want: "work pool limit 8 of 8, 1 ahead"},
		"the widest pause":             {gates: store.ClaimGates{Pool: paused, Deployment: paused}, want: "work pool paused"},
		"a pause, whatever its limit":  {gates: store.ClaimGates{Queue: paused, Deployment: limited(1)}, want: "queue paused"},
		"a deployment that is paused":  {gates: store.ClaimGates{Deployment: paused}, want: "deployment paused"},
		"a worker that there is not":   {gates: store.ClaimGates{Workers: store.NoWorker}, want: "no live worker"},
		"workers that are paused":      {gates: store.ClaimGates{Workers: store.WorkersPaused}, ahead: 2, want: "all workers paused, 2 ahead"},
		"a limit, although none lives": {gates: store.ClaimGates{Deployment: limited(0), Workers: store.NoWorker}, want: "limit 0 of 0"},
	} {
		if c.gates.Workers == store.NoWorker && c.want != "no live worker" {
			c.gates.Workers = store.WorkersClaim
		}
		facts := runFacts()
		if got := explain.Brief(facts.Run, c.gates, c.ahead, now); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	later := runFacts(inState(lifecycle.Scheduled, "AwaitingRetry", "")).Run
	later.Attempt, later.DueAt = 1, now.Add(30*time.Second)
	if got := explain.Brief(later, store.ClaimGates{}, 0, now); got != "attempt 2 in 30s" {
		t.Errorf("before a retry: %q", got)
	}
	later.State.Name = "Scheduled"
	if got := explain.Brief(later, store.ClaimGates{}, 0, now); got != "" {
		t.Errorf("before its scheduled time: %q", got)
	}
	running := runFacts(inState(lifecycle.Running, "Running", "")).Run
	if got := explain.Brief(running, store.ClaimGates{}, 0, now); got != "" {
		t.Errorf("of a run that runs: %q", got)
	}
}
