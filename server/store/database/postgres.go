package database

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const postgresConns = 20

func (db *DB) openPostgres(ctx context.Context, o Options) error {
	u, err := parsePostgresURL(o.URL)
	if err != nil {
		return fmt.Errorf("database URL: %w", err)
	}
	direct := u
	if o.DirectURL != "" {
		if direct, err = parsePostgresURL(o.DirectURL); err != nil {
			return fmt.Errorf("direct database URL: %w", err)
		}
	}
	dsn := u.String()
	db.dialect, db.directDSN = Postgres, direct.String()
	conns, err := db.connectPostgres(dsn, o.DirectURL != "")
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
func (db *DB) connectPostgres(dsn string, pooler bool) (*sqlx.DB, error) {
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sqlx.NewDb(sql.OpenDB(pgConnector{connector, !pooler, db.failovers}), "postgres"), nil
}
