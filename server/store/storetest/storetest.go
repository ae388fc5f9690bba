// Package storetest opens stores for tests: real databases, migrated, each test its own, with a clock that
// can be moved.
package storetest

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/store"
)

// Store is a store of a test's own.
type Store struct {
	*store.Store
	// Postgres says which database it is.
	Postgres bool
	// Partitions: its tables of runs are partitioned.
	Partitions bool
	URL        string
	clock      *atomic.Int64
	options    []Option
}

// Manifest is the member of job_configuration that any template needs for a Job that is valid.
const Manifest = `"job_manifest":{"spec":{"template":{"spec":{"containers":[{"name":"job","image":"busybox:1.36"}]}}}}`

// Option changes how a store is opened.
type Option func(*store.Options)

// Advance moves the database's clock, as the store sees it, forward.
func (s *Store) Advance(d time.Duration) { s.clock.Add(int64(d)) }

// Now is the database's time, as the store sees it.
func (s *Store) Now() time.Time { return time.Now().Add(time.Duration(s.clock.Load())) }

// Each runs a test on every database, in parallel.
func Each(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Helper()
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, SQLite(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, PostgreSQL(t))
	})
}

// EachLayout is Each, and once more on a PostgreSQL whose tables of runs are partitioned.
func EachLayout(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Helper()
	Each(t, test)
	t.Run("PostgreSQL, partitioned", func(t *testing.T) {
		t.Parallel()
		test(t, Partitioned(t))
	})
}

// SQLite opens a store on a SQLite file.
func SQLite(t testing.TB, options ...Option) *Store {
	t.Helper()
	s := open(t, "sqlite://"+filepath.Join(t.TempDir(), "berth.db"), new(atomic.Int64), options)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return s
}

// PostgreSQL opens a store on a new database. It skips the test on a machine without PostgreSQL.
func PostgreSQL(t testing.TB, options ...Option) *Store {
	t.Helper()
	return clone(t, "berth", func(ctx context.Context, s *store.Store) error { return s.Migrate(ctx) }, options)
}

// partitionEvery is short, so that the runs of a test that moves the clock are in several partitions.
const partitionEvery = 30 * time.Minute

// Partitioned is PostgreSQL with partitions of half an hour.
func Partitioned(t testing.TB, options ...Option) *Store {
	t.Helper()
	s := clone(t, "berth, partitioned", func(ctx context.Context, s *store.Store) error {
		return errors.Join(s.Migrate(ctx), s.PartitionRuns(ctx, store.PartitionOptions{Every: partitionEvery}))
	}, options)
	s.Partitions = true
	return s
}

// clone opens a store on a copy of a database, which prepare fills once.
func clone(
	t testing.TB, template string, prepare func(context.Context, *store.Store) error, options []Option,
) *Store {
	t.Helper()
	url := pgtest.Clone(t, template, func(ctx context.Context, url string) error {
		s, err := store.Open(ctx, store.Options{URL: url, MaxConns: 2})
		if err != nil {
			return err
		}
		return errors.Join(prepare(ctx, s), s.Close())
	})
	s := open(t, url, new(atomic.Int64), options)
	s.Postgres = true
	return s
}

// OnServer opens a store on a new database of a server that the test may stop.
func OnServer(t testing.TB, server *pgtest.Server, options ...Option) *Store {
	t.Helper()
	s := open(t, server.CreateDatabase(t, "berth_test"), new(atomic.Int64), options)
	s.Postgres = true
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return s
}

// OpenAgain opens the same PostgreSQL database once more, as another server does; the clock is shared.
func (s *Store) OpenAgain(t testing.TB) *Store {
	t.Helper()
	again := open(t, s.URL, s.clock, s.options)
	again.Postgres = s.Postgres
	return again
}

func open(t testing.TB, url string, clock *atomic.Int64, change []Option) *Store {
	t.Helper()
	options := store.Options{
		URL: url, MaxConns: 10, ClockOffset: func() time.Duration { return time.Duration(clock.Load()) },
	}
	for _, c := range change {
		c(&options)
	}
	s, err := store.Open(t.Context(), options)
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return &Store{Store: s, URL: url, clock: clock, options: change}
}

// RunInBackground runs the store's own loops until the test ends.
func (s *Store) RunInBackground(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run the store: %v", err)
		}
	})
}

// Claim is Store.Claim for a worker that says hello when it is asked to.
func (s *Store) Claim(ctx context.Context, r store.ClaimRequest) ([]store.Claim, error) {
	claims, err := s.Store.Claim(ctx, r)
	if !store.IsCode(err, store.SessionUnknown) {
		return claims, err
	}
	hello := store.Worker{Name: r.Worker, Pool: r.Pool, ClusterID: r.ClusterID}
	if err := s.UpsertWorker(ctx, hello, r.Session); err != nil {
		return nil, err
	}
	return s.Store.Claim(ctx, r)
}

// SessionOf is the session of a worker that was never restarted.
func SessionOf(pool, worker string) store.SessionRef {
	id := uuid.NewSHA1(uuid.NameSpaceOID, []byte(pool+"/"+worker))
	return store.SessionRef{ID: id, Pool: pool, Worker: worker}
}

// UpsertDeployment runs Tx.UpsertDeployment in a transaction.
func (s *Store) UpsertDeployment(
	ctx context.Context, d store.Deployment, actor string,
) (stored *store.Deployment, created bool, err error) {
	err = s.InTx(ctx, func(tx *store.Tx) (err error) {
		stored, created, err = tx.UpsertDeployment(ctx, d, actor)
		return err
	})
	return stored, created, err
}

// UpdateDeploymentPaused runs Tx.UpdateDeploymentPaused in a transaction.
func (s *Store) UpdateDeploymentPaused(
	ctx context.Context, name string, paused bool, actor string,
) (d *store.Deployment, err error) {
	err = s.InTx(ctx, func(tx *store.Tx) (err error) {
		d, err = tx.UpdateDeploymentPaused(ctx, name, store.PauseChange{Paused: paused}, actor)
		return err
	})
	return d, err
}

// DeleteDeployment runs Tx.DeleteDeployment in a transaction.
func (s *Store) DeleteDeployment(ctx context.Context, name string, o store.DeleteOptions, actor string) error {
	return s.InTx(ctx, func(tx *store.Tx) error { return tx.DeleteDeployment(ctx, name, o, actor) })
}

// RetryRun runs Tx.RetryRun in a transaction.
func (s *Store) RetryRun(ctx context.Context, id uuid.UUID, actor string) (run *store.Run, err error) {
	err = s.InTx(ctx, func(tx *store.Tx) (err error) {
		run, err = tx.RetryRun(ctx, id, actor)
		return err
	})
	return run, err
}

// UpdateSchedules runs Tx.UpdateSchedules in a transaction.
func (s *Store) UpdateSchedules(
	ctx context.Context, deployment string, wanted []store.NewSchedule, actor string,
) error {
	return s.InTx(ctx, func(tx *store.Tx) error { return tx.UpdateSchedules(ctx, deployment, wanted, actor) })
}
