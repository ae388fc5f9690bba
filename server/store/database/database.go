package database

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options of a database.
type Options struct {
	// URL is postgres://… or sqlite:///absolute/path; sqlite::memory: is a database that ends with the
	// process.
	URL string
	// DirectURL reaches PostgreSQL without a pooler, for notifications and session locks. Empty: URL, which
	// then must not lead to a pooler either, so that statements can stay prepared.
	DirectURL string
	// ReadURL reaches a standby that answers the queries of History, "" for none, as long as it is not further
	// behind than ReadLagMax; 0: DefaultReadLagMax.
	ReadURL     string
	ReadLagMax  time.Duration
	Migrations  fs.FS                 // SQL files in the directories postgres and sqlite
	Logger      *slog.Logger          // nil: discard
	Registerer  prometheus.Registerer // nil: no metrics
	MaxConns    int                   // for Work; 0: 20 on PostgreSQL, 4 readers on SQLite
	PeopleConns int                   // for People and History; 0: 10 on PostgreSQL, 4 readers on SQLite
	// PeopleTimeout bounds a query of People and History; 0: DefaultPeopleTimeout.
	PeopleTimeout time.Duration
	ClockOffset   func() time.Duration // added to the database's time, for tests; nil: none
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	connections
	dialect    Dialect
	direct     *url.URL // PostgreSQL only: without a pooler
	migrations fs.FS
	log        *slog.Logger
	offset     func() time.Duration
	hub        *hub
	outbox     *outbox
	bound      sync.Map // query as written → query with the placeholders of the database
	records    sync.Map // recordQueryKey → *recordQuery
	failovers  *failovers
	closers    []io.Closer
	// full: the disk of the database was full when something was written last.
	full atomic.Bool
	// listening: the connection for notifications is up.
	listening atomic.Bool
	// lockTimeout is how long a migration waits for a lock.
	lockTimeout time.Duration
}

// Open connects to the database; it neither migrates nor needs a schema. A SQLite file is locked for this
// process.
func Open(ctx context.Context, o Options) (*DB, error) {
	db := &DB{
		log: o.Logger, offset: o.ClockOffset, migrations: o.Migrations, hub: newHub(), outbox: newOutbox(),
		failovers:   newFailovers(),
		lockTimeout: migrationLockTimeout,
		connections: connections{peopleTimeout: cmp.Or(o.PeopleTimeout, DefaultPeopleTimeout)},
	}
	if db.log == nil {
		db.log = slog.New(slog.DiscardHandler)
	}
	if db.offset == nil {
		db.offset = func() time.Duration { return 0 }
	}

	var err error
	switch scheme, _, _ := strings.Cut(o.URL, ":"); scheme {
	case "postgres", "postgresql":
		err = db.openPostgres(ctx, o)
	case "sqlite":
		err = db.openSQLite(ctx, o)
	default:
		return nil, errors.New("database URL: must begin with postgres:// or sqlite://")
	}
	if err == nil && o.Registerer != nil {
		err = db.register(o.Registerer)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Close closes the connections; it may be called twice.
func (db *DB) Close() error {
	var errs []error
	for i := len(db.closers) - 1; i >= 0; i-- {
		errs = append(errs, db.closers[i].Close())
	}
	db.closers = nil
	return errors.Join(errs...)
}

// Dialect says which database it is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Log is the logger of the options.
func (db *DB) Log() *slog.Logger { return db.log }

// Subscribe returns a subscription to hints of the topics. Subscribe first, then read, so that no change is
// missed in between.
func (db *DB) Subscribe(topics ...string) *Subscription { return db.hub.join(topics) }

// Wake hints at the topics in this process only.
func (db *DB) Wake(topics ...string) { db.hub.wake(topics...) }

// WakeTurns hints at n things in this process only, each of which one subscription can take.
func (db *DB) WakeTurns(topic string, n int) { db.hub.turns(topic, n) }
