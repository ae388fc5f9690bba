package main

import (
	"database/sql"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// TestLeftoversFindWhatWasPlanted: rows, a process in a directory of the site, and the connections of a server that runs.
func TestLeftoversFindWhatWasPlanted(t *testing.T) {
	server := storetest.PostgreSQL(t, storetest.WallClock)
	db, err := sql.Open("postgres", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := &site{db: db, dir: t.TempDir()}
	hello := store.Worker{Pool: "p", Name: "w", ClusterID: "c"}
	if err := server.UpsertWorker(t.Context(), hello, uuid.New()); err != nil {
		t.Fatal(err)
	}
	const id = "'01a2277a-4b22-707d-994e-d53705546456'"
	for _, statement := range []string{
		"INSERT INTO manifests (run_id, number, manifest) VALUES (" + id + ", 1, '{}')",
		"INSERT INTO idempotency_keys (deployment_id, idempotency_key, run_id) VALUES (" + id + ", 'k', " + id + ")",
		"INSERT INTO log_chunks (attempt_id, byte_offset, at, content) VALUES (" + id + ", 0, now(), '')",
		"UPDATE worker_sessions SET expires_at = now() + INTERVAL '1 hour'",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	process := exec.CommandContext(t.Context(), "sleep", "60")
	process.Dir = s.dir
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	left, err := s.leftovers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 manifests without a run", "1 idempotency keys without a run", "1 chunks of output without an output",
		"1 sessions with a lease that lasts", "connections of servers", "sleep 60",
	} {
		if !slices.ContainsFunc(left, func(l string) bool { return strings.Contains(l, want) }) {
			t.Errorf("%q was not found: %q", want, left)
		}
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait() // it was killed
	if left, err = s.processes(); err != nil || len(left) > 0 {
		t.Errorf("%q, %v after the process has ended", left, err)
	}
}
