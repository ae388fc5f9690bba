package database

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
)

// TestADatabaseWithoutRoomSaysSoUntilItHasSome: SQLite with a file that may not grow, and PostgreSQL that answers
// as it does on a full disk.
func TestADatabaseWithoutRoomSaysSoUntilItHasSome(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, url, text string
		fill, free      string // statements for the connection that writes
	}{
		{"SQLite", "sqlite://" + filepath.Join(t.TempDir(), "berth.db"), "CAST(zeroblob(100000) AS TEXT)",
			"PRAGMA max_page_count = 8", "PRAGMA max_page_count = 100000"},
		{"PostgreSQL", pgtest.Database(t), "repeat('x', 100000)", fullDiskSQL, "DROP EVENT TRIGGER full_disk; DROP TRIGGER full_disk ON word"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			db, err := Open(ctx, Options{URL: test.url, MaxConns: 1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			run := func(statement string) {
				t.Helper()
				if _, err := db.writer.ExecContext(ctx, statement); err != nil {
					t.Fatal(err)
				}
			}
			write := func() error {
				return db.InTx(ctx, func(tx *Tx) error {
					_, err := tx.Exec(ctx, "INSERT INTO word VALUES ("+test.text+")")
					return err
				})
			}
			run("CREATE TABLE word (word TEXT)")
			if err := write(); err != nil {
				t.Fatal(err)
			}
			run(test.fill)
			if err := db.TakesWrites(ctx); err != nil {
				t.Errorf("before a write found it: %v", err)
			}
			const want = "the disk of the database is full"
			if err := write(); !IsCode(err, StorageFull) || !strings.Contains(err.Error(), want) {
				t.Errorf("the write: %v", err)
			}
			for range 2 {
				if err := db.TakesWrites(ctx); !IsCode(err, StorageFull) {
					t.Errorf("after it: %v", err)
				}
			}
			run(test.free)
			for range 2 {
				if err := db.TakesWrites(ctx); err != nil {
					t.Errorf("with room again: %v", err)
				}
			}
			if err := write(); err != nil {
				t.Errorf("the write: %v", err)
			}
		})
	}
}

// fullDiskSQL makes PostgreSQL refuse rows and new tables as it does when the disk is full.
const fullDiskSQL = `
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON word EXECUTE FUNCTION full_disk();
CREATE FUNCTION full_disk_table() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$;
CREATE EVENT TRIGGER full_disk ON ddl_command_start WHEN TAG IN ('CREATE TABLE AS')
EXECUTE FUNCTION full_disk_table()`
