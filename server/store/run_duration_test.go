package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func TestRunsAreSortedByDuration(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.deployment("other", "p")
		names := map[string]string{}
		for _, run := range []struct {
			name, deployment string
			took             time.Duration
		}{{"medium", "d", 5 * time.Minute}, {"long", "d", time.Hour}, {"short", "d", time.Second}, {"foreign", "other", 10 * time.Minute}} {
			names[w.run(run.deployment).ID.String()] = run.name
			c := w.claim(request("p", "w", 1))[0]
			w.accepts(running(c))
			w.Advance(run.took)
			w.accepts(succeeded(c))
		}
		w.run("d") // it waits
		listed := func(f store.RunFilter, page store.Page) (string, store.NextPage) {
			t.Helper()
			runs, next, err := w.ListRuns(t.Context(), f, page)
			w.check(err)
			var found []string
			for _, r := range runs {
				found = append(found, names[r.ID.String()])
			}
			return strings.Join(found, " "), next
		}
		for want, f := range map[string]store.RunFilter{
			"long foreign medium short": {Sort: store.LongestFirst}, "short medium foreign long": {Sort: store.ShortestFirst},
			"long medium short": {Sort: store.LongestFirst, Deployment: "d"},
			"":                  {Sort: store.LongestFirst, States: []lifecycle.StateType{lifecycle.Failed, lifecycle.Scheduled}},
		} {
			if got, next := listed(f, store.Page{}); got != want || next != (store.NextPage{}) {
				t.Errorf("%+v: %q, want %q; %+v", f, got, want, next)
			}
		}
		first, next := listed(store.RunFilter{Sort: store.LongestFirst}, store.Page{Limit: 3})
		rest, last := listed(store.RunFilter{Sort: store.LongestFirst}, store.Page{Limit: 3, Cursor: next.Cursor})
		if first != "long foreign medium" || rest != "short" || last.Cursor != "" {
			t.Errorf("in pages: %q, %q, %+v", first, rest, last)
		}
		_, _, err := w.ListRuns(t.Context(), store.RunFilter{Sort: store.ShortestFirst}, store.Page{Cursor: next.Cursor})
		w.refuses(err, store.InvalidCursor)
	})
}
