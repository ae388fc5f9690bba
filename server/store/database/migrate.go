package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

const (
	// migrationTable holds the versions that were applied.
	migrationTable = "schema_migrations"
	// migrationLock is the key of the advisory lock: "berth" in ASCII.
	migrationLock = 0x6265727468
)

// Bounds of a migration on PostgreSQL.
const (
	// migrationLockTimeout is how long a statement waits for a lock: what comes after it waits behind it.
	migrationLockTimeout = 3 * time.Second
	// migrationTries is how often a migration is tried that does not get its locks: for some ten minutes.
	migrationTries    = 25
	migrationPauseMax = 30 * time.Second
	// migrationTimeout bounds all of them: an index of a table with a hundred million rows takes hours.
	migrationTimeout = 24 * time.Hour
)

// Migrate brings the schema up to date. On PostgreSQL it holds an advisory lock, through the direct URL, so
// that one of several servers does it and the others wait. A migration that does not get its locks soon gives
// way to the transactions that wait behind it, and is tried again.
func (db *DB) Migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, migrationTimeout)
	defer cancel()
	if db.dialect == SQLite {
		return db.migrate(ctx, db.writer.DB)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 600))
	if err != nil {
		return fmt.Errorf("prepare the migration lock: %w", err)
	}
	direct, err := db.connectPlain(db.migrationDSN())
	if err != nil {
		return err
	}
	err = db.RetryLocks(ctx, func() error { return db.migrate(ctx, direct, goose.WithSessionLocker(locker)) })
	return errors.Join(err, direct.Close())
}

func (db *DB) migrationDSN() string {
	u := *db.direct
	q := u.Query()
	setDefault(q, "lock_timeout", strconv.FormatInt(db.lockTimeout.Milliseconds(), 10))
	u.RawQuery = q.Encode()
	return named(&u, "migrations")
}

func (db *DB) migrate(ctx context.Context, conns *sql.DB, options ...goose.ProviderOption) error {
	provider, err := db.migrationProvider(conns, append(options, goose.WithSlog(db.log))...)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", classify(err))
	}
	return nil
}

func (db *DB) migrationProvider(conns *sql.DB, options ...goose.ProviderOption) (*goose.Provider, error) {
	files, err := fs.Sub(db.migrations, string(db.dialect))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	dialect := goose.DialectPostgres
	if db.dialect == SQLite {
		dialect = goose.DialectSQLite3
	}
	options = append(options, goose.WithTableName(migrationTable), goose.WithDisableGlobalRegistry(true))
	provider, err := goose.NewProvider(dialect, conns, files, options...)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}

const migrationVersionSQL = `
SELECT COALESCE(MAX(version_id), 0)
FROM ` + migrationTable

// MigrationStatus returns the version that the database is at, 0 for an empty one, and the one this binary
// needs.
func (db *DB) MigrationStatus(ctx context.Context) (current, wanted int64, err error) {
	provider, err := db.migrationProvider(db.reader.DB)
	if err != nil {
		return 0, 0, err
	}
	for _, source := range provider.ListSources() {
		wanted = max(wanted, source.Version)
	}
	err = db.Reader().Get(ctx, &current, migrationVersionSQL)
	if err != nil && !missingTable(err) {
		return 0, 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return current, wanted, nil
}
