package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/store/migration"
)

// This file runs each migration after the first on a real PostgreSQL and looks at what it did to the tables that
// were there before: a table that is rewritten, or scanned under a lock that writers wait for, stops every worker
// while the migration of a large installation runs.

// migrationOf is one file.
type migrationOf struct {
	name string
	up   string
	// alone: its statements run outside of a transaction, as CREATE INDEX CONCURRENTLY must.
	alone bool
}

func parseMigration(name, text string) migrationOf {
	up, _, _ := strings.Cut(text, "-- +goose Down")
	return migrationOf{name: name, up: up, alone: strings.Contains(up, "-- +goose NO TRANSACTION")}
}

// harmless are statements that take long, outside of a transaction, and keep no writer waiting.
var harmless = regexp.MustCompile(`(?is)^(CREATE (UNIQUE )?INDEX CONCURRENTLY|DROP INDEX CONCURRENTLY|` +
	`REINDEX \S+ CONCURRENTLY|ALTER TABLE \S+ VALIDATE CONSTRAINT)\b`)

var comment = regexp.MustCompile(`--[^\n]*`)

// lintMigration runs a migration, and returns what large tables would not bear.
func lintMigration(ctx context.Context, db *sql.DB, m migrationOf) (findings []string, err error) {
	if !m.alone {
		return lintTogether(ctx, db, m.up)
	}
	for statement := range strings.SplitSeq(comment.ReplaceAllString(m.up, ""), ";") {
		statement = strings.TrimSpace(statement)
		switch {
		case statement == "":
			continue
		case strings.Contains(strings.ToUpper(statement), "CONCURRENTLY IF NOT EXISTS"):
			// One that failed before is there, and is not valid.
			findings = append(findings, "an index may be left unfinished: use DROP INDEX CONCURRENTLY IF EXISTS "+
				"before CREATE INDEX CONCURRENTLY")
			fallthrough
		case harmless.MatchString(statement):
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return nil, fmt.Errorf("%s: %w", statement, err)
			}
			continue
		}
		found, err := lintTogether(ctx, db, statement)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// relation is a table or an index that was there before a migration.
type relation struct {
	name string
	file int64
	read int64 // scans of the table in this transaction
}

const relationsSQL = `
SELECT c.oid, c.relname, c.relfilenode, COALESCE(s.seq_scan, 0) + COALESCE(s.idx_scan, 0)
FROM pg_class c
LEFT JOIN pg_stat_xact_user_tables s ON s.relid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')`

// locksSQL reads the locks of this transaction that a writer waits for, and the one of writers.
const locksSQL = `
SELECT relation, mode
FROM pg_locks
WHERE pid = pg_backend_pid() AND relation IS NOT NULL AND mode NOT IN (
	'AccessShareLock', 'ShareUpdateExclusiveLock')`

func lintTogether(ctx context.Context, db *sql.DB, statements string) (findings []string, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	before, err := relations(ctx, tx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return nil, err
	}
	after, err := relations(ctx, tx)
	if err != nil {
		return nil, err
	}
	locks, err := locks(ctx, tx)
	if err != nil {
		return nil, err
	}
	for oid, was := range before {
		is, exists := after[oid]
		switch mode := locks[oid]; {
		case !exists:
		case is.file != was.file:
			findings = append(findings, was.name+" is written anew: add a column without it, and fill it in steps")
		case mode != "" && is.read > was.read:
			findings = append(findings, fmt.Sprintf("%s is read under %s: create indexes CONCURRENTLY, add "+
				"constraints NOT VALID, and validate or fill in another migration", was.name, mode))
		}
	}
	slices.Sort(findings)
	return findings, tx.Commit()
}

func relations(ctx context.Context, tx *sql.Tx) (map[int64]relation, error) {
	rows, err := tx.QueryContext(ctx, relationsSQL)
	if err != nil {
		return nil, err
	}
	found := map[int64]relation{}
	for rows.Next() {
		var oid int64
		var r relation
		if err := rows.Scan(&oid, &r.name, &r.file, &r.read); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		found[oid] = r
	}
	return found, rows.Err()
}

func locks(ctx context.Context, tx *sql.Tx) (map[int64]string, error) {
	rows, err := tx.QueryContext(ctx, locksSQL)
	if err != nil {
		return nil, err
	}
	found := map[int64]string{}
	for rows.Next() {
		var oid int64
		var mode string
		if err := rows.Scan(&oid, &mode); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		found[oid] = mode
	}
	return found, rows.Err()
}

func TestNoMigrationRewritesOrLocksATable(t *testing.T) {
	t.Parallel()
	db := openDatabase(t, pgtest.Database(t))
	files, err := fs.Glob(migration.Files, "postgres/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		text, err := fs.ReadFile(migration.Files, file)
		if err != nil {
			t.Fatal(err)
		}
		m := parseMigration(strings.TrimPrefix(file, "postgres/"), string(text))
		findings, err := lintMigration(t.Context(), db, m)
		if err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		if i == 0 {
			continue // there were no rows yet
		}
		for _, finding := range findings {
			t.Errorf("%s: %s", m.name, finding)
		}
	}
}

const lintedTables = `
CREATE TABLE pools (id INTEGER PRIMARY KEY);
CREATE TABLE runs (id INTEGER PRIMARY KEY, pool_id INTEGER, name VARCHAR(20), note TEXT);
CREATE INDEX runs_pool ON runs (pool_id);
INSERT INTO pools VALUES (1);
INSERT INTO runs VALUES (1, 1, 'a', NULL)`

func TestTheLintOfMigrations(t *testing.T) {
	t.Parallel()
	const anew, read = "written anew", "is read under"
	tests := []struct{ name, up, want string }{
		{"an index", "CREATE INDEX i ON runs (name)", read},
		{"a unique constraint", "ALTER TABLE runs ADD UNIQUE (name)", read},
		{"a stored column", "ALTER TABLE runs ADD COLUMN l INTEGER GENERATED ALWAYS AS (length(name)) STORED", anew},
		{"not null", "ALTER TABLE runs ALTER COLUMN name SET NOT NULL", read},
		{"another type", "ALTER TABLE runs ALTER COLUMN pool_id TYPE BIGINT", anew},
		{"a shorter text", "ALTER TABLE runs ALTER COLUMN name TYPE VARCHAR(10)", anew},
		{"a volatile default", "ALTER TABLE runs ADD COLUMN r FLOAT DEFAULT random()", anew},
		{"a foreign key", "ALTER TABLE runs ADD FOREIGN KEY (pool_id) REFERENCES pools", read},
		{"a check", "ALTER TABLE runs ADD CONSTRAINT c CHECK (name <> '')", read},
		{"a constraint that is validated under its lock", `ALTER TABLE runs ADD CONSTRAINT c CHECK (name <> '') NOT VALID;
			ALTER TABLE runs VALIDATE CONSTRAINT c`, read},
		{"a change of all rows", "UPDATE runs SET note = ''", read},
		{"a table that is emptied", "TRUNCATE runs", anew},
		{"a new index", "REINDEX TABLE runs", anew},
		{"an index that may be left", `-- +goose NO TRANSACTION
			CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON runs (name);`, "left unfinished"},
		{"an index among others", `-- +goose NO TRANSACTION
			CREATE INDEX CONCURRENTLY i ON runs (name); CREATE INDEX j ON runs (note);`, read},

		{"a column", "ALTER TABLE runs ADD COLUMN more TEXT", ""},
		{"a column with a constant", "ALTER TABLE runs ADD COLUMN more TEXT NOT NULL DEFAULT ''", ""},
		{"a column less", "ALTER TABLE runs DROP COLUMN note", ""},
		{"a longer text", "ALTER TABLE runs ALTER COLUMN name TYPE VARCHAR(30)", ""},
		{"a new table", "CREATE TABLE more (id INTEGER PRIMARY KEY, t TEXT UNIQUE); CREATE INDEX i ON more (t)", ""},
		{"an index less", "DROP INDEX runs_pool", ""},
		{"a foreign key for new rows", "ALTER TABLE runs ADD FOREIGN KEY (pool_id) REFERENCES pools NOT VALID", ""},
		{"an index beside writers", `-- +goose NO TRANSACTION
			DROP INDEX CONCURRENTLY IF EXISTS i; CREATE INDEX CONCURRENTLY i ON runs (name);`, ""},
		{"not null after a check", `-- +goose NO TRANSACTION
			ALTER TABLE runs ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID;
			ALTER TABLE runs VALIDATE CONSTRAINT c;
			ALTER TABLE runs ALTER COLUMN name SET NOT NULL;`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			db := openDatabase(t, pgtest.Database(t))
			if _, err := db.ExecContext(t.Context(), lintedTables); err != nil {
				t.Fatal(err)
			}
			findings, err := lintMigration(t.Context(), db, parseMigration("", "-- +goose Up\n"+test.up))
			if err != nil {
				t.Fatal(err)
			}
			switch got := strings.Join(findings, "; "); {
			case test.want == "" && got != "":
				t.Errorf("it was refused: %s", got)
			case !strings.Contains(got, test.want):
				t.Errorf("got %q, want %q in it", got, test.want)
			}
		})
	}
}
