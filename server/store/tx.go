package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jmoiron/sqlx"
)

// Tx is a transaction. It is not safe for concurrent use and ends with the function it was given to.
type Tx struct {
	s      *Store
	q      sqlx.ExtContext
	clock  time.Time // zero until asked for
	topics map[string]struct{}
}

// view reads outside of a transaction.
func (s *Store) view() *Tx { return &Tx{s: s, q: s.reader} }

// txTries bounds how often a transaction is tried when the database says that trying again may help.
const txTries = 10

// InTx runs fn in a transaction and commits when it returns nil. It is the only way to write. fn may run
// several times: after a deadlock or a serialization failure it is run again from the start. Inside fn use
// the Tx, not the Store.
func (s *Store) InTx(ctx context.Context, fn func(*Tx) error) error {
	for try := 1; ; try++ {
		err := s.tryTx(ctx, fn)
		if err == nil || try == txTries || !retryable(err) {
			return err
		}
		pause := time.NewTimer(
			rand.N(time.Duration(try) * 5 * time.Millisecond),
		) // spread those that collided
		select {
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		case <-pause.C:
		}
	}
}

func (s *Store) tryTx(ctx context.Context, fn func(*Tx) error) error {
	sqlTx, err := s.writer.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", classify(err))
	}
	defer func() {
		_ = sqlTx.Rollback() // after a commit it says so; before one there is an error, or a panic, to tell instead
	}()
	tx := &Tx{s: s, q: sqlTx, topics: map[string]struct{}{}}
	if err := fn(tx); err != nil {
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", classify(err))
	}
	s.publish(tx.topics)
	return nil
}

// snapshot runs fn so that all it reads was true at one moment. It can not write.
func (s *Store) snapshot(ctx context.Context, fn func(*Tx) error) error {
	options := &sql.TxOptions{ReadOnly: true}
	if s.dialect == postgres {
		options.Isolation = sql.LevelRepeatableRead // SQLite has no other
	}
	sqlTx, err := s.reader.BeginTxx(ctx, options)
	if err != nil {
		return fmt.Errorf("begin: %w", classify(err))
	}
	defer func() {
		_ = sqlTx.Rollback() // there is nothing to keep
	}()
	return fn(&Tx{s: s, q: sqlTx})
}

// write is InTx for what returns something.
func write[T any](ctx context.Context, s *Store, fn func(*Tx) (T, error)) (T, error) {
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

// hint wakes the subscriptions of the topics once the transaction has been committed.
func (tx *Tx) hint(topics ...string) {
	for _, t := range topics {
		tx.topics[t] = struct{}{}
	}
}

const clockSQL = `
SELECT clock_timestamp()`

// now is the database's time, read once per transaction: ask for it after taking the locks, not before.
func (tx *Tx) now(ctx context.Context) (time.Time, error) {
	if tx.clock.IsZero() {
		t := stamp(time.Now()) // SQLite lives in this process, so this is its time
		if tx.s.dialect == postgres {
			if err := tx.get(ctx, &t, clockSQL); err != nil {
				return time.Time{}, fmt.Errorf("read the database's time: %w", err)
			}
		}
		tx.set(t)
	}
	return tx.clock, nil
}

func (tx *Tx) set(t stamp) {
	tx.clock = t.time().Add(tx.s.offset()).UTC().Truncate(time.Microsecond)
}

// tell is what now is from here on, as a statement has read it along; nil leaves it as it is.
func (tx *Tx) tell(clock *stamp) {
	if clock != nil {
		tx.set(*clock)
	}
}

// nowArg is the parameter of dialect.nowParam.
func (tx *Tx) nowArg(ctx context.Context) (any, error) {
	if tx.s.dialect == postgres {
		return tx.s.offset().Microseconds(), nil
	}
	return tx.now(ctx)
}

// get reads one row, or returns sql.ErrNoRows.
func (tx *Tx) get(ctx context.Context, dest any, query string, args ...any) error {
	args, err := tx.s.dialect.args(args)
	if err != nil {
		return err
	}
	return classify(sqlx.GetContext(ctx, tx.q, dest, tx.s.bind(query), args...))
}

// all reads all rows into a slice.
func (tx *Tx) all(ctx context.Context, dest any, query string, args ...any) error {
	args, err := tx.s.dialect.args(args)
	if err != nil {
		return err
	}
	return classify(sqlx.SelectContext(ctx, tx.q, dest, tx.s.bind(query), args...))
}

// exec returns how many rows were affected.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	args, err := tx.s.dialect.args(args)
	if err != nil {
		return 0, err
	}
	result, err := tx.q.ExecContext(ctx, tx.s.bind(query), args...)
	if err != nil {
		return 0, classify(err)
	}
	return result.RowsAffected()
}

func (s *Store) bind(query string) string {
	if bound, ok := s.bound.Load(query); ok {
		return bound.(string)
	}
	bound := s.dialect.bind(query)
	s.bound.Store(query, bound)
	return bound
}

// found turns sql.ErrNoRows into an error that says what does not exist.
func found(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return &Error{Code: NotFound, Message: fmt.Sprintf(format, args...) + " does not exist"}
	}
	return err
}
