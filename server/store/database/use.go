package database

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"
)

// Use is what a connection is used for. Each use has separate connections, so that whatever people ask for
// delays no worker.
type Use int

// Uses. The context of a query says which it is; without it, it is Work.
const (
	Work    Use = iota // the worker protocol, sweeps and schedules
	People             // requests of people: pages, the command line, streams
	History            // lists and metrics, which a read replica may answer
)

// Default sizes and times of the uses; see Options.
const (
	workConns     = 20
	peopleConns   = 10
	sqliteReaders = 4
	// workTimeout bounds a query of Work. It only ends what hangs.
	workTimeout = time.Minute
	// DefaultPeopleTimeout bounds a query of people.
	DefaultPeopleTimeout = 10 * time.Second
	// txTimeouts is how many times the bound of a query a transaction may take. One of people may judge each of a
	// hundred thousand deployments.
	txTimeouts = 9
	// idleTimeouts is how many times the bound of a query a transaction may do nothing.
	idleTimeouts = 3
)

type useKey struct{}

// WithUse returns a context whose queries are for a use.
func WithUse(ctx context.Context, use Use) context.Context {
	return context.WithValue(ctx, useKey{}, use)
}

func useOf(ctx context.Context) Use {
	use, _ := ctx.Value(useKey{}).(Use)
	return use
}

// connections are the pools of the uses.
type connections struct {
	writer, reader             *sqlx.DB // of Work: the same on PostgreSQL; one connection writes on SQLite
	peopleWriter, peopleReader *sqlx.DB // SQLite has one writer for all
	peopleTimeout              time.Duration
	replica                    *replica // of History; nil: people's connections
	pooled                     bool     // a pooler is between, so that sessions have no settings
}

// readers returns the connections for reading outside of a transaction.
func (c *connections) readers(ctx context.Context) *sqlx.DB {
	if useOf(ctx) == Work {
		return c.reader
	}
	return c.peopleReader
}

// writers returns the connections for transactions that may write.
func (c *connections) writers(ctx context.Context) *sqlx.DB {
	if useOf(ctx) == Work {
		return c.writer
	}
	return c.peopleWriter
}

// queryTimeout is how long a query of the use may take.
func (c *connections) queryTimeout(use Use) time.Duration {
	if use == Work {
		return workTimeout
	}
	return c.peopleTimeout
}

// bounded returns a context in which a query, and its wait for a connection, ends in time.
func (c *connections) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.queryTimeout(useOf(ctx)))
}

// boundedTx is bounded for a transaction.
func (c *connections) boundedTx(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, txTimeouts*c.queryTimeout(useOf(ctx)))
}

// boundedStatement is bounded for a statement of a transaction. PostgreSQL ends it where a session has settings.
func (c *connections) boundedStatement(ctx context.Context) (context.Context, context.CancelFunc) {
	if !c.pooled {
		return ctx, func() {}
	}
	return c.bounded(ctx)
}

// timedOut says so when err came of the bound of a query, and not of what its caller wanted.
func timedOut(caller, bounded context.Context, err error) error {
	if err == nil || caller.Err() != nil {
		return err
	}
	if errors.Is(bounded.Err(), context.DeadlineExceeded) || sqlState(err) == queryCanceled {
		return &Error{Code: QueryTimeout, Message: tooSlow, Err: err}
	}
	return err
}

const tooSlow = "the database did not answer in time: ask for less, for example with a filter by pool, deployment " +
	"or time, or try again later"
