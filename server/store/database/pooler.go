package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// Rounds and connections that look for a pooler. A pooler that hands out its connections in turn would give
// each of ours the same one in every round, so the rounds alternate their direction.
const (
	poolerConns  = 3
	poolerRounds = 4
)

// backendSQL names the process of PostgreSQL that answers, also where several servers have the same numbers.
const backendSQL = `
SELECT pg_backend_pid() || ' ' || pg_postmaster_start_time()`

// findPooler reports whether connections are handed on between transactions, whatever does that. Then two open
// connections come to the same process of PostgreSQL, or one comes to different ones. A statement that another
// client of the pooler has prepared could then run in place of ours.
func findPooler(ctx context.Context, conns *sql.DB) (found bool, err error) {
	var open []*sql.Conn
	defer func() {
		for _, c := range open {
			err = errors.Join(err, c.Close())
		}
	}()
	for range poolerConns {
		c, err := conns.Conn(ctx)
		if err != nil {
			return false, err
		}
		open = append(open, c)
	}
	backends := map[*sql.Conn]string{}
	owners := map[string]*sql.Conn{}
	for range poolerRounds {
		for _, c := range open {
			var backend string
			if err := c.QueryRowContext(ctx, backendSQL).Scan(&backend); err != nil {
				return false, err
			}
			known := backends[c]
			if owner := owners[backend]; known != "" && known != backend || owner != nil && owner != c {
				return true, nil
			}
			backends[c], owners[backend] = backend, c
		}
		slices.Reverse(open)
	}
	return false, nil
}

// refusePooler connects for the first time, and returns an error if a pooler is where none may be.
func (db *DB) refusePooler(ctx context.Context, dsn, refusal string) error {
	conns, err := db.connectPlain(dsn)
	if err != nil {
		return err
	}
	found, err := findPooler(ctx, conns)
	err = errors.Join(err, conns.Close())
	switch {
	case err != nil:
		return fmt.Errorf("connect to PostgreSQL: %w", classify(err))
	case found:
		return errors.New(refusal)
	}
	return nil
}

// Refusals of a pooler in transaction or statement mode. Their texts name the flags.
const (
	poolerRefused = "--database-url leads to a connection pooler in transaction mode: set --database-direct-url " +
		"to a URL of PostgreSQL itself, without the pooler, or change the pooler to session mode"
	directPoolerRefused = "--database-direct-url leads to a connection pooler in transaction mode: it must be a " +
		"URL of PostgreSQL itself, without the pooler"
)
