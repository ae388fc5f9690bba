package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

const (
	// migrationTable holds the versions that were applied.
	migrationTable = "schema_migrations"
	// migrationLock is the key of the advisory lock: "berth" in ASCII.
	migrationLock = 0x6265727468
)

// Migrate brings the schema up to date. On PostgreSQL it holds an advisory lock, through the direct URL, so
// that one of several servers does it and the others wait.
func (db *DB) Migrate(ctx context.Context) error {
	if db.dialect == SQLite {
		return db.migrate(ctx, db.writer.DB)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 600))
	if err != nil {
		return fmt.Errorf("prepare the migration lock: %w", err)
	}
	direct, err := sql.Open("postgres", db.directDSN)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	return errors.Join(db.migrate(ctx, direct, goose.WithSessionLocker(locker)), direct.Close())
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
