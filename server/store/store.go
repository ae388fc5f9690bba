package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
)

// Options of a store.
type Options struct {
	// URL is postgres://… or sqlite:///absolute/path; sqlite::memory: is a database that ends with the store.
	URL string
	// DirectURL reaches PostgreSQL without a pooler, for notifications and session locks. Empty: URL, and
	// there is no pooler, so that statements are kept prepared.
	DirectURL  string
	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: no metrics
	MaxConns   int                   // 0: 20 on PostgreSQL, 4 readers on SQLite
	// Raise works out how a job variable is raised for another attempt; nil: nothing ever is.
	Raise Raiser
	// ClockOffset is added to the database's time, so that a test can let leases run out. nil: none.
	ClockOffset func() time.Duration
}

// Store keeps everything in a database. It is safe for concurrent use.
type Store struct {
	dialect   dialect
	writer    *sqlx.DB // the same as reader on PostgreSQL; one connection on SQLite
	reader    *sqlx.DB
	directDSN string // of PostgreSQL
	log       *slog.Logger
	offset    func() time.Duration
	raise     Raiser
	hub       *hub
	outbox    *outbox
	bound     sync.Map // query as written → with the placeholders of the database
	swept     sweepMark
	auditKey  atomic.Value // of digests in the audit, as []byte, once it was read
	terms     fixed[termsKey, runTerms]
	settings  fixed[claimSetting, *settingRow]
	lines     sync.Map // pool → where its claims queue, as *line
	closers   []io.Closer
}

// Open connects to the database; it neither migrates nor needs a schema. On SQLite it takes the file for this
// process alone.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{
		log: o.Logger, offset: o.ClockOffset, raise: o.Raise, hub: newHub(), outbox: newOutbox(),
		terms:    fixed[termsKey, runTerms]{most: termsMax},
		settings: fixed[claimSetting, *settingRow]{most: settingsMax},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.offset == nil {
		s.offset = func() time.Duration { return 0 }
	}
	var err error
	switch scheme, _, _ := strings.Cut(o.URL, ":"); scheme {
	case "postgres", "postgresql":
		err = s.openPostgres(ctx, o)
	case "sqlite":
		err = s.openSQLite(ctx, o)
	default:
		return nil, errors.New("a database URL begins with postgres:// or sqlite://")
	}
	if err == nil && o.Registerer != nil {
		err = s.register(o.Registerer)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the connections; it may be called twice.
func (s *Store) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i].Close())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Ready returns nil when the database is reachable and its schema is not older than this binary needs.
func (s *Store) Ready(ctx context.Context) error {
	current, wanted, err := s.MigrationStatus(ctx)
	if err != nil {
		return err
	}
	if current < wanted {
		return &Error{Code: Unavailable, Message: fmt.Sprintf(
			"the database's schema is at version %d and this binary needs %d: run `berth migrate up`",
			current,
			wanted,
		)}
	}
	return nil
}

const installationSQL = `
SELECT id
FROM installation`

// InstallationID returns the id that the first migration made.
func (s *Store) InstallationID(ctx context.Context) (uuid.UUID, error) {
	var id uuid.UUID
	if err := s.view().get(ctx, &id, installationSQL); err != nil {
		return uuid.Nil, fmt.Errorf("read the installation's id: %w", err)
	}
	return id, nil
}

// Subscribe gives hints of the topics from now on: subscribe first, then look.
func (s *Store) Subscribe(topics ...string) *Subscription { return s.hub.join(topics) }
