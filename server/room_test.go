package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
)

// TestAServerWithAFullDiskIsNotReady: PostgreSQL answers as it does when its disk is full.
func TestAServerWithAFullDiskIsNotReady(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	r := start(t, on(database))
	r.deploy("hello", "")
	db := openSQL(t, database)
	run := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	const raise = `BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END`
	run(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS '` + strings.ReplaceAll(raise, "'", "''") + `';
		CREATE TRIGGER full_disk BEFORE INSERT ON runs EXECUTE FUNCTION full_disk();
		CREATE FUNCTION full_disk_table() RETURNS event_trigger LANGUAGE plpgsql AS '` +
		strings.ReplaceAll(raise, "'", "''") + `';
		CREATE EVENT TRIGGER full_disk ON ddl_command_start WHEN TAG IN ('CREATE TABLE AS')
		EXECUTE FUNCTION full_disk_table()`)

	document := r.call(http.MethodPost, "/api/v1/deployments/hello/runs", `{}`).
		refused(http.StatusServiceUnavailable, "storage-full")
	const want = "the disk of the database is full"
	if document.Detail == nil || !strings.Contains(*document.Detail, want) {
		t.Errorf("it says %+v", document)
	}
	if got := r.call(http.MethodGet, "/readyz", "").is(http.StatusServiceUnavailable); !strings.Contains(
		string(got.body), want) {
		t.Errorf("/readyz says %q", got.body)
	}
	run("DROP EVENT TRIGGER full_disk; DROP TRIGGER full_disk ON runs")
	r.call(http.MethodGet, "/readyz", "").is(http.StatusOK)
	r.startRun("hello", `{}`)
}

// TestAppliesQueueInTheProcess: applies that wait for another one take one connection, not one each.
func TestAppliesQueueInTheProcess(t *testing.T) {
	t.Parallel()
	const many = 10
	database := pgtest.Database(t)
	r := start(t, on(database), func(o *server.Options) { o.PeopleConnections, o.PeopleTimeout = 2, time.Minute })
	db := openSQL(t, database)
	other, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const applyLock = `SELECT pg_advisory_xact_lock(x'6170706c79'::bigint)`
	if _, err := other.ExecContext(t.Context(), applyLock); err != nil {
		t.Fatal(err)
	}
	answers := make(chan int, many)
	for range many {
		go func() {
			answers <- r.call(http.MethodPost, "/api/v1/apply", `{"pools":[{"name":"q","type":"process"}]}`).status
		}()
	}
	await(t, async(func() error { return pgtest.AwaitLock(t.Context(), db) }), "an apply that waits")
	for range 5 {
		r.call(http.MethodGet, "/api/v1/work-pools", "").is(http.StatusOK)
	}
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	for range many {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("an apply got %d", status)
		}
	}
}
