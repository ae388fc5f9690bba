package database

import (
	"sync"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
)

const recoverySQL = `
SELECT pg_is_in_recovery()`

// TestOneRefusedWriteEmptiesThePool: when one connection finds itself on a standby, the others that are as old
// are not tried one after the other.
func TestOneRefusedWriteEmptiesThePool(t *testing.T) {
	t.Parallel()
	const conns = 5
	primary := pgtest.Start(t)
	primary.CreateDatabase(t, "berth")
	standby := primary.Standby(t)
	host := pgtest.NewHost(t, standby)
	db, err := Open(t.Context(), Options{URL: host.URL("berth") + "&target_session_attrs=any", MaxConns: conns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	onStandby := atOnce(t, db, conns)
	if onStandby != conns {
		t.Fatalf("%d of %d connections lead to the standby", onStandby, conns)
	}

	host.Move(t, primary)
	if err := db.TakesWrites(t.Context()); err != nil {
		t.Errorf("the first write after the move: %v", err)
	}
	if n := atOnce(t, db, conns); n != 0 {
		t.Errorf("%d of %d connections still lead to the standby", n, conns)
	}
}

// atOnce uses all connections of the pool at the same time and counts how many of them lead to a standby.
func atOnce(t *testing.T, db *DB, conns int) (standbys int) {
	t.Helper()
	var all, asked sync.WaitGroup
	all.Add(conns)
	answers := make([]bool, conns)
	for i := range conns {
		asked.Go(func() {
			err := db.Snapshot(t.Context(), func(r Reader) error {
				all.Done()
				all.Wait()
				return r.Get(t.Context(), &answers[i], recoverySQL)
			})
			if err != nil {
				t.Errorf("ask connection %d: %v", i, err)
			}
		})
	}
	asked.Wait()
	for _, standby := range answers {
		if standby {
			standbys++
		}
	}
	return standbys
}
