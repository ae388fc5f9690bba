package main

import (
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
)

func TestAnInstallationMovesFromSQLiteToPostgreSQL(t *testing.T) {
	t.Parallel()
	u := user{home: t.TempDir()}
	data, database := t.TempDir(), pgtest.Database(t)
	u.ok(t, "migrate", "up", "--data-dir", data)
	if r := u.run(t, "migrate", "copy", "--data-dir", data); r.code != 2 {
		t.Errorf("without a database to copy into: exit code %d\n%s", r.code, r.stderr)
	}
	server := start(t, u.environ(), "server", "--listen", "127.0.0.1:0", "--data-dir", data, "--auth", "none",
		"--ensure-pool", "default=process")
	here := u
	here.url = server.ready(t)
	here.ok(t, "variable", "set", "greeting", `"hello"`)
	if r := u.run(t, "migrate", "copy", "--data-dir", data, "--database-url", database); r.code != 1 {
		t.Errorf("while a server has the file: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	server.stop(t)

	r := u.run(t, "migrate", "copy", "--data-dir", data, "--database-url", database)
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	demand(t, "progress", r.stderr, "copied variables: 1 rows")
	demand(t, "the end", r.stdout, "both databases are equal")
	if r := u.run(t, "migrate", "copy", "--data-dir", data, "--database-url", database); r.code != 1 {
		t.Errorf("a second time: exit code %d\n%s", r.code, r.stdout)
	} else {
		demand(t, "a second time", r.stderr, "not empty")
	}
	there := u
	there.url = start(t, u.environ(), "server", "--listen", "127.0.0.1:0", "--database-url", database,
		"--auth", "none").ready(t)
	demand(t, "the variable", there.ok(t, "variable", "get", "greeting"), "hello")
	demand(t, "the pool", there.ok(t, "pool", "ls"), "default")
}
