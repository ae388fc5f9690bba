package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// restore restores what a selection names.
func (w *world) restore(s store.DeletedSelection, as string) ([]store.DeletedItem, error) {
	var restored []store.DeletedItem
	err := w.InTx(w.t.Context(), func(tx *store.Tx) error {
		items, err := tx.LockDeleted(w.t.Context(), s, store.AllDeleted())
		if err == nil {
			restored, err = tx.RestoreDeleted(w.t.Context(), items, as, actor)
		}
		return err
	})
	return restored, err
}

func (w *world) restores(kind store.DeletedKind, name string) {
	w.t.Helper()
	_, err := w.restore(store.DeletedSelection{Kind: kind, Name: name}, "")
	w.check(err)
}

func (w *world) purges(s store.DeletedSelection) {
	w.t.Helper()
	w.check(w.InTx(w.t.Context(), func(tx *store.Tx) error {
		items, err := tx.LockDeleted(w.t.Context(), s, store.AllDeleted())
		if err != nil {
			return err
		}
		return tx.PurgeDeleted(w.t.Context(), items, actor)
	}))
}

// deletedNames are the objects that can be restored, the newest first.
func (w *world) deletedNames(scope store.DeletedScope) []string {
	w.t.Helper()
	items, _, err := w.ListDeleted(w.t.Context(), store.DeletedFilter{Scope: scope}, store.Page{Limit: 100})
	w.check(err)
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = string(item.Kind) + " " + item.Name
	}
	return names
}

func TestARestoredDeploymentIsAsItWas(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		before := w.deployment("d", "p", func(d *store.Deployment) {
			d.Tags, d.FrozenVariables, d.ConcurrencyLimit = []string{"nightly"}, []string{"image"}, ptr(int32(2))
			d.Parameters, d.Paused = []byte(`{"date":"today"}`), true
		})
		run := w.run("d")
		w.cancelRun(run.ID, actor)
		w.check(w.DeleteDeployment(ctx, "d", store.DeleteOptions{}, actor))
		w.sweep()

		_, err := w.GetDeployment(ctx, "d")
		w.refuses(err, store.NotFound)
		w.isIn(run.ID, "CANCELLED Cancelled")
		_, err = w.RetryRun(ctx, run.ID, actor)
		w.refuses(err, store.Conflict)

		w.restores(store.DeletedDeployment, "d")
		after := w.getDeployment("d")
		if after.Revision == before.Revision {
			t.Error("it has the same revision, under which servers remember its name")
		}
		after.Revision, after.UpdatedAt = before.Revision, before.UpdatedAt
		equal(t, "deployment", *after, *before)
		w.retryRun(run.ID, actor)
		same(t, "deleted objects", w.deletedNames(store.AllDeleted()), []string{})
	})
}

// TestARestoredScheduleMakesUpForNothing: slots that passed while its deployment was deleted are not run.
func TestARestoredScheduleMakesUpForNothing(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.deployment("d", "p")
		next := w.Now().Add(-time.Minute)
		w.check(w.UpdateSchedules(ctx, "d", []store.NewSchedule{
			{Name: "hourly", Spec: []byte(`{"cron":"@hourly"}`), Active: true, Next: &next},
			{Name: "off", Spec: []byte(`{"cron":"@hourly"}`)},
		}, actor))
		w.check(w.DeleteDeployment(ctx, "d", store.DeleteOptions{}, actor))
		w.Advance(20 * 24 * time.Hour)
		if due, _, err := w.AcquireDueSchedules(ctx, 10, time.Minute); err != nil || len(due) != 0 {
			t.Errorf("of a deleted deployment, %d schedules are due (%v)", len(due), err)
		}
		w.restores(store.DeletedDeployment, "d")

		due, now, err := w.AcquireDueSchedules(ctx, 10, time.Minute)
		w.check(err)
		if len(due) != 1 || due[0].Name != "hourly" {
			t.Fatalf("due are %+v", due)
		}
		if late := now.Sub(due[0].DecidedUntil); late > time.Minute {
			t.Errorf("the slots of %s are still to be decided", late)
		}
	})
}

func TestARestoredPoolComesWithAllThatWentWithIt(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p", func(p *store.NewPool) { p.ConcurrencyLimit = ptr(int32(3)) })
		w.createQueue(store.Queue{Pool: "p", Name: "fast", Priority: 2}, actor)
		w.updateRules("p", aRule("a", "true"))
		w.deployment("d", "p", func(d *store.Deployment) { d.Queue = "fast" })
		w.deployment("before", "p")
		w.check(w.DeleteDeployment(ctx, "before", store.DeleteOptions{}, actor))
		before := w.getPool("p")
		run := w.run("d")

		w.check(w.DeletePool(ctx, "p", store.DeleteOptions{Force: true}, actor))
		w.sweep()
		_, err := w.GetPool(ctx, "p")
		w.refuses(err, store.NotFound)
		_, err = w.restore(store.DeletedSelection{Kind: store.DeletedDeployment, Name: "d"}, "")
		w.refuses(err, store.Conflict) // its pool is deleted
		w.isIn(run.ID, "CANCELLED Cancelled")

		w.restores(store.DeletedPool, "p")
		after := w.getPool("p")
		after.UpdatedAt = before.UpdatedAt
		equal(t, "pool", *after, *before)
		if d := w.getDeployment("d"); d.Queue != "fast" || w.getQueue("p", "fast").Priority != 2 {
			t.Errorf("the deployment is %+v", d)
		}
		set, err := w.GetRuleSet(ctx, "p")
		w.check(err)
		if len(set.Rules) != 1 {
			t.Errorf("the pool has %d rules", len(set.Rules))
		}
		w.refuses(w.notFound(w.GetDeployment(ctx, "before")), store.NotFound)
		same(t, "deleted objects", w.deletedNames(store.AllDeleted()), []string{"deployment before"})
		next := w.run("d")
		if c := w.claimOne("w"); c.RunID != next.ID {
			t.Errorf("claimed %s", c.RunID)
		}
	})
}

func (w *world) notFound(_ *store.Deployment, err error) error { return err }

func TestAPoolCanBeRestoredWithoutADeploymentWhoseNameIsTaken(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.pool("q")
		w.deployment("d", "p")
		w.check(w.DeletePool(ctx, "p", store.DeleteOptions{Force: true}, actor))
		w.deployment("d", "q")
		_, err := w.restore(store.DeletedSelection{Kind: store.DeletedPool, Name: "p"}, "")
		w.refuses(err, store.AlreadyExists)
		_, err = w.GetPool(ctx, "p")
		w.refuses(err, store.NotFound) // nothing was restored

		_, err = w.restore(store.DeletedSelection{Kind: store.DeletedPool, Name: "p", Alone: true}, "")
		w.check(err)
		_, err = w.restore(store.DeletedSelection{Kind: store.DeletedDeployment, Name: "d"}, "")
		w.refuses(err, store.AlreadyExists)
		_, err = w.restore(store.DeletedSelection{Kind: store.DeletedDeployment, Name: "d"}, "old")
		w.check(err)
		if d := w.getDeployment("old"); d.Pool != "p" {
			t.Errorf("restored in pool %s", d.Pool)
		}
		w.run("old")
		if c := w.claimOne("w"); c.Deployment != "old" {
			t.Errorf("the claim names deployment %q", c.Deployment)
		}
	})
}

func TestEachKindIsRestoredUnderItsNameOrAnother(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		make := map[store.DeletedKind]func(){
			store.DeletedPool:       func() { w.pool("x") },
			store.DeletedQueue:      func() { w.createQueue(store.Queue{Pool: "p", Name: "x", Priority: 7}, actor) },
			store.DeletedVariable:   func() { w.upsertVariable("x", []byte(`"v"`), actor) },
			store.DeletedDeployment: func() { w.deployment("x", "p") },
			store.DeletedRule:       func() { w.updateRules("p", aRule("x", "true")) },
		}
		remove := map[store.DeletedKind]func() error{
			store.DeletedPool:     func() error { return w.DeletePool(ctx, "x", store.DeleteOptions{}, actor) },
			store.DeletedQueue:    func() error { return w.DeleteQueue(ctx, "p", "x", actor) },
			store.DeletedVariable: func() error { return w.DeleteVariable(ctx, "x", store.DeleteOptions{}, actor) },
			store.DeletedDeployment: func() error {
				return w.DeleteDeployment(ctx, "x", store.DeleteOptions{}, actor)
			},
			store.DeletedRule: func() error { w.updateRules("p"); return nil },
		}
		for kind := range make {
			s := store.DeletedSelection{Kind: kind, Name: "x"}
			if kind == store.DeletedQueue || kind == store.DeletedRule {
				s.Pool = "p"
			}
			make[kind]()
			w.check(remove[kind]())
			if _, err := w.restore(s, ""); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			_, err := w.restore(s, "")
			w.refuses(err, store.NotFound) // once

			w.check(remove[kind]())
			if _, err := w.restore(s, "other"); err != nil {
				t.Errorf("%s under another name: %v", kind, err)
			}
			make[kind]()
			w.check(remove[kind]())
			if kind == store.DeletedQueue {
				continue // a queue of the same name is the deleted one
			}
			make[kind]()
			_, err = w.restore(s, "")
			if !store.IsCode(err, store.AlreadyExists) || !strings.Contains(err.Error(), "another name") {
				t.Errorf("%s under a name that is taken: %v", kind, err)
			}
		}
		if v := w.getVariable("other"); string(v.Value) != `"v"` {
			t.Errorf("the variable has value %s", v.Value)
		}
		if q := w.getQueue("p", "other"); q.Priority != 7 {
			t.Errorf("the queue is %+v", q)
		}
	})
}

func TestWhatOneTransactionDeletedIsRestoredTogether(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.createQueue(store.Queue{Pool: "p", Name: "fast"}, actor)
		w.deployment("d", "p", func(d *store.Deployment) { d.Queue = "fast" })
		w.upsertVariable("v", []byte(`1`), actor)
		var gone store.Deletion
		w.check(w.InTx(ctx, func(tx *store.Tx) error {
			w.check(tx.DeleteDeployment(ctx, "d", store.DeleteOptions{}, actor))
			w.check(tx.DeleteQueue(ctx, "p", "fast", actor))
			w.check(tx.DeleteVariable(ctx, "v", store.DeleteOptions{}, actor))
			gone = tx.Deleted()
			return nil
		}))
		if len(gone.Items) != 3 {
			t.Errorf("deleted %+v", gone.Items)
		}
		_, err := w.restore(store.DeletedSelection{Kind: store.DeletedDeployment, Name: "d"}, "")
		w.refuses(err, store.Conflict) // its queue is deleted

		restored, err := w.restore(store.DeletedSelection{Deletion: gone.ID}, "")
		w.check(err)
		if len(restored) != 3 || w.getDeployment("d").Queue != "fast" {
			t.Errorf("restored %+v", restored)
		}
		w.getVariable("v")
	})
}

func TestDeletedObjectsEndWithTheirRetention(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.lived()
		w.pool("q")
		w.upsertVariable("v", []byte(`"secret"`), actor)
		w.check(w.DeleteVariable(ctx, "v", store.DeleteOptions{}, actor))
		w.check(w.DeleteDeployment(ctx, "d", store.DeleteOptions{}, actor))
		w.check(w.DeletePool(ctx, "q", store.DeleteOptions{}, actor))
		keep := store.Retention{Deleted: 30 * aDay}
		w.Advance(29 * aDay)
		if removed := w.retain(keep); removed.Deleted != 0 {
			t.Errorf("after 29 days %d objects were removed", removed.Deleted)
		}
		if removed := w.retain(store.Retention{}); removed.Deleted != 0 {
			t.Errorf("without a period %d objects were removed", removed.Deleted)
		}
		w.Advance(2 * aDay)
		if removed := w.retain(keep); removed.Deleted != 3 {
			t.Errorf("after 31 days %d objects were removed", removed.Deleted)
		}
		w.sweep()
		w.sweep()
		for table, want := range map[string]int{"deletions": 0, "runs": 0, "deployments": 0, "pools": 1} {
			if n := w.rows(table); n != want {
				t.Errorf("%d rows are left in %s, want %d", n, table, want)
			}
		}
	})
}

func TestAPurgeRemovesAtOnce(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.lived()
		w.deployment("before", "p")
		w.upsertVariable("v", []byte(`"secret"`), actor)
		w.check(w.DeleteVariable(ctx, "v", store.DeleteOptions{}, actor))
		w.purges(store.DeletedSelection{Kind: store.DeletedVariable, Name: "v"})
		w.upsertVariable("w", []byte(`"secret"`), actor)
		w.check(w.DeleteVariable(ctx, "w", store.DeleteOptions{Permanently: true}, actor))
		w.check(w.DeleteDeployment(ctx, "before", store.DeleteOptions{}, actor))
		w.check(w.DeletePool(ctx, "p", store.DeleteOptions{Force: true}, actor))
		w.purges(store.DeletedSelection{Kind: store.DeletedPool, Name: "p", Alone: true})
		for range 3 {
			w.sweep()
		}
		for _, table := range []string{"deletions", "variables", "runs", "deployments", "pools"} {
			if n := w.rows(table); n != 0 {
				t.Errorf("%d rows are left in %s", n, table)
			}
		}
	})
}

func TestDeletedObjectsAreShownToWhoMayDeleteThem(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.pool("q")
		w.deployment("dp", "p")
		w.deployment("dq", "q")
		w.updateRules("", aRule("all", "true"))
		w.updateRules("")
		w.check(w.DeleteDeployment(ctx, "dp", store.DeleteOptions{}, actor))
		w.check(w.DeleteDeployment(ctx, "dq", store.DeleteOptions{}, actor))
		inP := store.DeletedScope{Pools: map[store.DeletedKind][]string{
			store.DeletedDeployment: {"p"}, store.DeletedRule: {"p"},
		}}
		same(t, "seen in p", w.deletedNames(inP), []string{"deployment dp"})
		same(t, "seen with no role", w.deletedNames(store.DeletedScope{}), []string{})
		same(t, "seen by an admin", w.deletedNames(store.AllDeleted()),
			[]string{"deployment dq", "deployment dp", "rule all"})

		w.check(w.DeletePool(ctx, "p", store.DeleteOptions{}, actor))
		w.pool("p") // whose owner is another one
		same(t, "seen in the new p", w.deletedNames(inP), []string{})
	})
}

// bindings are the roles of a key that count, and the lapsed ones.
func (w *world) bindings(id string) (count, lapsed []store.Binding) {
	w.t.Helper()
	key := w.getKey(id)
	return key.Bindings, key.Lapsed
}

func TestTheRolesOfAKeyEndWithItsPool(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		key := func(id string, bindings ...store.Binding) store.Key {
			return store.Key{ID: id, Name: id, Bindings: bindings, SecretHash: id, CreatedBy: actor}
		}
		inP, inQ := store.Binding{Role: "editor", Pool: "p"}, store.Binding{Role: "viewer", Pool: "q"}
		w.pool("p")
		w.check(w.CreateKey(ctx, key("old", inP, inQ)))
		w.check(w.UpsertKey(ctx, key("configured", inP), time.Hour))
		w.check(w.DeletePool(ctx, "p", store.DeleteOptions{}, actor))
		w.check(w.CreateKey(ctx, key("made for the next", inP)))
		w.pool("p")

		count, lapsed := w.bindings("old")
		same(t, "roles", count, []store.Binding{inQ})
		same(t, "lapsed roles", lapsed, []store.Binding{inP})
		for _, id := range []string{"configured", "made for the next"} {
			count, _ := w.bindings(id)
			same(t, "roles of "+id, count, []store.Binding{inP})
		}

		w.check(w.DeletePool(ctx, "p", store.DeleteOptions{Permanently: true}, actor))
		w.sweep()
		_, err := w.restore(store.DeletedSelection{Kind: store.DeletedPool, Name: "p"}, "back")
		w.check(err)
		count, _ = w.bindings("old")
		same(t, "roles in the restored pool", count, []store.Binding{{Role: "editor", Pool: "back"}, inQ})
		w.pool("p")
		count, _ = w.bindings("made for the next")
		equal(t, "roles after a permanent deletion", len(count), 0)
	})
}

func TestAWorkerKeepsItsRoleWhileItEndsTheAttemptsOfADeletedPool(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.one()
		w.claimOne("w")
		worker := store.Binding{Role: "worker", Pool: "p"}
		w.check(w.CreateKey(ctx, store.Key{ID: "w", Name: "w", Bindings: []store.Binding{worker}, SecretHash: "w"}))
		w.check(w.DeletePool(ctx, "p", store.DeleteOptions{Force: true}, actor))
		w.pool("p")
		count, _ := w.bindings("w")
		same(t, "roles", count, []store.Binding{worker})
	})
}

func TestOfManyThatRestoreAtOnceOneDoes(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		for i := range 5 {
			name := fmt.Sprint("d", i)
			w.deployment(name, "p")
			w.check(w.DeleteDeployment(ctx, name, store.DeleteOptions{}, actor))
			var done atomic.Int32
			var racers sync.WaitGroup
			for range 4 {
				racers.Go(func() {
					_, err := w.restore(store.DeletedSelection{Kind: store.DeletedDeployment, Name: name}, "")
					if err == nil {
						done.Add(1)
					} else if !store.IsCode(err, store.NotFound) {
						t.Error(err)
					}
				})
			}
			racers.Wait()
			if done.Load() != 1 {
				t.Errorf("%s was restored %d times", name, done.Load())
			}
		}
	})
}

// TestARestoreBesideACreateLeavesOneOfTheName: whoever is second is refused.
func TestARestoreBesideACreateLeavesOneOfTheName(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		for i := range 5 {
			name := fmt.Sprint("d", i)
			w.deployment(name, "p")
			w.check(w.DeleteDeployment(ctx, name, store.DeleteOptions{}, actor))
			var racers sync.WaitGroup
			racers.Go(func() {
				_, err := w.restore(store.DeletedSelection{Kind: store.DeletedDeployment, Name: name}, "")
				if err != nil && !store.IsCode(err, store.AlreadyExists) {
					t.Error(err)
				}
			})
			racers.Go(func() {
				_, _, err := w.UpsertDeployment(ctx, store.Deployment{Name: name, Pool: "p"}, actor)
				if err != nil && !store.IsCode(err, store.Conflict) {
					t.Error(err)
				}
			})
			racers.Wait()
			w.getDeployment(name)
		}
	})
}

func TestARefusalNamesWhatUsesTheObject(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.createQueue(store.Queue{Pool: "p", Name: "fast"}, actor)
		var ids []uuid.UUID
		for i := range 25 {
			d := w.deployment(fmt.Sprintf("d%02d", i), "p", func(d *store.Deployment) { d.Queue = "fast" })
			ids = append(ids, d.ID)
		}
		run := w.run("d00")
		for what, err := range map[string]error{
			"pool":  w.DeletePool(ctx, "p", store.DeleteOptions{}, actor),
			"queue": w.DeleteQueue(ctx, "p", "fast", actor),
		} {
			refusal := asStoreError(t, err)
			if refusal.UsersTotal != 26 || len(refusal.Users) != 21 {
				t.Fatalf("%s: %d of %d users", what, len(refusal.Users), refusal.UsersTotal)
			}
			equal(t, what, refusal.Users[0],
				store.User{Kind: store.UserDeployment, Name: "d00", ID: ids[0].String(), Pool: "p"})
			equal(t, what, refusal.Users[20], store.User{Kind: store.UserRun, Name: run.Name, ID: run.ID.String()})
		}
		refusal := asStoreError(t, w.DeleteDeployment(ctx, "d00", store.DeleteOptions{}, actor))
		if refusal.UsersTotal != 1 || refusal.Users[0].ID != run.ID.String() {
			t.Errorf("the deployment is used by %+v", refusal.Users)
		}
		if !slices.Equal(w.deletedNames(store.AllDeleted()), []string{}) {
			t.Error("a refusal left something to restore")
		}
	})
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the %s is %+v, want %+v", what, got, want)
	}
}

func asStoreError(t *testing.T, err error) *store.Error {
	t.Helper()
	refusal, ok := err.(*store.Error)
	if !ok {
		t.Fatalf("got %v", err)
	}
	return refusal
}
