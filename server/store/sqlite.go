package store

import (
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

const sqliteReaders = 4

// memory is the path that stands for a database that ends with the store.
const memory = ":memory:"

// openSQLite opens the file with one connection that writes, so that transactions queue here and not in
// SQLITE_BUSY, and some that read.
func (s *Store) openSQLite(ctx context.Context, o Options) error {
	s.dialect = sqlite
	path := strings.TrimPrefix(strings.TrimPrefix(o.URL, "sqlite:"), "//")
	if path == memory {
		dir, err := os.MkdirTemp("", "berth-")
		if err != nil {
			return fmt.Errorf("make a directory for the database: %w", err)
		}
		s.closers = append(s.closers, closer(func() error { return os.RemoveAll(dir) }))
		path = filepath.Join(dir, "berth.db")
	}
	if !filepath.IsAbs(path) {
		return errors.New("a SQLite URL is sqlite:///absolute/path")
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return err
	}
	s.closers = append(s.closers, lock)
	if s.writer, err = s.connectSQLite(ctx, path, 1, "_txlock=immediate"); err != nil {
		return err
	}
	readers := o.MaxConns
	if readers <= 0 {
		readers = sqliteReaders
	}
	s.reader, err = s.connectSQLite(ctx, path, readers, "_pragma=query_only(1)")
	return err
}

func (s *Store) connectSQLite(ctx context.Context, path string, conns int, extra string) (*sqlx.DB, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_time_integer_format=unix_micro&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)" +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&" + extra
	db, err := sqlx.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s.closers = append(s.closers, db)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := db.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

type closer func() error

func (c closer) Close() error { return c() }
