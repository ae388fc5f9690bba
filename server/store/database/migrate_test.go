package database

import (
	"context"
	"log/slog"
	"testing"
	"testing/fstest"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
)

// retries is a log handler that receives after each message about a migration that is tried again.
type retries chan string

func (r retries) Enabled(context.Context, slog.Level) bool { return true }
func (r retries) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r retries) WithGroup(string) slog.Handler            { return r }

func (r retries) Handle(_ context.Context, record slog.Record) error {
	if record.Level == slog.LevelWarn {
		select {
		case r <- record.Message:
		default:
		}
	}
	return nil
}

var oneMigration = fstest.MapFS{
	"postgres/00001_alter.sql": {Data: []byte("-- +goose Up\nALTER TABLE word ADD COLUMN more TEXT;\n")},
}

// TestAMigrationGivesWayToOthersAndIsTriedAgain: a transaction that does not end keeps the migration from its
// lock, and whoever comes after the migration would wait for both.
func TestAMigrationGivesWayToOthersAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	told := make(retries, 1)
	ctx := t.Context()
	db, err := Open(ctx, Options{URL: pgtest.Database(t), Migrations: oneMigration, Logger: slog.New(told)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	db.lockTimeout = 20 * time.Millisecond

	if _, err := db.writer.ExecContext(ctx, "CREATE TABLE word (word TEXT)"); err != nil {
		t.Fatal(err)
	}
	holder, err := db.peopleWriter.BeginTxx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.ExecContext(ctx, "LOCK TABLE word IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	migrated := make(chan error, 1)
	go func() { migrated <- db.Migrate(ctx) }()
	for range 2 {
		const want = "migration waits for a lock that other transactions hold, retrying"
		if got := <-told; got != want {
			t.Fatalf("it says %q", got)
		}
		var n int
		if err := db.Reader().Get(ctx, &n, "SELECT COUNT(*) FROM word"); err != nil {
			t.Errorf("a query behind the migration: %v", err)
		}
	}
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-migrated; err != nil {
		t.Errorf("after the others: %v", err)
	}
}
