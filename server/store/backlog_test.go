package store_test

import (
	"database/sql"
	"testing"

	"github.com/berth-dev/berth/server/store"
)

// TestABacklogBehindALimitCostsAnEmptyPollNothing counts the rows of ready and live that a poll reads which finds
// nothing: as few behind a long line as behind a short one.
func TestABacklogBehindALimitCostsAnEmptyPollNothing(t *testing.T) {
	limits := map[string]func(w *world){
		"of a deployment": func(w *world) {
			w.deployment("d", "p", func(d *store.Deployment) { d.ConcurrencyLimit = ptr(int32(1)) })
		},
		"of a queue": func(w *world) {
			w.updateQueue("p", store.DefaultQueue, store.QueueUpdate{ConcurrencyLimit: ptr(int32(1))}, actor)
		},
		"of the pool": func(w *world) { w.updatePool("p", store.PoolUpdate{ConcurrencyLimit: ptr(int32(1))}, actor) },
		"and a paused queue": func(w *world) {
			w.updateQueue("p", store.DefaultQueue, store.QueueUpdate{Pause: &store.PauseChange{Paused: true}}, actor)
		},
		"of a deployment that is paused later": func(w *world) { w.updateDeploymentPaused("d", true, actor) },
	}
	for name, limit := range limits {
		t.Run(name, func(t *testing.T) {
			onPostgres(t, func(w *world) {
				w.pool("p")
				w.deployment("d", "p")
				if name == "of a deployment" {
					limit(w)
				}
				w.runs("d", 5000)
				if name != "of a deployment" {
					limit(w)
				}
				w.claim(request("p", "w", 10)) // takes the slot, and marks what waits
				w.claim(request("p", "w", 10))

				w.pollsNothing(3) // passes what the claim has left behind in the indexes
				before := w.read()
				w.pollsNothing(10)
				if n := (w.read() - before) / 10; n > 20 {
					t.Errorf("an empty poll reads %d rows", n)
				}
			})
		})
	}
}

// pollsNothing polls a number of times, through separate connections.
func (w *world) pollsNothing(times int) {
	w.t.Helper()
	polling := w.OpenAgain(w.t)
	for range times {
		claims, err := polling.Claim(w.t.Context(), request("p", "w", 10))
		w.check(err)
		if len(claims) != 0 {
			w.t.Fatalf("claimed %d over the limit", len(claims))
		}
	}
	w.check(polling.Close())
}

// read is how many rows of ready and live were read up to now by connections that are closed.
func (w *world) read() (n int) {
	w.t.Helper()
	w.past(func(db *sql.DB) error {
		return db.QueryRowContext(w.t.Context(), `
			SELECT SUM(seq_tup_read + COALESCE(idx_tup_fetch, 0))
				+ (SELECT SUM(idx_tup_read) FROM pg_stat_user_indexes WHERE relname IN ('ready', 'live'))
			FROM pg_stat_user_tables
			WHERE relname IN ('ready', 'live')`).Scan(&n)
	})
	return n
}

func TestARenewalWritesOneRowForAllAttempts(t *testing.T) {
	onPostgres(t, func(w *world) {
		const attempts, renewals = 300, 40
		w.pool("p")
		w.deployment("d", "p")
		w.runs("d", attempts)
		claims := w.claim(request("p", "w", attempts))
		leases := make([]store.Lease, len(claims))
		for i, c := range claims {
			leases[i] = leaseOf(c)
		}
		for range renewals {
			lost, _, err := w.renew("w", leases...)
			w.check(err)
			if len(lost) != 0 {
				t.Fatalf("lost %d", len(lost))
			}
		}
		written := w.written()
		if n := written["live"].updated; n != 0 {
			t.Errorf("%d rows of live were updated", n)
		}
		got := written["worker_sessions"]
		if most := int64(renewals + 2); got.updated > most || got.hot < got.updated*9/10 {
			t.Errorf("%d renewals wrote %d rows of sessions (%d HOT), want %d at most", renewals, got.updated, got.hot, most)
		}
	})
}

// TestCreatingRunsLocksNoRow compares the last transaction that has locked each row before runs are created and after.
func TestCreatingRunsLocksNoRow(t *testing.T) {
	onPostgres(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		before := w.lockers()
		w.check(w.InTx(w.t.Context(), func(tx *store.Tx) error {
			if _, err := tx.CreateRuns(w.t.Context(), "d", make([]store.NewRun, 3), actor); err != nil {
				return err
			}
			if after := w.lockers(); after != before {
				t.Errorf("rows were locked by %s, and are now by %s", before, after)
			}
			return nil
		}))
	})
}

// lockers are the transactions that have locked the rows a run refers to last.
func (w *world) lockers() (ids string) {
	w.t.Helper()
	w.past(func(db *sql.DB) error {
		return db.QueryRowContext(w.t.Context(), `
			SELECT string_agg(r.xmax::text, ' ')
			FROM (
				SELECT xmax FROM pools
				UNION ALL SELECT xmax FROM queues
				UNION ALL SELECT xmax FROM deployments
				UNION ALL SELECT xmax FROM deployment_revisions
			) AS r`).Scan(&ids)
	})
	return ids
}

// TestDeletingALongQueueGoesInSteps deletes deployments and pools with more queued runs than one transaction cancels.
func TestDeletingALongQueueGoesInSteps(t *testing.T) {
	const runs = 1800
	deletions := map[string]func(w *world) error{
		"of a deployment": func(w *world) error {
			return w.DeleteDeployment(w.t.Context(), "long", store.DeleteOptions{Force: true}, actor)
		},
		"of a pool": func(w *world) error {
			return w.DeletePool(w.t.Context(), "p", store.DeleteOptions{Force: true}, actor)
		},
	}
	for name, deletes := range deletions {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(w *world) {
				w.pool("p")
				w.deployment("long", "p")
				w.runs("long", runs)
				w.pool("q")
				w.deployment("other", "q")
				w.run("other")
				w.check(deletes(w))

				waiting := w.rows("ready")
				if cancelled := runs + 1 - waiting; cancelled > 500 {
					t.Errorf("the transaction of the deletion has cancelled %d runs", cancelled)
				}
				if name == "of a deployment" {
					if claims := w.claim(request("p", "w", 10)); len(claims) != 0 {
						t.Errorf("claimed %d runs of a deleted deployment", len(claims))
					}
					_, err := w.restore(store.DeletedSelection{Kind: store.DeletedDeployment, Name: "long"}, "")
					w.refuses(err, store.Conflict)
				}
				if claims := w.claim(request("q", "w", 10)); len(claims) != 1 {
					t.Errorf("claimed %d runs of another pool, want 1", len(claims))
				}
				for range 2 {
					w.sweep()
				}
				if left := w.rows("ready"); left != 0 {
					t.Errorf("%d runs wait after the sweeps", left)
				}
				if name == "of a deployment" {
					w.restores(store.DeletedDeployment, "long")
				} else {
					w.restores(store.DeletedPool, "p")
				}
			})
		})
	}
}
