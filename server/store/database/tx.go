package database

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"
)

// Tx is a transaction. It is not safe for concurrent use and ends with the function that it was passed to.
type Tx struct {
	Reader
	topics map[string]int
	after  []func()
}

// txTries bounds how often a transaction is run when the database says that another try may succeed.
const txTries = 10

// InTx runs fn in a transaction and commits when it returns nil. It is the only way to write. fn may run
// several times: after a deadlock or a serialization failure it runs again from the start.
func (db *DB) InTx(ctx context.Context, fn func(*Tx) error) error {
	for try := 1; ; try++ {
		err := db.InTxOnce(ctx, fn)
		if err == nil || try == txTries || !retryable(err) {
			return err
		}
		// A random pause, so that transactions that collided do not collide again.
		if !pause(ctx, rand.N(time.Duration(try)*5*time.Millisecond)) {
			return ctx.Err()
		}
	}
}

// InTxOnce is InTx without another try.
func (db *DB) InTxOnce(ctx context.Context, fn func(*Tx) error) error {
	bounded, cancel := db.boundedTx(ctx)
	defer cancel()
	err := timedOut(ctx, bounded, db.inTx(bounded, fn))
	if noSpace(err) {
		db.full.Store(true)
	}
	return err
}

func (db *DB) inTx(ctx context.Context, fn func(*Tx) error) error {
	sqlTx, err := db.writers(ctx).BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", classify(err))
	}
	defer func() {
		// After a commit this reports only that. Before one, an error or a panic is on its way already.
		_ = sqlTx.Rollback()
	}()

	tx := &Tx{
		Reader: Reader{db: db, tx: sqlTx, clock: new(time.Time)}, topics: map[string]int{},
	}
	if err := fn(tx); err != nil {
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", classify(err))
	}
	db.publish(tx.topics)
	for _, do := range tx.after {
		do()
	}
	return nil
}

// Snapshot runs fn with a reader whose queries all see the same moment.
func (db *DB) Snapshot(ctx context.Context, fn func(Reader) error) error {
	options := &sql.TxOptions{ReadOnly: true}
	if db.dialect == Postgres {
		options.Isolation = sql.LevelRepeatableRead // SQLite has no other
	}
	bounded, cancel := db.boundedTx(ctx)
	defer cancel()
	return timedOut(ctx, bounded, db.snapshot(bounded, options, fn))
}

func (db *DB) snapshot(ctx context.Context, options *sql.TxOptions, fn func(Reader) error) error {
	sqlTx, err := db.readers(ctx).BeginTxx(ctx, options)
	if err != nil {
		return fmt.Errorf("begin: %w", classify(err))
	}
	defer func() {
		_ = sqlTx.Rollback() // there is nothing to commit
	}()
	return fn(Reader{db: db, tx: sqlTx, clock: new(time.Time)})
}

// Hint wakes the subscriptions to the topics after the transaction has been committed.
func (tx *Tx) Hint(topics ...string) {
	for _, t := range topics {
		tx.topics[t] = toAll
	}
}

// AfterCommit calls do once the transaction has been committed. It must not take time.
func (tx *Tx) AfterCommit(do func()) { tx.after = append(tx.after, do) }

// Exec runs a statement and returns how many rows it affected.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	args, err := tx.db.dialect.args(args)
	if err != nil {
		return 0, err
	}
	bounded, cancel := tx.db.boundedStatement(ctx)
	defer cancel()
	result, err := tx.tx.ExecContext(bounded, tx.db.bind(query), args...)
	if err != nil {
		return 0, timedOut(ctx, bounded, classify(err))
	}
	return result.RowsAffected()
}

// ExecList runs a statement over a list of records, unless the list is empty.
func ExecList[T any](ctx context.Context, tx *Tx, query string, records []T) error {
	if len(records) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, query, ListOf(records))
	return err
}
