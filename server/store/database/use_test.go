package database

import (
	"context"
	"sync"
	"testing"
	"time"
)

const (
	waitForGateSQL = `
SELECT pg_advisory_xact_lock(7)`
	connectionsSQL = `
SELECT COUNT(*)
FROM pg_stat_activity
WHERE datname = current_database() AND application_name = ?`
)

// TestPeopleTakeNoConnectionOfWork: fifty queries of people that do not end take the connections for people, and a
// transaction of a worker gets one at once.
func TestPeopleTakeNoConnectionOfWork(t *testing.T) {
	t.Parallel()
	const people = 3
	db := openEmpty(t, Options{PeopleConns: people, PeopleTimeout: time.Minute})
	gate, err := db.writer.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gate.ExecContext(t.Context(), "SELECT pg_advisory_lock(7)"); err != nil {
		t.Fatal(err)
	}
	db.writer.SetMaxOpenConns(2) // one holds the gate

	var queries sync.WaitGroup
	ctx := WithUse(t.Context(), People)
	for i := range 50 {
		queries.Go(func() {
			err := db.InTx(ctx, func(tx *Tx) error {
				var locked string
				return tx.Get(ctx, &locked, waitForGateSQL+"::text")
			})
			if err != nil {
				t.Errorf("query %d: %v", i, err)
			}
		})
	}
	awaitConnections(t, db, "berth people", people)
	for range 5 {
		if err := db.TakesWrites(t.Context()); err != nil {
			t.Errorf("a transaction of work: %v", err)
		}
	}
	if n := db.peopleWriter.Stats().OpenConnections; n > people {
		t.Errorf("people have %d connections, want at most %d", n, people)
	}
	if err := gate.Close(); err != nil {
		t.Error(err)
	}
	if _, err := db.writer.ExecContext(t.Context(), "SELECT pg_advisory_unlock_all()"); err != nil {
		t.Fatal(err)
	}
	queries.Wait()
}

// awaitConnections returns when an application has so many connections.
func awaitConnections(t *testing.T, db *DB, application string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; n != want; {
		if err := db.Reader().Get(ctx, &n, connectionsSQL, application); err != nil {
			t.Fatalf("%d connections of %s: %v", n, application, err)
		}
		<-tick.C
	}
}

// TestAQueryOfPeopleEnds: what takes too long is ended, by PostgreSQL or by us, and says so.
func TestAQueryOfPeopleEnds(t *testing.T) {
	t.Parallel()
	const forever = "SELECT pg_sleep(600)::text"
	for name, o := range map[string]Options{"direct": {}, "behind a pooler": {DirectURL: "the same"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Half of it more is what PostgreSQL has to answer anything: a loaded machine must not need as long for BEGIN.
			o.PeopleTimeout = 500 * time.Millisecond
			db := openEmpty(t, o)
			ctx := WithUse(t.Context(), People)
			var slept string
			if err := db.Reader().Get(ctx, &slept, forever); !IsCode(err, QueryTimeout) {
				t.Errorf("a query: %v", err)
			}
			err := db.InTx(ctx, func(tx *Tx) error { return tx.Get(ctx, &slept, forever) })
			if !IsCode(err, QueryTimeout) {
				t.Errorf("a transaction: %v", err)
			}
			err = db.Snapshot(ctx, func(r Reader) error { return r.Get(ctx, &slept, forever) })
			if !IsCode(err, QueryTimeout) {
				t.Errorf("a snapshot: %v", err)
			}
		})
	}
}

// TestEveryUseHasItsNameAndTime: pg_stat_activity shows what a connection is for.
func TestEveryUseHasItsNameAndTime(t *testing.T) {
	t.Parallel()
	db := openEmpty(t, Options{PeopleTimeout: 7 * time.Second})
	const settingsSQL = `SELECT current_setting('application_name') || ' ' || current_setting('statement_timeout') ||
		' ' || current_setting('idle_in_transaction_session_timeout')`
	for use, want := range map[Use]string{Work: "berth work 1min 3min", People: "berth people 7s 21s"} {
		var got string
		if err := db.Reader().Get(WithUse(t.Context(), use), &got, settingsSQL); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}
