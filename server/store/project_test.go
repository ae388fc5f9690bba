package store_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/berth-dev/berth/server/store"
)

func TestObjectsBelongToTheProjectOfTheirLastUpdate(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.deployment("d", "p")
		_, err := w.UpsertVariable(ctx, "v", json.RawMessage("1"), actor)
		w.check(err)
		give := func(o store.Ownership, want string) {
			w.t.Helper()
			var before string
			w.check(w.InTx(ctx, func(tx *store.Tx) (err error) {
				before, err = tx.UpdateProject(ctx, o, actor)
				return err
			}))
			if before != want {
				w.t.Errorf("%s %s belonged to %q, want %q", o.Kind, o.Name, before, want)
			}
		}
		owned := func(project string) store.Owned {
			w.t.Helper()
			var owned store.Owned
			w.check(w.InTx(ctx, func(tx *store.Tx) (err error) {
				owned, err = tx.ListOwned(ctx, project)
				return err
			}))
			return owned
		}
		for kind, name := range map[store.OwnedKind]string{store.OwnedPool: "p", store.OwnedVariable: "v", store.OwnedDeployment: "d"} {
			give(store.Ownership{Kind: kind, Name: name, Project: "one", New: true}, "")
			if got := owned("one")[kind]; !slices.Equal(got, []string{name}) {
				w.t.Errorf("%s: one has %v", kind, got)
			}
		}
		lines := len(w.audited(store.AuditFilter{}))
		give(store.Ownership{Kind: store.OwnedDeployment, Name: "d", Project: "two"}, "one")
		give(store.Ownership{Kind: store.OwnedDeployment, Name: "d", Project: "two"}, "two")
		if got := w.newest(); got != actor+`: update deployment d [project "one">"two"]` ||
			len(w.audited(store.AuditFilter{})) != lines+1 {
			w.t.Errorf("the audit says %q", got)
		}
		if d, err := w.GetDeployment(ctx, "d"); err != nil || d.Project != "two" {
			w.t.Errorf("got %+v, %v", d, err)
		}
		// A change leaves it where it is, a delete takes it away.
		w.deployment("d", "p", func(d *store.Deployment) { d.Version = "2" })
		_, err = w.UpsertVariable(ctx, "v", json.RawMessage("2"), actor)
		w.check(err)
		if owned("two")[store.OwnedDeployment] == nil || owned("one")[store.OwnedVariable] == nil {
			w.t.Errorf("a change took it away: %v, %v", owned("one"), owned("two"))
		}
		w.check(w.DeleteDeployment(ctx, "d", store.DeleteOptions{}, actor))
		w.deployment("d", "p")
		if got := owned("two")[store.OwnedDeployment]; len(got) != 0 {
			w.t.Errorf("what was deleted is still two's: %v", got)
		}
		err = w.InTx(ctx, func(tx *store.Tx) error {
			_, err := tx.UpdateProject(ctx,
				store.Ownership{Kind: store.OwnedPool, Name: "nowhere", Project: "one"}, actor)
			return err
		})
		if !store.IsCode(err, store.NotFound) {
			w.t.Errorf("got %v", err)
		}
	})
}
