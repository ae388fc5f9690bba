package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func TestRunsAreFilteredAndSorted(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.pool("q")
		w.createQueue(store.Queue{Pool: "p", Name: "fast"}, actor)
		for name, d := range map[string]store.Deployment{
			"etl": {Pool: "p", Queue: "fast", Tags: []string{"nightly", "data"}}, "train": {Pool: "p", Tags: []string{"gpu"}}, "other": {Pool: "q"},
		} {
			d.Name = name
			_, _, err := w.UpsertDeployment(ctx, d, actor)
			w.check(err)
		}
		begin := w.Now().UTC()
		run := func(deployment, name string, due time.Duration, tags ...string) {
			at := begin.Add(due)
			_, _, err := w.CreateRun(ctx,
				store.NewRun{Deployment: deployment, Name: name, Tags: tags, ScheduledTime: &at}, actor)
			w.check(err)
		}
		run("etl", "Load_A", 3*time.Hour, "once")
		run("etl", "load%b", time.Hour)
		run("train", "fit", 2*time.Hour)
		run("other", "else", 4*time.Hour)
		fit, _, err := w.ListRuns(ctx, store.RunFilter{Text: "fit"}, store.Page{})
		w.check(err)
		w.cancelRun(fit[0].ID, "ada")

		soon, ago := begin.Add(90*time.Minute), begin.Add(-time.Hour)
		for name, test := range map[string]struct {
			filter store.RunFilter
			want   string
		}{
			"nothing": {store.RunFilter{}, "else fit load%b Load_A"}, "a pool": {store.RunFilter{Pool: "p"}, "fit load%b Load_A"},
			"the pools of a key": {store.RunFilter{Pools: []string{"q"}}, "else"}, "no pools": {store.RunFilter{Pools: []string{}}, ""},
			"a queue": {store.RunFilter{Queue: "fast"}, "load%b Load_A"}, "a deployment": {store.RunFilter{Deployment: "train"}, "fit"},
			"a state": {store.RunFilter{States: []lifecycle.StateType{lifecycle.Cancelled}}, "fit"},
			"a tag":   {store.RunFilter{Tags: []string{"data"}}, "load%b Load_A"}, "all of the tags": {store.RunFilter{Tags: []string{"data", "once"}}, "Load_A"},
			"part of a tag": {store.RunFilter{Tags: []string{"dat"}}, ""}, "a text in any case": {store.RunFilter{Text: "LOAD"}, "load%b Load_A"},
			"a text with an underscore": {store.RunFilter{Text: "d_a"}, "Load_A"}, "a text with a percent sign": {store.RunFilter{Text: "d%b"}, "load%b"},
			"a text in the message": {store.RunFilter{Text: "by ADA"}, "fit"}, "the beginning of an id": {store.RunFilter{Text: fit[0].ID.String()[:36]}, "fit"},
			"a name": {store.RunFilter{Name: "Load_A"}, "Load_A"}, "a name in another case": {store.RunFilter{Name: "load_a"}, ""},
			"a part of a name": {store.RunFilter{Name: "Load"}, ""}, "the beginning of a name": {store.RunFilter{NamePrefix: "Load_"}, "Load_A"},
			"the beginning of a name in another case": {store.RunFilter{NamePrefix: "LOAD"}, ""}, "the middle of a name": {store.RunFilter{NamePrefix: "oad"}, ""}, "an id": {store.RunFilter{IDPrefix: fit[0].ID.String()}, "fit"},
			"the digits of an id": {store.RunFilter{IDPrefix: strings.ToUpper(strings.ReplaceAll(fit[0].ID.String()[:35], "-", ""))}, "fit"},
			"no id":               {store.RunFilter{IDPrefix: "ffff"}, ""},
			"due from":            {store.RunFilter{Scheduled: store.TimeRange{After: &soon}}, "else fit Load_A"}, "due before": {store.RunFilter{Scheduled: store.TimeRange{Before: &soon}}, "load%b"},
			"created since": {store.RunFilter{Created: store.TimeRange{After: &ago}}, "else fit load%b Load_A"},
			"created":       {store.RunFilter{Created: store.TimeRange{Before: &ago}}, ""}, "ended": {store.RunFilter{Ended: store.TimeRange{After: &ago}}, "fit"},
		} {
			runs, _, err := w.ListRuns(ctx, test.filter, store.Page{})
			w.check(err)
			if got := names(runs); got != test.want {
				t.Errorf("%s: %q, want %q", name, got, test.want)
			}
			counts := w.countRuns(test.filter)
			if n := counts[lifecycle.Scheduled] + counts[lifecycle.Cancelled]; int(n) != len(runs) {
				t.Errorf("%s: counted %d, listed %d", name, n, len(runs))
			}
		}
		for order, want := range map[store.RunSort]string{
			store.NewestFirst: "else fit load%b Load_A", store.OldestFirst: "Load_A load%b fit else",
			store.EarliestDueFirst: "load%b fit Load_A else", store.LatestDueFirst: "else Load_A fit load%b",
		} {
			var all []store.Run
			for page := (store.Page{Limit: 1}); ; {
				runs, next, err := w.ListRuns(ctx, store.RunFilter{Sort: order}, page)
				w.check(err)
				all = append(all, runs...)
				if page.Cursor = next.Cursor; page.Cursor == "" {
					break
				}
			}
			if got := names(all); got != want {
				t.Errorf("%s: %q, want %q", order, got, want)
			}
		}
		_, next, err := w.ListRuns(ctx, store.RunFilter{Sort: store.OldestFirst}, store.Page{Limit: 1})
		w.check(err)
		if _, _, err := w.ListRuns(ctx, store.RunFilter{Sort: store.EarliestDueFirst}, store.Page{Cursor: next.Cursor}); !store.IsCode(
			err, store.InvalidCursor,
		) {
			t.Errorf("the cursor of another order: %v", err)
		}
	})
}

func names(runs []store.Run) string {
	var list []string
	for _, r := range runs {
		list = append(list, r.Name)
	}
	return strings.Join(list, " ")
}

func TestDeploymentsAreFiltered(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.pool("q")
		yes := true
		for _, d := range []store.Deployment{
			{Name: "a", Pool: "p", Tags: []string{"x"}, Description: "Loads it"}, {Name: "b", Pool: "p", Paused: true}, {Name: "c", Pool: "q", Tags: []string{"x", "y"}},
		} {
			_, _, err := w.UpsertDeployment(ctx, d, actor)
			w.check(err)
		}
		no := false
		end := func(deployment, pool string, end func(store.Claim) store.Report) {
			w.run(deployment)
			c := w.claim(request(pool, "w", 1))[0]
			w.accepts(running(c), end(c))
		}
		fails := func(c store.Claim) store.Report { return failed(c, lifecycle.App) }
		end("a", "p", fails) // and works now
		end("a", "p", succeeded)
		end("c", "q", succeeded)
		end("c", "q", fails)
		w.run("c") // waits
		w.cancelRun(w.run("c").ID, actor)
		for name, test := range map[string]struct {
			filter store.DeploymentFilter
			want   string
		}{
			"nothing": {store.DeploymentFilter{}, "a b c"}, "a pool": {store.DeploymentFilter{Pool: "p"}, "a b"}, "pools": {store.DeploymentFilter{Pools: []string{"q"}}, "c"},
			"a tag": {store.DeploymentFilter{Tags: []string{"x"}}, "a c"}, "paused": {store.DeploymentFilter{Paused: &yes}, "b"},
			"failing": {store.DeploymentFilter{Failing: &yes}, "c"}, "not failing": {store.DeploymentFilter{Failing: &no}, "a b"},
			"a queue": {store.DeploymentFilter{Queue: "default", Pool: "q"}, "c"}, "a text": {store.DeploymentFilter{Text: "loads"}, "a"},
		} {
			found, _, err := w.ListDeployments(ctx, test.filter, store.Page{})
			w.check(err)
			var list []string
			for _, d := range found {
				list = append(list, d.Name)
			}
			if got := strings.Join(list, " "); got != test.want {
				t.Errorf("%s: %q, want %q", name, got, test.want)
			}
		}
	})
}

func TestQueuesAreUpdatedAndDeleted(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		created := w.createQueue(store.Queue{Pool: "p", Name: "fast"}, actor)
		changed := w.updateQueue("p", "fast", store.QueueUpdate{
			Priority: ptr(int32(3)), ConcurrencyLimit: ptr(int32(2)), Pause: &store.PauseChange{Paused: true},
		}, actor)
		read := w.getQueue("p", "fast")
		if *read.ConcurrencyLimit != 2 || changed.Priority != 3 || !read.Paused {
			t.Errorf("changed to %+v", read)
		}
		if q := w.updateQueue("p", "fast", store.QueueUpdate{NoConcurrencyLimit: true}, actor); q.ConcurrencyLimit != nil ||
			q.Priority != 3 {
			t.Errorf("without a limit it is %+v", q)
		}
		d := store.Deployment{Name: "d", Pool: "p", Queue: "fast"}
		_, _, err := w.UpsertDeployment(ctx, d, actor)
		w.check(err)
		run, _, err := w.CreateRun(ctx, store.NewRun{Deployment: "d"}, actor)
		w.check(err)
		refused := func(what, name string, code store.Code) {
			if err := w.DeleteQueue(ctx, "p", name, actor); !store.IsCode(err, code) {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused("the default queue", "default", store.Conflict)
		refused("a queue that is not there", "slow", store.NotFound)
		refused("a queue that a deployment uses", "fast", store.QueueInUse)
		w.cancelRun(run.ID, actor)
		w.check(w.DeleteDeployment(ctx, "d", store.DeleteOptions{}, actor))
		w.check(w.DeleteQueue(ctx, "p", "fast", actor))
		refused("a queue that was deleted", "fast", store.NotFound)
		if _, _, err := w.UpsertDeployment(ctx, d, actor); !store.IsCode(err, store.NotFound) {
			t.Errorf("a deployment in a queue that was deleted: %v", err)
		}
		again := w.createQueue(store.Queue{Pool: "p", Name: "fast"}, actor)
		if again.ID != created.ID || again.Priority != 1 || again.Paused {
			t.Errorf("created again as %+v", again)
		}
		if _, err := w.CreateQueue(ctx, store.Queue{Pool: "p", Name: "fast"}, actor); !store.IsCode(
			err, store.AlreadyExists,
		) {
			t.Errorf("created twice: %v", err)
		}
	})
}
