package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// claimSQL keeps PostgreSQL on the indexes that every statement of the worker protocol has. Without it a table
// that has just been filled, and of which nothing is known yet, is read and sorted as a whole by each claim until
// the next ANALYZE. What people filter by has no index in all cases, and PostgreSQL knows best.
const claimSQL = `
SET enable_seqscan = off;
SET enable_bitmapscan = off;`

// setupSQL are the settings of a session. Behind a pooler there are none: the context of each query bounds it.
func setupSQL(use Use, timeout time.Duration) string {
	settings := fmt.Sprintf(
		"SET jit = off; SET statement_timeout = %d; SET idle_in_transaction_session_timeout = %d;",
		timeout.Milliseconds(), idleTimeouts*timeout.Milliseconds())
	if use == Work {
		settings += claimSQL
	}
	return settings
}

// statementsMax bounds the prepared statements of one connection. The first statements are prepared: frequent
// ones come early.
const statementsMax = 128

// pgConnector opens connections of a pool.
type pgConnector struct {
	driver.Connector
	// session: a connection is a session of PostgreSQL, so that it keeps its settings and its statements
	// prepared, and PostgreSQL plans each of them a few times and not on every call. A pooler that hands
	// connections on between transactions keeps neither: see Options.DirectURL.
	session   bool
	setup     string // statements for a new session
	failovers *failovers
}

// Connect opens a connection.
func (c pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	before := c.failovers.count()
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, &connectError{err}
	}
	plain, ok := opened.(plainConn)
	if !ok {
		return nil, errors.Join(
			errors.New("the PostgreSQL driver lacks a required method"),
			opened.Close(),
		)
	}
	conn := &pgConn{plainConn: plain, failovers: c.failovers, opened: before}
	if !c.session {
		return conn, nil
	}
	conn.statements = map[string]preparedStatement{}
	if _, err := plain.ExecContext(ctx, c.setup, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the connection: %w", err), opened.Close())
	}
	return conn, nil
}

// plainConn is what the driver's connections can do.
type plainConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.QueryerContext
	driver.ExecerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

type preparedStatement interface {
	driver.Stmt
	driver.StmtQueryContext
	driver.StmtExecContext
}

// pgConn is a connection with the statements that it has prepared. Like every driver.Conn it is used by one
// at a time.
type pgConn struct {
	plainConn
	statements map[string]preparedStatement // nil: none are kept
	failovers  *failovers
	opened     int64 // failovers seen before it was opened
}

// QueryContext runs a query with parameters prepared.
func (c *pgConn) QueryContext(
	ctx context.Context,
	query string,
	args []driver.NamedValue,
) (driver.Rows, error) {
	statement, err := c.prepared(ctx, query, args)
	if err != nil {
		return nil, c.judged(err)
	}
	if statement == nil {
		rows, err := c.plainConn.QueryContext(ctx, query, args)
		return rows, c.judged(err)
	}
	rows, err := statement.QueryContext(ctx, args)
	c.forget(query, err)
	return rows, c.judged(err)
}

// ExecContext runs a statement with parameters prepared.
func (c *pgConn) ExecContext(
	ctx context.Context,
	query string,
	args []driver.NamedValue,
) (driver.Result, error) {
	statement, err := c.prepared(ctx, query, args)
	if err != nil {
		return nil, c.judged(err)
	}
	if statement == nil {
		result, err := c.plainConn.ExecContext(ctx, query, args)
		return result, c.judged(err)
	}
	result, err := statement.ExecContext(ctx, args)
	c.forget(query, err)
	return result, c.judged(err)
}

// BeginTx begins a transaction. A standby refuses one that may write.
func (c *pgConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.plainConn.BeginTx(ctx, o)
	return tx, c.judged(err)
}

// judged remembers an error that says that the connection, and probably all that are as old, lead to a server
// that takes no writes.
func (c *pgConn) judged(err error) error {
	if leadsAstray(err) {
		c.failovers.add(c.opened)
	}
	return err
}

// ResetSession is called before the connection is taken from the pool.
func (c *pgConn) ResetSession(ctx context.Context) error {
	if c.outdated() {
		return driver.ErrBadConn
	}
	return c.plainConn.ResetSession(ctx)
}

// IsValid is called before the connection is put back into the pool.
func (c *pgConn) IsValid() bool { return !c.outdated() && c.plainConn.IsValid() }

// Close closes the connection. One that has broken is closed already.
func (c *pgConn) Close() error {
	if err := c.plainConn.Close(); err != nil && !unreachable(err) {
		return err
	}
	return nil
}

func (c *pgConn) outdated() bool { return c.opened < c.failovers.count() }

// prepared is nil for what is not kept prepared.
func (c *pgConn) prepared(
	ctx context.Context,
	query string,
	args []driver.NamedValue,
) (preparedStatement, error) {
	if len(args) == 0 || c.statements == nil {
		return nil, nil
	}
	if known, ok := c.statements[query]; ok {
		return known, nil
	}
	if len(c.statements) >= statementsMax {
		return nil, nil
	}
	made, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	statement, ok := made.(preparedStatement)
	if !ok {
		return nil, errors.Join(
			errors.New("the PostgreSQL driver lacks a required method"),
			made.Close(),
		)
	}
	c.statements[query] = statement
	return statement, nil
}

// forget drops a statement that the server no longer takes, after a migration or because a pooler stands
// between: it is prepared again by whoever comes next.
func (c *pgConn) forget(query string, err error) {
	if staleStatement(err) {
		delete(c.statements, query)
	}
}
