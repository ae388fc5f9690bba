package database

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const (
	connLifetime = time.Hour       // so that connections spread again after a failover
	connIdle     = 5 * time.Minute // people come and go
)

func (db *DB) openPostgres(ctx context.Context, o Options) error {
	u, err := parsePostgresURL(o.URL, "read-write")
	if err != nil {
		return fmt.Errorf("database URL: %w", err)
	}
	direct := u
	if o.DirectURL != "" {
		if direct, err = parsePostgresURL(o.DirectURL, "read-write"); err != nil {
			return fmt.Errorf("direct database URL: %w", err)
		}
	}
	db.dialect, db.direct = Postgres, direct

	// Before anything is set in a connection, which a pooler would hand on to others.
	session := o.DirectURL == ""
	db.pooled = !session
	refusal := directPoolerRefused
	if session {
		refusal = poolerRefused
	}
	if err := db.refusePooler(ctx, direct.String(), refusal); err != nil {
		return err
	}
	if db.writer, err = db.connectPostgres(u, Work, session, cmp.Or(max(0, o.MaxConns), workConns)); err != nil {
		return err
	}
	db.reader = db.writer
	people := cmp.Or(max(0, o.PeopleConns), peopleConns)
	if db.peopleWriter, err = db.connectPostgres(u, People, session, people); err != nil {
		return err
	}
	db.peopleReader = db.peopleWriter
	if o.ReadURL != "" {
		if err := db.openReplica(o, people); err != nil {
			return err
		}
	}
	if err := db.writer.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", classify(err))
	}
	return nil
}

// openReplica prepares the connections to the read replica. It is used from its first measurement on.
func (db *DB) openReplica(o Options, limit int) error {
	u, err := parsePostgresURL(o.ReadURL, "standby")
	if err != nil {
		return fmt.Errorf("database URL for reading: %w", err)
	}
	const session = false // it may be reached through a pooler
	conns, err := db.connectPostgres(u, History, session, limit)
	if err != nil {
		return err
	}
	db.replica = &replica{conns: conns, lagMax: cmp.Or(o.ReadLagMax, DefaultReadLagMax)}
	return nil
}

// connectPlain opens connections without any settings.
func (db *DB) connectPlain(dsn string) (*sql.DB, error) {
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	connector.Dialer(dialer{}) // a migration may be silent for hours
	return sql.OpenDB(pgConnector{Connector: connector, failovers: db.failovers}), nil
}

// connectPostgres opens a pool of connections for a use. Unless session is set, a pooler is between, and
// nothing is kept in a connection.
func (db *DB) connectPostgres(u *url.URL, use Use, session bool, limit int) (*sqlx.DB, error) {
	connector, err := pq.NewConnector(named(u, useNames[use]))
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	timeout := db.queryTimeout(use)
	connector.Dialer(dialer{readMax: timeout + timeout/2})
	conns := sqlx.NewDb(sql.OpenDB(pgConnector{
		Connector: connector, session: session, setup: setupSQL(use, timeout), failovers: db.failovers,
	}), "postgres")
	db.closers = append(db.closers, conns)
	conns.SetMaxOpenConns(limit)
	conns.SetMaxIdleConns(limit)
	conns.SetConnMaxLifetime(connLifetime)
	if use != Work {
		conns.SetConnMaxIdleTime(connIdle)
	}
	return conns, nil
}

// useNames complete the application names that pg_stat_activity shows.
var useNames = map[Use]string{Work: "work", People: "people", History: "history"}

// named returns the URL with a purpose in the name of the application.
func named(u *url.URL, purpose string) string {
	c := *u
	q := c.Query()
	q.Set("application_name", q.Get("application_name")+" "+purpose)
	c.RawQuery = q.Encode()
	return c.String()
}
