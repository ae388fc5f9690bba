package store_test

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/migration"
	"github.com/berth-dev/berth/server/store/storetest"
)

// earlier is what a database of the first schema may hold; every later one has these columns too.
const earlier = `
INSERT INTO pools (id, name, type, description, paused, template_version, created_at, created_by, updated_at, updated_by)
VALUES ('01900000-0000-7000-8000-000000000001', 'p', 'kubernetes', '', FALSE, 1, NOW, 'ada', NOW, 'ada');
INSERT INTO template_versions (id, pool_id, version, document, document_hash, source, comment, stored_names, created_at, created_by)
VALUES ('01900000-0000-7000-8000-000000000002', '01900000-0000-7000-8000-000000000001', 1, '{}', 'h', '', '', '[]', NOW, 'ada');
INSERT INTO queues (id, pool_id, name, priority, paused, created_at, created_by)
VALUES ('01900000-0000-7000-8000-000000000003', '01900000-0000-7000-8000-000000000001', 'default', 1, FALSE, NOW, 'ada');
INSERT INTO deployments (id, name, pool_id, queue_id, revision_id, description, tags, paused, created_at, created_by, updated_at, updated_by)
VALUES ('01900000-0000-7000-8000-000000000004', 'd', '01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000003',
	'01900000-0000-7000-8000-000000000005', '', '[]', FALSE, NOW, 'ada', NOW, 'ada');
INSERT INTO deployment_revisions (
	id, deployment_id, version, job_variables, parameters, frozen_variables, frozen_parameters, retries, created_at, created_by
)
VALUES ('01900000-0000-7000-8000-000000000005', '01900000-0000-7000-8000-000000000004', '', '{}', '{}', '[]', '[]', '{"max":1}', NOW, 'ada');
INSERT INTO runs (
	id, name, deployment_id, revision_id, pool_id, queue_id, state_type, state_name, state_message, state_at, parameters,
	job_variables, stored_names, tags, body_hash, scheduled_time, due_at, created_at, created_by, caller_kind, caller_role, attempt, spent,
	category, last_event
)
VALUES ('01900000-0000-7000-8000-000000000006', 'old', '01900000-0000-7000-8000-000000000004', '01900000-0000-7000-8000-000000000005',
	'01900000-0000-7000-8000-000000000001', '01900000-0000-7000-8000-000000000003', 'SCHEDULED', 'Scheduled', '', NOW, '{}',
	'{}', '[]', '[]', '', NOW, NOW, NOW, 'ada', '', '', 0, '{}',
	'', 1);
INSERT INTO ready (
	run_id, deployment_id, pool_id, queue_id, due_at, limited, state_name, state_message, state_at, attempt, last_event, spent, epoch
)
VALUES ('01900000-0000-7000-8000-000000000006', '01900000-0000-7000-8000-000000000004', '01900000-0000-7000-8000-000000000001',
	'01900000-0000-7000-8000-000000000003', NOW, FALSE, 'Scheduled', '', NOW, 0, 1, '{}', 0)`

// TestEveryEarlierSchemaMigratesWithItsRows stops at every version there was, fills it, and goes on.
func TestEveryEarlierSchemaMigratesWithItsRows(t *testing.T) {
	t.Parallel()
	eachMigration(t, func(t *testing.T, d *migrated) {
		d.fill(t, d.version)
		goesOn(t, d.url)
	})
}

// TestEveryMigrationCanBeReverted goes all the way up, back to every version there was, and up again.
func TestEveryMigrationCanBeReverted(t *testing.T) {
	t.Parallel()
	eachMigration(t, func(t *testing.T, d *migrated) {
		d.fill(t, d.newest)
		d.to(
			t,
			func(p *goose.Provider) ([]*goose.MigrationResult, error) { return p.DownTo(t.Context(), d.version) },
		)
		goesOn(t, d.url)
	})
}

// migrated is a database of a test's own, and a version of its schema.
type migrated struct {
	url, dsn, driver, now string
	dialect               goose.Dialect
	files                 fs.FS
	version, newest       int64
}

// eachMigration runs a test for every version on every database.
func eachMigration(t *testing.T, test func(t *testing.T, d *migrated)) {
	t.Helper()
	for _, database := range []struct {
		name string
		migrated
	}{
		{"sqlite", migrated{now: "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)", driver: "sqlite", dialect: goose.DialectSQLite3}},
		{"postgres", migrated{now: "now()", driver: "postgres", dialect: goose.DialectPostgres}},
	} {
		files := must[fs.FS](t)(fs.Sub(migration.Files, database.name))
		names := must[[]string](t)(fs.Glob(files, "*.sql"))
		for _, name := range names {
			t.Run(database.name+" "+name, func(t *testing.T) {
				t.Parallel()
				d := database.migrated
				d.files = files
				if database.name == "postgres" {
					d.url = pgtest.Database(t)
					d.dsn = d.url
				} else {
					d.dsn = filepath.Join(t.TempDir(), "berth.db")
					d.url = "sqlite://" + d.dsn
				}
				d.version = must[int64](t)(goose.NumericComponent(name))
				d.newest = must[int64](t)(goose.NumericComponent(names[len(names)-1]))
				test(t, &d)
			})
		}
	}
}

// to runs one migration function.
func (d *migrated) to(t *testing.T, migrate func(*goose.Provider) ([]*goose.MigrationResult, error)) {
	t.Helper()
	db := must[*sql.DB](t)(sql.Open(d.driver, d.dsn))
	provider := must[*goose.Provider](t)(
		goose.NewProvider(d.dialect, db, d.files, goose.WithTableName("schema_migrations"),
			goose.WithDisableGlobalRegistry(true)),
	)
	if _, err := migrate(provider); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// fill makes a database of a version with something in it.
func (d *migrated) fill(t *testing.T, version int64) {
	t.Helper()
	d.to(t, func(p *goose.Provider) ([]*goose.MigrationResult, error) { return p.UpTo(t.Context(), version) })
	db := must[*sql.DB](t)(sql.Open(d.driver, d.dsn))
	if _, err := db.ExecContext(t.Context(), strings.ReplaceAll(earlier, "NOW", d.now)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// goesOn migrates and completes the existing run.
func goesOn(t *testing.T, url string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url, MaxConns: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	session := storetest.SessionOf("p", "w").ID
	if err := s.UpsertWorker(t.Context(), store.Worker{Pool: "p", Name: "w", ClusterID: "c"}, session); err != nil {
		t.Fatal(err)
	}
	claims := must[[]store.Claim](t)(s.Claim(t.Context(), request("p", "w", 10)))
	if len(claims) != 1 || claims[0].RunName != "old" {
		t.Fatalf("claimed %+v", claims)
	}
	for _, r := range []store.Report{manifest(claims[0]), running(claims[0]), succeeded(claims[0])} {
		if got := must[[]store.ReportResult](t)(s.Report(t.Context(), "w", []store.Report{r})); got[0].Status != store.ReportAccepted {
			t.Fatalf("%s was answered %+v", r.Kind, got[0])
		}
	}
	run := must[*store.Run](t)(s.GetRun(t.Context(), claims[0].RunID))
	if run.State.Type != "COMPLETED" {
		t.Errorf("the run is %s", run.State.Type)
	}
}
