package store_test

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// TestAClaimSkipsRunsThatAnotherClaimHasLocked: while a claim of another server is at work, in a pool without limits,
// one of this server takes what comes next, and who sets a limit waits for both. SQLite has one writer at a
// time.
func TestAClaimSkipsRunsThatAnotherClaimHasLocked(t *testing.T) {
	onEachLayout(t, func(w *world) {
		if !w.Postgres {
			return
		}
		w.pool("p")
		w.deployment("d", "p")
		w.runs("d", 9)
		w.accepts(
			succeeded(w.claim(request("p", "w", 1))[0])) // from here on it is known that nothing is limited
		w.past(func(db *sql.DB) error {
			other, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				return err
			}
			defer func() { _ = other.Rollback() }() // after the commit it says so
			taking := map[uuid.UUID]bool{}
			for _, id := range lockedBy(t, other, "SELECT p.id FROM pools p, pg_advisory_xact_lock_shared(1886351212, hashtext('p'))",
				"SELECT run_id FROM ready ORDER BY due_at, run_id LIMIT 4 FOR UPDATE") {
				taking[id] = true
			}
			claims := w.claim(request("p", "w", 3))
			for _, c := range claims {
				if taking[c.RunID] {
					t.Errorf("run %s is another's", c.RunID)
				}
			}
			if len(claims) != 3 {
				t.Errorf("claimed %d of 4 due runs", len(claims))
			}
			limited := make(chan error, 1)
			go func() {
				_, err := w.UpdatePool(t.Context(), "p", store.PoolUpdate{ConcurrencyLimit: ptr(int32(3))},
					actor)
				limited <- err
			}()
			w.awaitLock()
			select {
			case err := <-limited:
				t.Errorf("the limit was set while a claim was at work: %v", err)
			default:
			}
			if err := other.Commit(); err != nil {
				return err
			}
			return <-limited
		})
		if claims := w.claim(request("p", "w", 3)); len(claims) != 0 {
			t.Errorf("claimed %d over the limit", len(claims))
		}
	})
}

// lockedBy returns the ids that the last of some statements finds.
func lockedBy(t *testing.T, tx *sql.Tx, statements ...string) (ids []uuid.UUID) {
	t.Helper()
	for _, statement := range statements {
		ids = nil
		rows := must[*sql.Rows](t)(tx.QueryContext(t.Context(), statement))
		for rows.Next() {
			var id uuid.UUID
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// TestALimitSetDuringConcurrentClaimsHolds: once it is set no more are claimed than it allows, and what was
// claimed before is all that there is.
func TestALimitSetDuringConcurrentClaimsHolds(t *testing.T) {
	limits := map[string]func(w *world) error{
		"of the pool": func(w *world) error {
			_, err := w.UpdatePool(w.t.Context(), "p", store.PoolUpdate{ConcurrencyLimit: ptr(int32(20))},
				actor)
			return err
		},
		"of the deployment": func(w *world) error {
			_, _, err := w.UpsertDeployment(w.t.Context(),
				store.Deployment{Name: "d", Pool: "p", ConcurrencyLimit: ptr(int32(20))}, actor)
			return err
		},
		"of the queue": func(w *world) error {
			_, err := w.UpdateQueue(w.t.Context(), "p", store.DefaultQueue,
				store.QueueUpdate{ConcurrencyLimit: ptr(int32(20))}, actor)
			return err
		},
	}
	for name, set := range limits {
		t.Run(name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				const total = 400
				w.pool("p")
				w.deployment("d", "p")
				w.runs("d", total)
				servers := []*world{w, w}
				if w.Postgres {
					servers[1] = &world{w.OpenAgain(w.t), w.t}
				}
				under := make(chan struct{}, total) // so many have been claimed
				var workers sync.WaitGroup
				for i := range 8 {
					workers.Go(func() {
						for {
							claims, err := servers[i%2].Claim(w.t.Context(),
								request("p", fmt.Sprint("w", i), 1+i%3))
							if err != nil {
								t.Error(err)
							}
							if len(claims) == 0 {
								return
							}
							for range claims {
								under <- struct{}{}
							}
						}
					})
				}
				for range 10 {
					<-under
				}
				w.check(set(w))
				set := w.used("p")
				workers.Wait()
				if n := w.used("p"); n != max(set, 20) {
					t.Errorf("%d slots are used; when a limit of 20 was set there were %d", n, set)
				}
			})
		})
	}
}
