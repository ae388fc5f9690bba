package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// everywhere is a role in all pools.
func everywhere(role string) []store.Binding {
	return []store.Binding{{Role: role, Pool: store.AllPools}}
}

// TestExpiredKeysHideNoneThatEndsSoon among those whose expiry the metrics show, of which there are a hundred.
func TestExpiredKeysHideNoneThatEndsSoon(t *testing.T) {
	onEach(t, func(w *world) {
		for i := range 101 {
			expires := w.Now().Add(-time.Hour)
			if i == 100 {
				expires = w.Now().Add(time.Hour)
			}
			id := fmt.Sprint("k", i)
			w.check(w.CreateKey(t.Context(), store.Key{ID: id, Name: id, Bindings: everywhere("viewer"), SecretHash: id, ExpiresAt: &expires}))
		}
		if keys := w.getStats().Keys; len(keys) != 100 || keys[0].Name != "k100" {
			t.Errorf("%d keys, first %+v", len(keys), keys[0])
		}
	})
}

func TestKeysAreCreatedListedAndRevoked(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		mixed := []store.Binding{{Role: "deployer", Pool: "p"}, {Role: "viewer", Pool: store.AllPools}}
		expires := w.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		w.check(
			w.CreateKey(
				ctx,
				store.Key{
					ID: "1", Name: "ci", Bindings: mixed,
					SecretHash: "h1", CreatedBy: actor, ExpiresAt: &expires,
				},
			),
		)
		w.check(
			w.CreateKey(ctx,
				store.Key{ID: "2", Name: "all", Bindings: everywhere("admin"), SecretHash: "h2", CreatedBy: actor}),
		)
		w.refuses(w.CreateKey(ctx, store.Key{ID: "3", Name: "ci", Bindings: everywhere("viewer"), SecretHash: "h3"}),
			store.AlreadyExists)
		w.refuses(w.CreateKey(ctx, store.Key{ID: "1", Name: "other", Bindings: everywhere("viewer"), SecretHash: "h4"}),
			store.AlreadyExists)

		k := w.getKey("1")
		if k.Name != "ci" || k.SecretHash != "h1" || !slices.Equal(k.Bindings, mixed) ||
			!k.ExpiresAt.Equal(expires) ||
			k.RevokedAt != nil ||
			k.CreatedBy != actor {
			t.Errorf("stored as %+v", k)
		}
		if all := w.getKey("2"); !slices.Equal(all.Bindings, everywhere("admin")) {
			t.Errorf("a key for all pools has %v", all.Bindings)
		}
		used := w.Now().UTC().Truncate(time.Microsecond)
		w.check(w.UpdateKeyLastUsed(ctx, "1", used))
		w.check(w.UpdateKeyLastUsed(ctx, "1", used.Add(-time.Minute))) // reported late
		if k = w.getKey("1"); !k.LastUsedAt.Equal(used) {
			t.Errorf("last used at %v", k.LastUsedAt)
		}
		w.check(w.RevokeKey(ctx, "ci", actor))
		w.refuses(w.RevokeKey(ctx, "ci", actor), store.NotFound)
		w.check(w.RevokeKey(ctx, "2", actor))
		if k = w.getKey("1"); k.RevokedAt == nil {
			t.Error("it is not revoked")
		}
		w.check(
			w.CreateKey(ctx, store.Key{ID: "3", Name: "ci", Bindings: everywhere("viewer"), SecretHash: "h3"})) // the name is free again
		var names []string
		for _, k := range w.listKeys() {
			names = append(names, fmt.Sprint(k.Name, k.ID))
		}
		same(t, "keys", names, []string{"all2", "ci1", "ci3"})
		_, err := w.GetKey(ctx, "9")
		w.refuses(err, store.NotFound)
	})
}

func TestAKeyOfTheEnvironmentReplacesAnotherAndStaysRevoked(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		valid := func() (ids []string) {
			for _, k := range w.listKeys() {
				if k.RevokedAt == nil {
					ends := ""
					if k.ExpiresAt != nil {
						ends = " ends"
					}
					ids = append(ids, k.Name+" "+k.SecretHash+ends)
				}
			}
			return ids
		}
		upsert := func(key store.Key) error { return w.UpsertKey(ctx, key, time.Hour) }
		key := store.Key{ID: "1", Name: "admin", Bindings: everywhere("admin"), SecretHash: "h1", CreatedBy: "environment"}
		other := key
		other.ID, other.SecretHash = "2", "h2"
		for range 2 {
			w.check(upsert(key))
			same(t, "ensured", valid(), []string{"admin h1"})
		}
		for range 2 {
			w.check(upsert(other))
			same(t, "replaced", valid(), []string{"admin h2", "admin-1 h1 ends"})
		}
		if end := w.getKey("1").ExpiresAt; end.Sub(w.getKey("1").CreatedAt) < time.Hour {
			t.Errorf("the replaced key ends at %s, before the overlap is over", end)
		}
		w.check(upsert(key))
		same(t, "and back", valid(), []string{"admin h1", "admin-2 h2 ends"})

		w.check(w.RevokeKey(ctx, "admin", actor))
		for range 2 {
			w.refuses(upsert(key), store.Conflict)
			same(t, "ensured after it was revoked", valid(), []string{"admin-2 h2 ends"})
		}
		w.check(upsert(other))
		same(t, "another one instead", valid(), []string{"admin h2"})
		w.check(w.RevokeKey(ctx, "2", actor))
		w.refuses(upsert(other), store.Conflict)
		same(t, "both are revoked", valid(), nil)
	})
}

func TestVariablesAreStoredListedAndDeleted(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		for _, value := range []string{`1.0`, `{"b": 1, "a": null}`, `"\u0000"`, `null`} {
			w.upsertVariable("v", json.RawMessage(value), actor)
			if v := w.getVariable("v"); string(v.Value) != value {
				t.Errorf("%s came back as %s", value, v.Value)
			}
		}
		w.upsertVariable("Z", json.RawMessage(`1`), actor)
		list, next, err := w.ListVariables(ctx, store.Page{Limit: 1})
		w.check(err)
		if len(list) != 1 || list[0].Name != "Z" || next == "" {
			t.Errorf("the first page is %v, next %q", list, next)
		}
		list, next, err = w.ListVariables(ctx, store.Page{Limit: 1, Cursor: next})
		w.check(err)
		if len(list) != 1 || list[0].Name != "v" || next != "" {
			t.Errorf("the second page is %v, next %q", list, next)
		}
		w.check(w.DeleteVariable(ctx, "v", store.DeleteOptions{}, actor))
		w.refuses(w.DeleteVariable(ctx, "v", store.DeleteOptions{}, actor), store.NotFound)
		_, err = w.GetVariable(ctx, "v")
		w.refuses(err, store.NotFound)
	})
}

func TestATransactionIsAllOrNothing(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		boom := errors.New("boom")
		hints := w.Subscribe(store.PoolTopic("p"))
		defer hints.Close()
		err := w.InTx(ctx, func(tx *store.Tx) error {
			if _, err := tx.UpsertVariable(ctx, "v", json.RawMessage(`1`), actor); err != nil {
				return err
			}
			if _, _, err := tx.UpsertDeployment(ctx, store.Deployment{Name: "d", Pool: "p"}, actor); err != nil {
				return err
			}
			if _, _, err := tx.CreateRun(ctx, store.NewRun{Deployment: "d"}, actor); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatalf("got %v", err)
		}
		_, err = w.GetVariable(ctx, "v")
		w.refuses(err, store.NotFound)
		_, err = w.GetDeployment(ctx, "d")
		w.refuses(err, store.NotFound)
		select {
		case <-hints.C():
			t.Error("there was a hint of what never happened")
		default:
		}
		_, err = w.GetRun(ctx, uuid.New())
		w.refuses(err, store.NotFound)
	})
}

func TestATransactionThatPanicsIsRolledBack(t *testing.T) {
	onEach(t, func(w *world) {
		func() {
			defer func() { _ = recover() }()
			_ = w.InTx(w.t.Context(), func(*store.Tx) error { panic("boom") })
		}()
		w.pool("p") // would wait for ever for the writer
	})
}
