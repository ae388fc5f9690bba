package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
)

// tuneSQL keeps PostgreSQL on the indexes that every statement of this package has. Without it a table that
// has just been filled, and of which nothing is known yet, is read and sorted as a whole by each claim until
// the next ANALYZE.
const tuneSQL = `
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET jit = off`

// statementsMax bounds the prepared statements of one connection. The first statements are prepared: frequent
// ones come early.
const statementsMax = 128

// pgConnector opens connections that keep their statements prepared, so that PostgreSQL plans each of them a
// few times and not on every call. A pooler that hands connections on between transactions cannot have that:
// see Options.DirectURL.
type pgConnector struct{ driver.Connector }

// Connect opens a connection.
func (c pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	plain, ok := opened.(plainConn)
	if !ok {
		return nil, errors.Join(
			errors.New("the PostgreSQL driver lacks a required method"),
			opened.Close(),
		)
	}
	if _, err := plain.ExecContext(ctx, tuneSQL, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("set up the connection: %w", err), opened.Close())
	}
	return &pgConn{plainConn: plain, statements: map[string]preparedStatement{}}, nil
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
	statements map[string]preparedStatement
}

// QueryContext runs a query with parameters prepared.
func (c *pgConn) QueryContext(
	ctx context.Context,
	query string,
	args []driver.NamedValue,
) (driver.Rows, error) {
	statement, err := c.prepared(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if statement == nil {
		return c.plainConn.QueryContext(ctx, query, args)
	}
	rows, err := statement.QueryContext(ctx, args)
	c.forget(query, err)
	return rows, err
}

// ExecContext runs a statement with parameters prepared.
func (c *pgConn) ExecContext(
	ctx context.Context,
	query string,
	args []driver.NamedValue,
) (driver.Result, error) {
	statement, err := c.prepared(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if statement == nil {
		return c.plainConn.ExecContext(ctx, query, args)
	}
	result, err := statement.ExecContext(ctx, args)
	c.forget(query, err)
	return result, err
}

// prepared is nil for what is not kept prepared.
func (c *pgConn) prepared(
	ctx context.Context,
	query string,
	args []driver.NamedValue,
) (preparedStatement, error) {
	if len(args) == 0 {
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
