package store_test

import (
	"testing"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func TestTheNewestIndexesOfEachAttemptAreKept(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p", func(d *store.Deployment) { d.Retries = lifecycle.RetryPolicy{Max: 1} })
		run, _, err := w.CreateRun(t.Context(), store.NewRun{Deployment: "d"}, actor)
		w.check(err)
		claim := w.claim(request("p", "w", 1))[0]
		report := func(c store.Claim, kind store.ReportKind, indexes string) store.Report {
			r := store.Report{Lease: store.Lease{AttemptID: c.AttemptID, Epoch: c.Epoch}, Kind: kind, Indexes: []byte(indexes)}
			if kind == store.ReportEnded {
				r.Outcome = lifecycle.Outcome{Category: lifecycle.App}
			}
			return r
		}
		stale := report(claim, store.ReportRunning, `"stale"`)
		stale.Epoch--
		_, err = w.Report(t.Context(), "w", []store.Report{report(claim, store.ReportRunning, `"some"`), stale})
		w.check(err)
		indexes := func(want ...string) {
			t.Helper()
			attempts, err := w.ListAttempts(t.Context(), run.ID)
			w.check(err)
			for i, a := range attempts {
				if string(a.Indexes) != want[i] {
					t.Errorf("attempt %d has the indexes %s, want %s", a.Number, a.Indexes, want[i])
				}
			}
		}
		indexes(`"some"`)
		_, err = w.Report(t.Context(), "w", []store.Report{
			report(claim, store.ReportRunning, `"more"`), report(claim, store.ReportEnded, `"all"`),
		})
		w.check(err)
		indexes(`"all"`)
		w.claim(request("p", "w", 1))
		indexes(`"all"`, "")
	})
}
