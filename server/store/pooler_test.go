package store_test

import (
	"database/sql"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/store"
)

// TestAPoolerThatHandsOnConnectionsIsRefused: without a URL around it, another client's prepared statement could
// run in place of ours.
func TestAPoolerThatHandsOnConnectionsIsRefused(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	createSchema(t, server)
	for _, mode := range []string{"transaction", "statement"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			pooler := server.NewPooler(t, mode)
			refused(t, store.Options{URL: pooler.URL("berth")}, "set --database-direct-url")
			refused(t, store.Options{URL: pooler.URL("berth"), DirectURL: pooler.URL("berth")},
				"--database-direct-url leads to a connection pooler")

			// Others use the pooler, so that it has connections to choose from.
			busy := useAtOnce(t, pooler.URL("berth"), 8)
			refused(t, store.Options{URL: pooler.URL("berth")}, "set --database-direct-url")
			busy.Wait()
		})
	}
	t.Run("session", func(t *testing.T) {
		t.Parallel()
		s := open(t, store.Options{URL: server.NewPooler(t, "session").URL("berth")})
		if err := s.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// useAtOnce asks a query on as many connections at the same time.
func useAtOnce(t *testing.T, url string, conns int) *sync.WaitGroup {
	t.Helper()
	db := openDatabase(t, url)
	db.SetMaxIdleConns(conns)
	var begun, asked sync.WaitGroup
	begun.Add(conns)
	for range conns {
		asked.Go(func() {
			begun.Done()
			begun.Wait()
			for range 20 {
				if _, err := db.ExecContext(t.Context(), "SELECT pg_sleep(0.001)"); err != nil {
					t.Errorf("use the pooler: %v", err)
				}
			}
		})
	}
	begun.Wait()
	return &asked
}

// openDatabase opens a database without a store.
func openDatabase(t *testing.T, url string) *sql.DB {
	t.Helper()
	db := must[*sql.DB](t)(sql.Open("postgres", url))
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func refused(t *testing.T, o store.Options, want string) {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err == nil {
		t.Fatalf("it opened, want %q (%v)", want, s.Close())
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
}

// TestTheStoreWorksBehindAPoolerWithAURLAroundIt: several clients share the connections of the pooler.
func TestTheStoreWorksBehindAPoolerWithAURLAroundIt(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	createSchema(t, server)
	pooler := server.NewPooler(t, "transaction")
	o := store.Options{URL: pooler.URL("berth"), DirectURL: server.URL("berth")}
	w, other := worldOn(t, open(t, o)), worldOn(t, open(t, o))
	pool := other.Subscribe(store.PoolTopic("p"))
	defer pool.Close()
	other.RunInBackground(t)
	other.hinted("the listener's start", pool)
	w.RunInBackground(t)
	w.one()
	other.hinted("the run", pool)
	var claims sync.WaitGroup
	for range 4 {
		claims.Go(func() {
			for range 20 {
				if _, err := w.GetPool(t.Context(), "p"); err != nil {
					t.Error(err)
				}
				if _, err := other.GetPool(t.Context(), "p"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	claims.Wait()
	other.claimOne("w")
}
