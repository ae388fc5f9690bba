// Package storetest opens stores for tests: real databases, migrated, each test its own, with a clock that
// can be moved.
//
// A store begins at a fixed time: a Wednesday at noon, in the middle of a month without a change of summer time. So a test
// does not depend on when it runs. BERTH_TEST_START, as in 2040-02-29T23:59:50Z, begins elsewhere. Tests that compare the
// store's time with the machine's, and benchmarks whose scripts read the database's clock, are opened with [WallClock].
package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
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

// Options says how a store is opened.
type Options struct {
	store.Options
	wallClock bool
	clock     *atomic.Int64 // of a store that is open; nil: a new one
}

// Option changes how a store is opened.
type Option func(*Options)

// WallClock opens a store whose time is the machine's, until the test moves it.
func WallClock(o *Options) { o.wallClock = true }

const (
	defaultStart = "2040-06-13T12:05:00Z"
	// startStep is what the distance between a store's time and the machine's is a multiple of: the IDs of runs are
	// shifted by whole minutes, and would not keep their order if that were a half and a bit, more or less.
	startStep = 10 * time.Second
)

// startOffset is what to add to the machine's time to begin at the time of tests, give or take half a step.
func startOffset() (time.Duration, error) {
	text := os.Getenv("BERTH_TEST_START")
	if text == "" {
		text = defaultStart
	}
	start, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, fmt.Errorf("BERTH_TEST_START: %w", err)
	}
	return time.Until(start).Round(startStep), nil
}

// Advance moves the database's clock, as the store sees it, forward.
func (s *Store) Advance(d time.Duration) { s.clock.Add(int64(d)) }

// Now is the database's time, as the store sees it.
func (s *Store) Now() time.Time { return time.Now().Add(time.Duration(s.clock.Load())) }

// Each runs a test on every database, in parallel.
func Each(t *testing.T, test func(t *testing.T, s *Store), options ...Option) {
	t.Helper()
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, SQLite(t, options...))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, PostgreSQL(t, options...))
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
	return open(t, "sqlite://"+SQLiteFile(t, t.TempDir()), options)
}

// SQLiteFile writes the database of a server that has run once into its data directory, and returns its path.
func SQLiteFile(t testing.TB, dir string) string {
	t.Helper()
	content, err := migratedSQLite()
	if err != nil {
		t.Fatalf("prepare the SQLite database: %v", err)
	}
	path := filepath.Join(dir, "berth.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// migratedSQLite is migrated once in a process: it is a quarter of what a server does when it starts.
var migratedSQLite = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "berth-sqlite-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "berth.db")
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{URL: "sqlite://" + path})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.Migrate(ctx), s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// PostgreSQL opens a store on a new database. It skips the test on a machine without PostgreSQL.
func PostgreSQL(t testing.TB, options ...Option) *Store {
	t.Helper()
	return clone(t, "berth", func(context.Context, *Store) error { return nil }, options)
}

// partitionEvery is short, so that the runs of a test that moves the clock are in several partitions.
const partitionEvery = 30 * time.Minute

// Partitioned is PostgreSQL with partitions of half an hour.
func Partitioned(t testing.TB, options ...Option) *Store {
	t.Helper()
	s := clone(t, "berth, partitioned", func(ctx context.Context, s *Store) error {
		return s.PartitionRuns(ctx, store.PartitionOptions{Every: partitionEvery})
	}, options)
	s.Partitions = true
	return s
}

// moveFirstSQL makes the first partition of output the one of a migration at another time. The migration reads the clock of
// the machine.
const moveFirstSQL = `
DO $$
DECLARE
    ends TIMESTAMPTZ := (date_trunc('day', TIMESTAMPTZ '%s' AT TIME ZONE 'UTC') + INTERVAL '2 days') AT TIME ZONE 'UTC';
BEGIN
    EXECUTE (SELECT format('DROP TABLE %%s', inhrelid::regclass) FROM pg_inherits
        WHERE inhparent = 'log_chunks'::regclass AND inhrelid <> 'log_chunks_rest'::regclass);
    EXECUTE format('CREATE TABLE %%I PARTITION OF log_chunks FOR VALUES FROM (MINVALUE) TO (%%L)',
        'log_chunks_p' || to_char((ends - INTERVAL '1 day') AT TIME ZONE 'UTC', 'YYYYMMDD'), ends);
END
$$`

// migratePostgres migrates an empty database at the store's time.
func (s *Store) migratePostgres(ctx context.Context) error {
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	return pgtest.Exec(ctx, s.URL, fmt.Sprintf(moveFirstSQL, s.Now().UTC().Format(time.RFC3339)))
}

// clone opens a store on a copy of a migrated database, which prepare fills once.
func clone(t testing.TB, template string, prepare func(context.Context, *Store) error, options []Option) *Store {
	t.Helper()
	wallClock := func(o *Options) { o.wallClock = optionsOf(options).wallClock }
	if optionsOf(options).wallClock {
		template += ", wall clock"
	}
	url := pgtest.Clone(t, template, func(ctx context.Context, url string) error {
		s, err := openWith(ctx, url, []Option{wallClock})
		if err != nil {
			return err
		}
		return errors.Join(s.migratePostgres(ctx), prepare(ctx, s), s.Close())
	})
	s := open(t, url, options)
	s.Postgres = true
	return s
}

// OnServer opens a store on a new database of a server that the test may stop.
func OnServer(t testing.TB, server *pgtest.Server, options ...Option) *Store {
	t.Helper()
	s := open(t, server.CreateDatabase(t, "berth_test"), options)
	s.Postgres = true
	if err := s.migratePostgres(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return s
}

// OpenAgain opens the same PostgreSQL database once more, as another server does; the clock is shared.
func (s *Store) OpenAgain(t testing.TB) *Store {
	t.Helper()
	sameClock := func(o *Options) { o.clock = s.clock }
	again := open(t, s.URL, append(slices.Clip(s.options), sameClock))
	again.Postgres = s.Postgres
	return again
}

func open(t testing.TB, url string, options []Option) *Store {
	t.Helper()
	s, err := openWith(t.Context(), url, options)
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

func openWith(ctx context.Context, url string, options []Option) (*Store, error) {
	o := optionsOf(options)
	if o.clock == nil {
		o.clock = new(atomic.Int64)
		if !o.wallClock {
			offset, err := startOffset()
			if err != nil {
				return nil, err
			}
			o.clock.Store(int64(offset))
		}
	}
	o.URL, o.MaxConns = url, 10
	o.ClockOffset = func() time.Duration { return time.Duration(o.clock.Load()) }
	s, err := store.Open(ctx, o.Options)
	if err != nil {
		return nil, err
	}
	return &Store{Store: s, URL: url, clock: o.clock, options: options}, nil
}

func optionsOf(change []Option) Options {
	var o Options
	for _, c := range change {
		c(&o)
	}
	return o
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
