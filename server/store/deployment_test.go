package store_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

func TestADeploymentIsStoredAsCreated(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("p")
		want := store.Deployment{
			Name: "d", Pool: "p", Version: "1.0", Description: "all of it", Tags: []string{"x", "y"},
			JobVariables: json.RawMessage(
				`{"memory": 1.50, "a": null}`), Parameters: json.RawMessage(`{"n": 12345678901234567890}`),
			ParameterSchema: json.RawMessage(
				`{"type": "object"}`), FrozenVariables: []string{"memory"}, FrozenParameters: []string{"n"},
			ConcurrencyLimit: ptr(int32(0)), Timeout: ptr(90 * time.Second), StartDeadline: ptr(time.Hour),
			Retries: lifecycle.RetryPolicy{Max: 2, Delay: time.Second, InfrastructureMax: 4}, Paused: true,
		}
		put, created, err := w.UpsertDeployment(w.t.Context(), want, actor)
		w.check(err)
		read := w.getDeployment("d")
		for _, d := range []*store.Deployment{put, read} {
			if !created || d.Queue != "default" || string(d.JobVariables) != string(want.JobVariables) || string(d.Parameters) != string(want.Parameters) ||
				string(d.ParameterSchema) != string(want.ParameterSchema) || fmt.Sprint(d.Tags, d.FrozenVariables, d.FrozenParameters) != "[x y] [memory] [n]" ||
				*d.ConcurrencyLimit != 0 || *d.Timeout != 90*time.Second || *d.StartDeadline != time.Hour ||
				!reflect.DeepEqual(d.Retries, want.Retries) ||
				!d.Paused {
				t.Errorf("stored as %+v", d)
			}
		}
	})
}

func TestAChangedDeploymentGetsANewRevision(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		want := store.Deployment{
			Name: "d", Pool: "p", JobVariables: json.RawMessage(`{"a": 1}`),
			Tags: []string{"x"},
		}
		first, _, err := w.UpsertDeployment(ctx, want, actor)
		w.check(err)
		w.updateDeploymentPaused("d", true, actor)
		w.Advance(time.Minute)

		paused := w.getDeployment("d")
		unchanged, created, err := w.UpsertDeployment(ctx, want, actor)
		w.check(err)
		if created || !unchanged.UpdatedAt.Equal(paused.UpdatedAt) || unchanged.ID != first.ID ||
			!unchanged.Paused {
			t.Errorf("an unchanged one: created %t, %+v", created, unchanged)
		}
		want.JobVariables, want.Tags = json.RawMessage(`{"a": 2}`), nil
		changed, created, err := w.UpsertDeployment(ctx, want, actor)
		w.check(err)
		if created || string(changed.JobVariables) != `{"a": 2}` || len(changed.Tags) != 0 ||
			!changed.Paused ||
			!changed.UpdatedAt.After(paused.UpdatedAt) {
			t.Errorf("a changed one: created %t, %+v", created, changed)
		}
	})
}

func TestADeploymentOfAnUnknownPoolOrQueueIsRefused(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		_, _, err := w.UpsertDeployment(ctx, store.Deployment{Name: "d", Pool: "q"}, actor)
		w.refuses(err, store.NotFound)
		_, _, err = w.UpsertDeployment(ctx, store.Deployment{Name: "d", Pool: "p", Queue: "fast"}, actor)
		w.refuses(err, store.NotFound)
		_, err = w.UpdateDeploymentPaused(ctx, "d", true, actor)
		w.refuses(err, store.NotFound)
	})
}

func TestDeploymentsPoolsAndRunsAreListedInPages(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.pool("Other")
		w.pool("ärmel")
		names := []string{"a b", "Zebra", "ähre", "a-b", "b", "a.b", "7"}
		for i, name := range names {
			w.deployment(name, []string{"p", "Other"}[i%2])
			w.run(name)
		}
		var deployments, pools, runs []string
		for page := (store.Page{Limit: 2}); ; {
			list, next, err := w.ListDeployments(ctx, store.DeploymentFilter{}, page)
			w.check(err)
			for _, d := range list {
				deployments = append(deployments, d.Name)
			}
			w.deployment("0", "p") // what is put in before the cursor does not move what comes after
			if page.Cursor = next; next == "" {
				break
			}
		}
		same(t, "deployments", deployments, []string{"7", "Zebra", "a b", "a-b", "a.b", "b", "ähre"})
		for page := (store.Page{Limit: 1}); ; {
			list, next, err := w.ListPools(ctx, nil, page)
			w.check(err)
			pools = append(pools, list[0].Name)
			if page.Cursor = next; next == "" {
				break
			}
		}
		same(t, "pools", pools, []string{"Other", "p", "ärmel"})
		for page := (store.Page{Limit: 3}); ; {
			list, next, err := w.ListRuns(ctx, store.RunFilter{}, page)
			w.check(err)
			for _, r := range list {
				runs = append(runs, r.Deployment)
			}
			w.run("b")
			if page.Cursor = next.Cursor; page.Cursor == "" {
				break
			}
		}
		same(t, "runs, newest first", runs, []string{"7", "a.b", "b", "a-b", "ähre", "Zebra", "a b"})
		if list, _, err := w.ListDeployments(ctx, store.DeploymentFilter{Pool: "Other"}, store.Page{}); err != nil ||
			len(list) != 3 {
			t.Errorf("the pool has %d deployments (%v)", len(list), err)
		}
	})
}

func TestRunsAreListedByFilter(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.pool("q")
		w.deployment("d", "p")
		w.deployment("e", "q")
		first := w.run("d")
		w.accepts(succeeded(w.claimOne("w")))
		w.run("d")
		w.run("e")
		tests := []struct {
			filter store.RunFilter
			want   int
		}{
			{store.RunFilter{}, 3},
			{store.RunFilter{Pool: "p"}, 2},
			{store.RunFilter{Deployment: "e"}, 1},
			{store.RunFilter{Pool: "p", Deployment: "e"}, 0},
			{store.RunFilter{States: []lifecycle.StateType{lifecycle.Completed}}, 1},
			{
				store.RunFilter{
					Pool: "p", States: []lifecycle.StateType{lifecycle.Completed, lifecycle.Scheduled},
				},
				2,
			},
			{store.RunFilter{States: []lifecycle.StateType{lifecycle.Failed}}, 0},
		}
		for _, test := range tests {
			runs, _, err := w.ListRuns(ctx, test.filter, store.Page{})
			w.check(err)
			if len(runs) != test.want {
				t.Errorf("%+v finds %d runs, want %d", test.filter, len(runs), test.want)
			}
		}
		runs, _, err := w.ListRuns(ctx, store.RunFilter{States: []lifecycle.StateType{lifecycle.Completed}},
			store.Page{})
		w.check(err)
		if runs[0].ID != first.ID {
			t.Error("the completed run is another")
		}
		_, _, err = w.ListRuns(ctx, store.RunFilter{Pool: "nowhere"}, store.Page{})
		w.refuses(err, store.NotFound)
	})
}

func TestCursorsOfAnotherListAreRefused(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.pool("q")
		_, next, err := w.ListPools(ctx, nil, store.Page{Limit: 1})
		w.check(err)
		for _, cursor := range []string{next, "?", "cnVuOng", "cG9vbDo"} { // of pools, no base64, run:x, pool: and nothing
			_, _, err = w.ListRuns(ctx, store.RunFilter{}, store.Page{Cursor: cursor})
			w.refuses(err, store.InvalidCursor)
		}
		_, _, err = w.ListTemplateVersions(ctx, "p", store.Page{Cursor: "dGVtcGxhdGU6eA"}) // template:x
		w.refuses(err, store.InvalidCursor)
	})
}

func TestARepeatedIdempotencyKeyReturnsTheFirstRun(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.deployment("d", "p")
		w.deployment("e", "p")
		n := store.NewRun{Deployment: "d", IdempotencyKey: "k", BodyHash: "h"}
		first, existed, err := w.CreateRun(ctx, n, actor)
		w.check(err)
		if existed || first.IdempotencyKey != "k" {
			t.Errorf("existed %t, %+v", existed, first)
		}
		again, existed, err := w.CreateRun(ctx, n, actor)
		w.check(err)
		if !existed || again.ID != first.ID {
			t.Errorf("the second time: existed %t, %s and %s", existed, first.ID, again.ID)
		}
		n.BodyHash = "other"
		_, _, err = w.CreateRun(ctx, n, actor)
		w.refuses(err, store.IdempotencyMismatch)
		n.Deployment = "e"
		if other, existed, err := w.CreateRun(ctx, n, actor); err != nil || existed || other.ID == first.ID {
			t.Errorf("on another deployment: existed %t (%v)", existed, err)
		}
		if n := len(w.claim(request("p", "w", 10))); n != 2 {
			t.Errorf("there are %d runs", n)
		}
	})
}

func TestConcurrentRequestsWithOneIdempotencyKeyCreateOneRun(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		ids := make([]string, 12)
		var callers sync.WaitGroup
		for i := range ids {
			callers.Go(func() {
				run, _, err := w.CreateRun(w.t.Context(), store.NewRun{Deployment: "d", IdempotencyKey: "k"},
					actor)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = run.ID.String()
			})
		}
		callers.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Errorf("runs %s and %s", ids[0], id)
			}
		}
	})
}

// TestRunsAreCreatedWhileTheirDeploymentChanges: a lock that is waited for must not make the deployment
// disappear.
func TestRunsAreCreatedWhileTheirDeploymentChanges(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.deployment("d", "p")
		var callers sync.WaitGroup
		for i := range 4 {
			callers.Go(func() {
				for j := range 15 {
					var err error
					if i == 0 {
						_, _, err = w.UpsertDeployment(ctx,
							store.Deployment{Name: "d", Pool: "p", Version: fmt.Sprint(j)}, actor)
					} else {
						_, _, err = w.CreateRun(ctx, store.NewRun{Deployment: "d"}, actor)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
		if n := len(w.claim(request("p", "w", 100))); n != 45 {
			t.Errorf("%d runs were created", n)
		}
	})
}

// TestRunsCreatedDuringADeleteLeaveNoOrphans: no run is left in a deployment that is gone.
func TestRunsCreatedDuringADeleteLeaveNoOrphans(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		for i := range 10 {
			name := fmt.Sprint("d", i)
			w.deployment(name, "p")
			var racers sync.WaitGroup
			for range 3 {
				racers.Go(func() {
					if _, _, err := w.CreateRun(ctx, store.NewRun{Deployment: name}, actor); err != nil &&
						!store.IsCode(err, store.NotFound) {
						t.Error(err)
					}
				})
			}
			racers.Go(func() {
				if err := w.DeleteDeployment(ctx, name, store.DeleteOptions{Force: true}, actor); err != nil {
					t.Error(err)
				}
			})
			racers.Wait()
		}
		if n := len(w.claim(request("p", "w", 100))); n != 0 {
			t.Errorf("%d runs of deleted deployments were claimed", n)
		}
	})
}

func TestRunsAreCreatedInBulk(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.deployment("d", "p")
		news := make([]store.NewRun, 1000)
		for i := range news {
			news[i].Name = fmt.Sprint("run-", i)
		}
		news[7].IdempotencyKey, news[8].IdempotencyKey = "k", "k"
		created, err := w.CreateRuns(ctx, "d", news, actor)
		w.check(err)
		for i, c := range created {
			want := fmt.Sprint("run-", i)
			if i == 8 {
				want = "run-7"
			}
			if c.Name != want || c.Existed != (i == 8) {
				t.Fatalf("run %d is %s, existed %t", i, c.Name, c.Existed)
			}
		}
		news[0].Name, news[999].IdempotencyKey, news[999].BodyHash = "all or none", "k", "another"
		_, err = w.CreateRuns(ctx, "d", news[:1000:1000], actor)
		w.refuses(err, store.IdempotencyMismatch)
		if n := len(w.claim(request("p", "w", 5000))); n != 999 {
			t.Errorf("there are %d runs", n)
		}
	})
}

func TestARunWithoutANameGetsOne(t *testing.T) {
	onEach(t, func(w *world) {
		run := w.one()
		if len(run.Name) < 8 {
			t.Errorf("its name is %q", run.Name)
		}
		if named := w.run("d", func(n *store.NewRun) { n.Name = "mine" }); named.Name != "mine" {
			t.Errorf("its name is %q", named.Name)
		}
	})
}

func TestASearchForDeploymentsGoesOnWithItsCursor(t *testing.T) {
	few := func(o *storetest.Options) { o.SearchedRuns = 5 }
	test := func(t *testing.T, w *world) {
		w.pool("p")
		w.pool("q")
		for i := range 23 {
			w.deployment(fmt.Sprintf("d%02d", i), []string{"p", "q"}[i%2])
		}
		w.deployment("x", "p", func(d *store.Deployment) { d.Tags = []string{"odd"} })
		for _, f := range []store.DeploymentFilter{
			{Tags: []string{"odd"}}, {Tags: []string{"odd"}, Pool: "p"}, {Text: "X", Pools: []string{"p"}}, {Pool: "p", Queue: "default", Text: "x"},
		} {
			var found []string
			for page := (store.Page{Limit: 2}); ; {
				list, next, err := w.ListDeployments(t.Context(), f, page)
				w.check(err)
				for _, d := range list {
					found = append(found, d.Name)
				}
				if page.Cursor = next; next == "" {
					break
				}
			}
			same(t, fmt.Sprintf("found by %+v", f), found, []string{"x"})
		}
	}
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { test(t, &world{storetest.SQLite(t, few), t}) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, &world{storetest.PostgreSQL(t, few), t}) })
}
