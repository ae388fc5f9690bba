package store_test

import (
	"testing"

	"github.com/berth-dev/berth/server/store"
)

func TestAPauseSaysWhoWhenAndWhy(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		// of does a change and returns what is then known of each pause.
		of := func(c store.PauseChange, actor string) map[string]*store.Pause {
			pool := w.updatePool("p", store.PoolUpdate{Pause: &c}, actor)
			queue := w.updateQueue("p", "default", store.QueueUpdate{Pause: &c}, actor)
			err := w.InTx(w.t.Context(), func(tx *store.Tx) error {
				_, err := tx.UpdateDeploymentPaused(w.t.Context(), "d", c, actor)
				return err
			})
			w.check(err)
			deployment := w.getDeployment("d")
			for what, paused := range map[string]bool{"pool": pool.Paused, "queue": queue.Paused, "deployment": deployment.Paused} {
				if paused != c.Paused {
					t.Errorf("the %s has paused = %v", what, paused)
				}
			}
			return map[string]*store.Pause{"pool": pool.Pause, "queue": queue.Pause, "deployment": deployment.Pause}
		}
		first := of(store.PauseChange{Paused: true, Reason: "the warehouse is down"}, "ada")
		for what, p := range first {
			if p == nil || p.By != "ada" || p.At.IsZero() || p.Reason != "the warehouse is down" {
				t.Errorf("the %s is paused by %+v", what, p)
			}
		}
		for what, p := range of(store.PauseChange{Paused: true}, "grace") {
			if p == nil || p.By != "ada" || p.Reason != "the warehouse is down" {
				t.Errorf("paused again, the %s is paused by %+v", what, p)
			}
		}
		for what, p := range of(store.PauseChange{Paused: true, Reason: "it burns"}, "grace") {
			if p == nil || p.By != "grace" || p.Reason != "it burns" {
				t.Errorf("with another reason, the %s is paused by %+v", what, p)
			}
		}
		w.updatePool("p", store.PoolUpdate{Description: ptr("changed")}, "linus")
		if pool, err := w.GetPool(t.Context(), "p"); err != nil || pool.Pause == nil || pool.Pause.By != "grace" {
			t.Errorf("a change has taken the pause away: %+v, %v", pool, err)
		}
		for what, p := range of(store.PauseChange{}, "ada") {
			if p != nil {
				t.Errorf("resumed, the %s is paused by %+v", what, p)
			}
		}
	})
}
