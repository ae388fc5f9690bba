package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

func storePG(t *testing.T) *storetest.Store { t.Helper(); return storetest.PostgreSQL(t) }

func open(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 { // may be called twice
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return s
}

func TestOpenRefusesAnInvalidURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, url, want string }{
		{"nothing", "", "postgres:// or sqlite://"},
		{"another database", "mysql://x", "postgres:// or sqlite://"},
		{"a relative path", "sqlite://berth.db", "absolute"},
		{"a directory that does not exist", "sqlite:///nowhere/at/all/berth.db", "nowhere"},
		{"a server that is not there", "postgres://berth:hunter2@127.0.0.1:1/berth", "cannot be reached"},
		{"a URL that is none", "postgres://berth:hunter2@[::1/berth", "not a valid URL"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Open(t.Context(), store.Options{URL: test.url})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q in it", err, test.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error holds the password")
			}
		})
	}
}

func TestASQLiteFileHasOneUser(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "with ? and % in it.db")
	o := store.Options{URL: "sqlite://" + path}
	first := open(t, o)
	_, err := store.Open(t.Context(), o)
	if !store.IsCode(err, store.Conflict) {
		t.Fatalf("the second got %v", err)
	}
	want := path + " is in use by another berth process (pid "
	if !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("it says %q", err)
	}
	if err := first.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, err := first.InstallationID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file is elsewhere: %v", err)
	}
	again := open(t, o)
	if kept, err := again.InstallationID(t.Context()); err != nil || kept != id {
		t.Errorf("the installation is %s, then %s (%v)", id, kept, err)
	}
}

func TestADatabaseInMemoryEndsWithItsStore(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{URL: "sqlite::memory:"})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id, err := s.InstallationID(t.Context()); err != nil || id == uuid.Nil || id.Version() != 4 {
		t.Errorf("the installation is %s (%v)", id, err)
	}
}

func TestMigrateBringsAnEmptyDatabaseUpToDate(t *testing.T) {
	t.Parallel()
	urls := map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "berth.db") },
		"PostgreSQL": func(t *testing.T) string { return pgtest.Database(t) },
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := prometheus.NewRegistry()
			s := open(t, store.Options{URL: url(t), Registerer: registry})
			ctx := t.Context()
			current, wanted, err := s.MigrationStatus(ctx)
			if err != nil || current != 0 || wanted == 0 {
				t.Fatalf("an empty database is at %d of %d (%v)", current, wanted, err)
			}
			if err := s.Ready(ctx); !store.IsCode(err, store.Unavailable) ||
				!strings.Contains(err.Error(), "berth migrate up") {
				t.Errorf("before: %v", err)
			}
			var servers sync.WaitGroup
			for range 4 { // at once, as several servers do, and again
				servers.Go(func() {
					if err := s.Migrate(ctx); err != nil {
						t.Errorf("migrate: %v", err)
					}
				})
			}
			servers.Wait()
			if current, wanted, err = s.MigrationStatus(ctx); err != nil || current != wanted {
				t.Errorf("after: %d of %d (%v)", current, wanted, err)
			}
			if err := s.Ready(ctx); err != nil {
				t.Errorf("after: %v", err)
			}
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			if len(families) == 0 {
				t.Error("no metrics")
			}
			for _, f := range families {
				if !strings.HasPrefix(f.GetName(), "berth_db_") {
					t.Errorf("metric %s", f.GetName())
				}
			}
		})
	}
}

// TestTheStoreRecoversAfterPostgreSQLRestarts: the store and its listener work again after the server was
// restarted, by themselves.
func TestTheStoreRecoversAfterPostgreSQLRestarts(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	s := open(t, store.Options{URL: server.CreateDatabase(t, "berth")})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := &world{&storetest.Store{Store: s, Postgres: true}, t}
	w.one()
	pool := s.Subscribe(store.PoolTopic("p"))
	defer pool.Close()
	w.RunInBackground(t)
	w.hinted("the listener's start", pool)

	server.Stop(t)
	if _, err := s.GetPool(t.Context(), "p"); !store.IsCode(err, store.Unavailable) {
		t.Errorf("while it is down: %v", err)
	}
	if err := s.Ready(t.Context()); !store.IsCode(err, store.Unavailable) {
		t.Errorf("while it is down: %v", err)
	}
	quiet(pool)
	server.Resume(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w.hinted("the listener's return", pool)
	for err := s.Ready(ctx); err != nil; err = s.Ready(ctx) { // the first tries may get connections that broke
		if ctx.Err() != nil {
			t.Fatalf("it does not come back: %v", err)
		}
	}
	w.claimOne("w")
}
