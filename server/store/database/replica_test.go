package database

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
)

func TestTheLagOfAReplica(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	second := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	r := &replica{lagMax: 5 * time.Second}
	tests := []struct {
		name             string
		now              int
		primary, replica int64
		lag              time.Duration
		usable           bool
	}{
		{"it has come as far", 0, 100, 100, 0, true},
		{"the primary is idle", 60, 100, 100, 0, true},
		{"it is three seconds behind", 63, 300, 100, 3 * time.Second, true},
		{"it has come further, not far enough", 70, 900, 300, 7 * time.Second, false},
		{"it has come as far again", 71, 901, 950, 0, true},
		{"it is another database", 72, 902, 7, 72 * time.Second, false},
	}
	for _, test := range tests {
		r.observe(walSample{second(test.now), test.primary}, test.replica, second(test.now))
		if lag, usable := r.state(); lag != test.lag || usable != test.usable {
			t.Errorf("%s: lag %s, usable %t, want %s, %t", test.name, lag, usable, test.lag, test.usable)
		}
	}
}

// TestHistoryIsReadFromAStandbyWhileThatKeepsUp on a real one.
func TestHistoryIsReadFromAStandbyWhileThatKeepsUp(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	primary.CreateDatabase(t, "berth")
	standby := primary.Standby(t)
	db, err := Open(t.Context(), Options{
		URL: primary.URL("berth"), ReadURL: pgtest.URLOf("berth", primary, standby), ReadLagMax: time.Nanosecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	reads := func(use Use, fromStandby bool) {
		t.Helper()
		var got bool
		err := db.Reader().Get(WithUse(t.Context(), use), &got, recoverySQL)
		if err != nil || got != fromStandby {
			t.Errorf("use %d is answered by the standby: %t, %v", use, got, err)
		}
	}
	measure := func() {
		t.Helper()
		db.measureReplica(t.Context())
	}

	reads(History, false) // it was not measured yet
	standby.AwaitReplay(t, primary)
	measure()
	reads(History, true)
	reads(People, false)
	reads(Work, false)

	onStandby(t, db, "SELECT pg_wal_replay_pause()::text")
	awaitOnStandby(t, db, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
	if _, err := db.writer.ExecContext(t.Context(), "CREATE TABLE word (word TEXT)"); err != nil {
		t.Fatal(err)
	}
	measure()
	reads(History, false)

	onStandby(t, db, "SELECT pg_wal_replay_resume()::text")
	standby.AwaitReplay(t, primary)
	measure()
	reads(History, true)

	standby.Stop(t)
	reads(History, false) // the query itself finds that the standby is gone
	measure()
	reads(History, false)
	standby.Resume(t)
	standby.AwaitReplay(t, primary)
	for range 10 { // connections of before may be tried first
		measure()
	}
	reads(History, true)
}

func TestAStandbyOfAnotherDatabaseAnswersNothing(t *testing.T) {
	t.Parallel()
	other := pgtest.Start(t)
	other.CreateDatabase(t, "berth")
	standby := other.Standby(t)
	url := pgtest.Database(t)
	db, err := Open(t.Context(), Options{URL: url, ReadURL: standby.URL("berth"), ReadLagMax: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.replicaLag(t.Context()); err == nil || !strings.Contains(err.Error(), "does not lead to a standby") {
		t.Errorf("got %v", err)
	}
	db.measureReplica(t.Context())
	if db.replica.isUsable() {
		t.Error("it is used")
	}
}

func awaitOnStandby(t *testing.T, db *DB, condition string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for is := false; !is; <-tick.C {
		if err := db.replica.conns.GetContext(ctx, &is, condition); err != nil {
			t.Fatalf("%s: %v", condition, err)
		}
	}
}

func onStandby(t *testing.T, db *DB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := db.replica.conns.ExecContext(ctx, statement); err != nil {
		t.Fatal(err)
	}
}
