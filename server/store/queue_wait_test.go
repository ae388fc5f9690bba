package store_test

import (
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
)

func TestAQueueSaysWhatWaitsInIt(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.createQueue(store.Queue{Pool: "p", Name: "empty", Priority: 2}, actor)
		w.deployment("open", "p")
		w.deployment("narrow", "p", func(d *store.Deployment) { d.ConcurrencyLimit = ptr(int32(1)) })
		first := w.run("narrow")
		w.Advance(time.Hour)
		w.run("narrow")
		w.run("open")
		w.run("open")
		waits := func() map[string]store.QueueWait {
			byID, err := w.ListQueueWaits(t.Context(), "p")
			w.check(err)
			named := map[string]store.QueueWait{}
			for _, q := range w.listQueues("p") {
				named[q.Name] = byID[q.ID]
			}
			return named
		}
		got := waits()
		if d := got["default"]; d.Waiting != 4 || d.Oldest == nil || d.Oldest.Sub(first.CreatedAt).Abs() > time.Minute {
			t.Errorf("default: %+v, the first run is from %s", d, first.CreatedAt)
		}
		if e := got["empty"]; e.Waiting != 0 || e.Oldest != nil {
			t.Errorf("empty: %+v", e)
		}
		w.claim(request("p", "w", 1)) // the oldest
		if d := waits()["default"]; d.Waiting != 3 || d.Oldest == nil || d.Oldest.Sub(first.CreatedAt) < 59*time.Minute {
			t.Errorf("after a claim: %+v", d)
		}
	})
}

func TestAQueueSaysHowLongRunsWaitedInIt(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.createQueue(store.Queue{Pool: "p", Name: "empty", Priority: 2}, actor)
		w.deployment("d", "p")
		w.runs("d", 20)
		w.Advance(time.Minute)
		for _, c := range w.claim(request("p", "w", 18)) {
			w.accepts(running(c), succeeded(c))
		}
		w.check(w.RollUpRuns(t.Context()))
		w.Advance(9 * time.Minute)
		for _, c := range w.claim(request("p", "w", 2)) { // these are not rolled up
			w.accepts(running(c), succeeded(c))
		}
		lately := func(queue string) store.Percentiles {
			waits, err := w.ListQueueWaits(t.Context(), "p")
			w.check(err)
			for _, q := range w.listQueues("p") {
				if q.Name == queue {
					return waits[q.ID].Lately
				}
			}
			return store.Percentiles{}
		}
		got := lately("default")
		near(t, "median", store.Percentiles{Runs: got.Runs, P50: got.P50, P95: got.P50}, 20, time.Minute)
		near(t, "p95", store.Percentiles{Runs: got.Runs, P50: got.P95, P95: got.P95}, 20, 10*time.Minute)
		if empty := lately("empty"); empty != (store.Percentiles{}) {
			t.Errorf("empty: %+v", empty)
		}
		w.Advance(25 * time.Hour)
		if later := lately("default"); later != (store.Percentiles{}) {
			t.Errorf("a day later: %+v", later)
		}
	})
}
