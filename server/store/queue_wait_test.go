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
