package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// createSchema creates a database on the server with the schema.
func createSchema(t *testing.T, server *pgtest.Server) {
	t.Helper()
	s := open(t, store.Options{URL: server.CreateDatabase(t, "berth")})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func worldOn(t *testing.T, s *store.Store) *world {
	return &world{&storetest.Store{Store: s, Postgres: true}, t}
}

// untilReady asks until the store is ready, as a load balancer does.
func untilReady(t *testing.T, s *store.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for err := s.Ready(ctx); err != nil; err = s.Ready(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("it does not become ready: %v", err)
		}
	}
}

// TestTheStoreFollowsAFailover: the primary dies and its standby is promoted. The store, and its listener,
// go on there.
func TestTheStoreFollowsAFailover(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	createSchema(t, primary)
	standby := primary.Standby(t)
	s := open(t, store.Options{URL: pgtest.URLOf("berth", standby, primary)})
	w := worldOn(t, s)
	w.one()
	pool := s.Subscribe(store.PoolTopic("p"))
	defer pool.Close()
	w.RunInBackground(t)
	w.hinted("the listener's start", pool)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatalf("before: %v", err)
	}
	standby.AwaitReplay(t, primary)

	primary.Stop(t)
	if err := s.Ready(t.Context()); !store.IsCode(err, store.Unavailable) {
		t.Errorf("with the standby alone: %v", err)
	}
	if _, err := s.GetPool(t.Context(), "p"); !store.IsCode(err, store.Unavailable) {
		t.Errorf("a read of a standby: %v", err)
	}
	quiet(pool)
	standby.Promote(t)
	untilReady(t, s)
	w.hinted("the listener's return", pool)
	w.claimOne("w")
}

// TestConnectionsToAStandbyAreThrownAway: an address comes to lead to another server, and the connections of the
// pool stay with the one that no longer takes writes.
func TestConnectionsToAStandbyAreThrownAway(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	createSchema(t, primary)
	standby := primary.Standby(t)
	host := pgtest.NewHost(t, standby)
	s := open(t, store.Options{URL: host.URL("berth") + "&target_session_attrs=any"})
	err := s.Ready(t.Context())
	if !store.IsCode(err, store.Unavailable) || !strings.Contains(err.Error(), "takes no writes") {
		t.Fatalf("on the standby: %v", err)
	}
	host.Move(t, primary)
	w := worldOn(t, s)
	w.one()
	w.claimOne("w")
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("on the primary: %v", err)
	}
}

// TestAStandbyAloneIsNoDatabase: by default the store does not even open on a server that takes no writes.
func TestAStandbyAloneIsNoDatabase(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	createSchema(t, primary)
	standby := primary.Standby(t)
	s, err := store.Open(t.Context(), store.Options{URL: standby.URL("berth")})
	if err == nil {
		t.Fatal("it opened", s.Close())
	}
	if !store.IsCode(err, store.Unavailable) || !strings.Contains(err.Error(), "standby") {
		t.Errorf("got %v", err)
	}
}
