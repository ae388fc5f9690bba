package store

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
)

// Options of a store.
type Options struct {
	// URL is postgres://… or sqlite:///absolute/path; sqlite::memory: is a database that ends with the store.
	URL string
	// DirectURL reaches PostgreSQL without a pooler, for notifications and session locks. Empty: URL.
	DirectURL  string
	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: no metrics
	MaxConns   int                   // 0: a default
}

// Store keeps everything in a database. It is safe for concurrent use.
type Store struct {
	reader *sqlx.DB
	hub    *hub
}

// Tx is a transaction.
type Tx struct {
	s *Store
	q sqlx.ExtContext
}

func (s *Store) view() *Tx { return &Tx{s: s, q: s.reader} }

// Subscribe gives hints of the topics.
func (s *Store) Subscribe(topics ...string) *Subscription { return s.hub.join(topics) }

func write[T any](ctx context.Context, s *Store, fn func(*Tx) (T, error)) (T, error) {
	var result T
	err := s.InTx(ctx, func(tx *Tx) error {
		var err error
		result, err = fn(tx)
		return err
	})
	return result, err
}

var errLater = &Error{Code: Unavailable, Message: "the database is not reachable"}

// Open opens.
func Open(ctx context.Context, o Options) (*Store, error) { return nil, errLater }
func (s *Store) Migrate(ctx context.Context) error        { return errLater }
func (s *Store) MigrationStatus(ctx context.Context) (current, wanted int64, err error) {
	return 0, 0, errLater
}
func (s *Store) Ready(ctx context.Context) error                       { return errLater }
func (s *Store) Run(ctx context.Context) error                         { return errLater }
func (s *Store) Close() error                                          { return errLater }
func (s *Store) InstallationID(ctx context.Context) (uuid.UUID, error) { return uuid.Nil, errLater }
func (s *Store) InTx(ctx context.Context, fn func(*Tx) error) error    { return errLater }
func (s *Store) Sweep(ctx context.Context) error                       { return errLater }
