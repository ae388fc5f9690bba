package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver
)

// memory is the path that stands for a database that ends with the store.
const memory = ":memory:"

// openSQLite opens the file with one connection that writes, so that transactions queue here and not in
// SQLITE_BUSY, and some that read.
func (db *DB) openSQLite(ctx context.Context, o Options) error {
	db.dialect = SQLite
	path := strings.TrimPrefix(strings.TrimPrefix(o.URL, "sqlite:"), "//")
	if path == memory {
		dir, err := os.MkdirTemp("", "berth-")
		if err != nil {
			return fmt.Errorf("make a directory for the database: %w", err)
		}
		db.closers = append(db.closers, closer(func() error { return os.RemoveAll(dir) }))
		path = filepath.Join(dir, "berth.db")
	}
	if !filepath.IsAbs(path) {
		return errors.New("database URL: SQLite needs sqlite:///absolute/path")
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return err
	}
	db.closers = append(db.closers, lock)
	if db.writer, err = db.connectSQLite(ctx, path, 1, "_txlock=immediate"); err != nil {
		return err
	}
	const readOnly = "_pragma=query_only(1)"
	work := cmp.Or(max(0, o.MaxConns), sqliteReaders)
	if db.reader, err = db.connectSQLite(ctx, path, work, readOnly); err != nil {
		return err
	}
	db.peopleWriter = db.writer
	people := cmp.Or(max(0, o.PeopleConns), sqliteReaders)
	db.peopleReader, err = db.connectSQLite(ctx, path, people, readOnly)
	return err
}

func (db *DB) connectSQLite(ctx context.Context, path string, limit int, extra string) (*sqlx.DB, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_time_integer_format=unix_micro&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)" +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&" + extra
	conns, err := sqlx.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.closers = append(db.closers, conns)
	conns.SetMaxOpenConns(limit)
	conns.SetMaxIdleConns(limit)
	if err := conns.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return conns, nil
}

type closer func() error

func (c closer) Close() error { return c() }
