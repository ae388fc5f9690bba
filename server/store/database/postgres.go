package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const postgresConns = 20

func (db *DB) openPostgres(ctx context.Context, o Options) error {
	dsn, err := postgresDSN(o.URL)
	if err != nil {
		return fmt.Errorf("database URL: %w", err)
	}
	db.dialect, db.directDSN = Postgres, dsn
	if o.DirectURL != "" {
		if db.directDSN, err = postgresDSN(o.DirectURL); err != nil {
			return fmt.Errorf("direct database URL: %w", err)
		}
	}
	conns, err := connectPostgres(dsn, o.DirectURL != "")
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	db.closers = append(db.closers, conns)
	limit := o.MaxConns
	if limit <= 0 {
		limit = postgresConns
	}
	conns.SetMaxOpenConns(limit)
	conns.SetMaxIdleConns(limit)
	conns.SetConnMaxLifetime(time.Hour) // so that connections spread again after a failover
	db.writer, db.reader = conns, conns
	if err := conns.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", classify(err))
	}
	return nil
}

// connectPostgres opens a pool of connections. Behind a pooler nothing is kept in a connection.
func connectPostgres(dsn string, pooler bool) (*sqlx.DB, error) {
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	if pooler {
		return sqlx.NewDb(sql.OpenDB(connector), "postgres"), nil
	}
	return sqlx.NewDb(sql.OpenDB(pgConnector{connector}), "postgres"), nil
}

// postgresDSN adds what this package relies on. An error does not hold the URL, which may hold a password.
func postgresDSN(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("not a valid URL")
	}
	q := u.Query()
	q.Set("timezone", "UTC")
	q.Set(
		"binary_parameters",
		"yes",
	) // one round trip a statement, and the one way through a pooler; []byte is an array in binary form (param.go), no jsonb
	setDefault(q, "connect_timeout", "10")
	setDefault(q, "application_name", "berth")
	if !strings.HasPrefix(q.Get("host"), "/") {
		setDefault(q, "sslmode", "prefer")
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func setDefault(q url.Values, key, value string) {
	if !q.Has(key) {
		q.Set(key, value)
	}
}
