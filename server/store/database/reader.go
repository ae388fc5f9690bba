package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// ErrNoRows is returned by Get for a query without a result.
var ErrNoRows = sql.ErrNoRows

// Reader runs queries. The one of DB.Reader is safe for concurrent use and reads the clock each time it is
// asked; the one of a session or a transaction remembers the time and belongs to one goroutine.
type Reader struct {
	db    *DB
	tx    *sqlx.Tx   // nil: each query takes a connection of the use of its context
	clock *time.Time // zero until asked for; nil: never remembered
}

// Reader returns a reader outside of any transaction.
func (db *DB) Reader() Reader { return Reader{db: db} }

// Session returns a reader outside of any transaction that remembers the time.
func (db *DB) Session() Reader { return Reader{db: db, clock: new(time.Time)} }

// Dialect says which database it is.
func (r Reader) Dialect() Dialect { return r.db.dialect }

// ClockOffset is what is added to the database's time.
func (r Reader) ClockOffset() time.Duration { return r.db.offset() }

// Get reads one row, or returns ErrNoRows.
func (r Reader) Get(ctx context.Context, dest any, query string, args ...any) error {
	args, err := r.db.dialect.args(args)
	if err != nil {
		return err
	}
	return r.run(ctx, func(ctx context.Context, q sqlx.QueryerContext) error {
		return sqlx.GetContext(ctx, q, dest, r.db.bind(query), args...)
	})
}

// All reads all rows into a slice.
func (r Reader) All(ctx context.Context, dest any, query string, args ...any) error {
	args, err := r.db.dialect.args(args)
	if err != nil {
		return err
	}
	return r.run(ctx, func(ctx context.Context, q sqlx.QueryerContext) error {
		return sqlx.SelectContext(ctx, q, dest, r.db.bind(query), args...)
	})
}

// run runs a query in the transaction of the reader, or within the time of its use.
func (r Reader) run(ctx context.Context, query func(context.Context, sqlx.QueryerContext) error) error {
	if r.tx != nil {
		bounded, cancel := r.db.boundedStatement(ctx)
		defer cancel()
		return timedOut(ctx, bounded, classify(query(bounded, r.tx)))
	}
	bounded, cancel := r.db.bounded(ctx)
	defer cancel()
	if replica := r.db.replica; replica != nil && useOf(ctx) == History && replica.isUsable() {
		err := query(bounded, replica.conns)
		if err == nil || errors.Is(err, ErrNoRows) || bounded.Err() != nil {
			return timedOut(ctx, bounded, classify(err))
		}
		// It may have been stopped, or have cancelled the query to keep up with the primary.
		replica.fail()
		r.db.log.Warn("the read replica failed, the primary answers", "error", err)
	}
	return timedOut(ctx, bounded, classify(query(bounded, r.db.readers(ctx))))
}

const clockSQL = `
SELECT clock_timestamp()`

// Now returns the database's time. A transaction reads it once, so ask for it after taking the locks.
func (r Reader) Now(ctx context.Context) (time.Time, error) {
	if r.clock != nil && !r.clock.IsZero() {
		return *r.clock, nil
	}
	t := Time(time.Now()) // SQLite runs in this process, so this is its time
	if r.db.dialect == Postgres {
		if err := r.Get(ctx, &t, clockSQL); err != nil {
			return time.Time{}, fmt.Errorf("read the database's time: %w", err)
		}
	}
	now := r.shift(t)
	if r.clock != nil {
		*r.clock = now
	}
	return now, nil
}

// AdvanceClock makes the time that a statement read along the one that Now returns from here on; nil changes
// nothing. A reader that does not remember the time ignores it.
func (r Reader) AdvanceClock(read *Time) {
	if read != nil && r.clock != nil {
		*r.clock = r.shift(*read)
	}
}

// ResetClock makes the next call of Now read the time again.
func (r Reader) ResetClock() {
	if r.clock != nil {
		*r.clock = time.Time{}
	}
}

func (r Reader) shift(t Time) time.Time {
	return t.Time().Add(r.db.offset()).UTC().Truncate(time.Microsecond)
}

// NowArg is the argument of Dialect.NowParam.
func (r Reader) NowArg(ctx context.Context) (any, error) {
	if r.db.dialect == Postgres {
		return r.db.offset().Microseconds(), nil
	}
	return r.Now(ctx)
}

func (db *DB) bind(query string) string {
	if bound, ok := db.bound.Load(query); ok {
		return bound.(string)
	}
	bound := db.dialect.bind(query)
	db.bound.Store(query, bound)
	return bound
}

// NotFoundError turns ErrNoRows into an error that says which object does not exist; other errors stay as
// they are.
func NotFoundError(err error, format string, args ...any) error {
	if errors.Is(err, ErrNoRows) {
		return &Error{Code: NotFound, Message: fmt.Sprintf(format, args...) + " does not exist"}
	}
	return err
}
