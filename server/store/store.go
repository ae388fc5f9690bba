package store

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server/store/database"
	"github.com/berth-dev/berth/server/store/migration"
)

// Options of a store.
type Options struct {
	// URL is postgres://… or sqlite:///absolute/path; sqlite::memory: is a database that ends with the store.
	URL string
	// DirectURL reaches PostgreSQL without a pooler, for notifications and session locks. Empty: URL, and
	// there is no pooler, so that statements are kept prepared.
	DirectURL string
	// ReadURL reaches a standby that answers lists (see ForHistory), "" for none. ReadLagMax is how far it may be
	// behind; 0: DefaultReadLagMax.
	ReadURL    string
	ReadLagMax time.Duration
	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: no metrics
	// MaxConns is the number of connections for the worker protocol, sweeps and schedules; 0: 20 on PostgreSQL,
	// 4 readers on SQLite. PeopleConns is the one for people (see ForPeople); 0: 10, and 4 readers on SQLite.
	MaxConns, PeopleConns int
	// PeopleTimeout bounds a query of people; 0: DefaultPeopleTimeout.
	PeopleTimeout time.Duration
	// Raise computes the raised job variable of the next attempt; nil: memory is never raised.
	Raise Raiser
	// Archive reads output that was moved out of the database; nil: there is none.
	Archive Archive
	// SearchedRuns is how many runs a page of a list looks at in one index; 0: 2000.
	SearchedRuns int
	// ClockOffset is added to the database's time, so that a test can let leases expire. nil: none.
	ClockOffset func() time.Duration
}

// Store is the access to the database. It is safe for concurrent use. Reader provides its reads; all writes
// go through InTx.
type Store struct {
	Reader
	db       *database.DB
	raise    Raiser
	archive  Archive
	swept    sweepMark
	rolledUp rollUpMark
	auditKey atomic.Value // key of the digests in the audit, as []byte, once it was read
	terms    cache[termsKey, runTerms]
	settings cache[claimSetting, *settingRow]
	// deadlinesRest is true while Sweep leaves start deadlines and timeouts alone.
	deadlinesRest atomic.Bool
	searched      int                                  // see Options.SearchedRuns
	waits         waits                                // of partitions that cannot be emptied yet
	wantsEnd      atomic.Pointer[wantsEnd]             // see WatchEnds
	traced        atomic.Pointer[func(uuid.UUID) bool] // see WatchTraces
	lines         atomic.Pointer[lines]                // see LogChanges
	waiters       sync.Map                             // pool → the queue of its claims in this process, as *waiters
}

// Reader provides the reads. Store and Tx embed it, so that each read is written once and works inside and
// outside a transaction. The Reader of a Store is safe for concurrent use.
type Reader struct {
	db database.Reader
	s  *Store
}

// Tx is a transaction: it reads and writes. It is not safe for concurrent use and ends with the function that
// it was passed to.
type Tx struct {
	Reader
	db       *database.Tx
	deletion Deletion // what it has deleted so far
}

// Types of the database that callers of the store see.
type (
	Page         = database.Page         // asks for a part of a list
	Subscription = database.Subscription // receives hints
	CopyProgress = database.CopyProgress // how far a copy has come
)

// Defaults of the options.
const (
	DefaultPeopleTimeout = database.DefaultPeopleTimeout
	DefaultReadLagMax    = database.DefaultReadLagMax
)

// ForPeople returns a context whose queries use the connections for people (pages, the command line, streams), so
// that they never take one from a worker.
func ForPeople(ctx context.Context) context.Context { return database.WithUse(ctx, database.People) }

// ForHistory returns a context whose queries a read replica may answer, some seconds behind: lists and metrics, and
// nothing that decides or that a change has just been made to. Without one it is ForPeople.
func ForHistory(ctx context.Context) context.Context { return database.WithUse(ctx, database.History) }

// ForWork returns a context whose queries use the connections for the worker protocol, sweeps and schedules, as
// they do without any of these.
func ForWork(ctx context.Context) context.Context { return database.WithUse(ctx, database.Work) }

// Open connects to the database; it neither migrates nor needs a schema. On SQLite it takes the file for this
// process alone.
func Open(ctx context.Context, o Options) (*Store, error) {
	db, err := database.Open(ctx, database.Options{
		URL: o.URL, DirectURL: o.DirectURL, ReadURL: o.ReadURL, ReadLagMax: o.ReadLagMax, Migrations: migration.Files, Logger: o.Logger, Registerer: o.Registerer,
		MaxConns: o.MaxConns, PeopleConns: o.PeopleConns, PeopleTimeout: o.PeopleTimeout, ClockOffset: o.ClockOffset,
	})
	if err != nil {
		return nil, err
	}
	s := &Store{
		db: db, raise: o.Raise, archive: o.Archive, searched: cmp.Or(o.SearchedRuns, searchedRuns),
		terms:    cache[termsKey, runTerms]{most: termsMax},
		settings: cache[claimSetting, *settingRow]{most: settingsMax, weigh: (*settingRow).weight, maximum: settingsBytes},
	}
	s.Reader = Reader{db: db.Reader(), s: s}
	return s, nil
}

// Close closes the connections; it may be called twice.
func (s *Store) Close() error { return s.db.Close() }

// Run carries hints between the servers of one PostgreSQL until ctx ends. Without it hints stay within this
// process.
func (s *Store) Run(ctx context.Context) error { return s.db.Run(ctx) }

// Migrate brings the schema up to date. On PostgreSQL one of several servers does it, and the others wait.
func (s *Store) Migrate(ctx context.Context) error { return s.db.Migrate(ctx) }

// MigrationStatus returns the version that the database is at, 0 for an empty one, and the one this binary
// needs.
func (s *Store) MigrationStatus(ctx context.Context) (current, wanted int64, err error) {
	return s.db.MigrationStatus(ctx)
}

// readyTimeout is within the default timeout of probes of load balancers and of Kubernetes as the chart sets it.
const readyTimeout = 4 * time.Second

// Ready returns nil when the database takes writes and its schema is not older than this binary needs.
func (s *Store) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := s.db.TakesWrites(ctx); err != nil {
		return err
	}
	current, wanted, err := s.MigrationStatus(ctx)
	if err != nil {
		return err
	}
	if current < wanted {
		return &Error{Code: Unavailable, Message: fmt.Sprintf(
			"the database schema is at version %d and this binary needs %d: run `berth migrate up`", current,
			wanted)}
	}
	return nil
}

// InTx runs fn in a transaction and commits when it returns nil. It is the only way to write. fn may run
// several times: after a deadlock or a serialization failure it runs again from the start. Inside fn use the
// Tx, not the Store.
func (s *Store) InTx(ctx context.Context, fn func(*Tx) error) error {
	return s.db.InTx(ctx, func(tx *database.Tx) error {
		return fn(&Tx{Reader: Reader{db: tx.Reader, s: s}, db: tx})
	})
}

// inTx is Store.InTx for a function with a result.
func inTx[T any](ctx context.Context, s *Store, fn func(*Tx) (T, error)) (T, error) {
	var result T
	err := s.InTx(ctx, func(tx *Tx) error {
		var err error
		result, err = fn(tx)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return result, nil
}

// session returns a Reader outside a transaction that reads the database's time once. It belongs to one
// goroutine.
func (s *Store) session() Reader { return Reader{db: s.db.Session(), s: s} }

const installationSQL = `
SELECT id
FROM installation`

// InstallationID returns the id that the first migration generated.
func (q Reader) InstallationID(ctx context.Context) (uuid.UUID, error) {
	var id uuid.UUID
	if err := q.db.Get(ctx, &id, installationSQL); err != nil {
		return uuid.Nil, fmt.Errorf("read the installation id: %w", err)
	}
	return id, nil
}

// PoolTopic is where hints of due runs and cancels of a pool arrive.
func PoolTopic(pool string) string { return "pool:" + pool }

// RunTopic is where hints of a run's events and output arrive.
func RunTopic(id uuid.UUID) string { return "run:" + id.String() }

// RunsTopic is where hints of any run that was created or changed arrive.
func RunsTopic() string { return "runs" }

// Subscribe returns a subscription to hints of the topics. Subscribe first, then read, so that no change is
// missed in between.
func (s *Store) Subscribe(topics ...string) *Subscription { return s.db.Subscribe(topics...) }

// SubscribeClaims returns a subscription to hints of a pool for a claim that waits. A hint of n runs wakes the n claims
// that wait longest; a hint that concerns all wakes all. Receive, then call Next, then claim.
func (s *Store) SubscribeClaims(pool string) *Subscription {
	return s.db.SubscribeTurn(PoolTopic(pool))
}

// CursorKey returns the key that NewCursor was called with, "" for the first page.
func CursorKey(p Page, kind string) (string, error) { return p.After(kind) }

// NewCursor returns the cursor of the page after key, for a list that is not the store's own.
func NewCursor(kind, key string) string { return database.NewCursor(kind, key) }

// Copy copies everything from SQLite into an empty PostgreSQL database in one transaction, and compares it
// before the commit. Both have the schema of this binary. progress is called after each table, twice.
func Copy(ctx context.Context, from, to *Store, progress func(CopyProgress)) error {
	for _, s := range []*Store{from, to} {
		if err := s.Ready(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.db.Dialect(), err)
		}
	}
	return database.Copy(ctx, from.db, to.db,
		database.CopyOptions{Replaced: "installation", Progress: progress})
}
