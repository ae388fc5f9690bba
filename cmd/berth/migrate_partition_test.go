package main

import (
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
)

func TestTheTablesOfRunsArePartitionedBesideAServer(t *testing.T) {
	t.Parallel()
	u := user{home: t.TempDir()}
	data, database := t.TempDir(), pgtest.Database(t)
	for _, args := range [][]string{
		{"migrate", "partition", "--data-dir", data},
		{"migrate", "up", "--partition", "weekly", "--data-dir", data},
		{"migrate", "up", "--partition", "daily", "--database-url", database},
	} {
		if r := u.run(t, args...); r.code != 2 {
			t.Errorf("%v: exit code %d\n%s", args, r.code, r.stderr)
		}
	}
	if r := u.run(t, "migrate", "partition", "--database-url", database); r.code != 1 {
		t.Errorf("without a schema: exit code %d\n%s", r.code, r.stderr)
	}

	u.ok(t, "migrate", "up", "--database-url", database)
	demand(t, "the layout", u.ok(t, "migrate", "status", "--database-url", database), "plain")
	server := start(t, u.environ(), "server", "--listen", "127.0.0.1:0", "--database-url", database, "--auth", "none",
		"--ensure-pool", "default=process")
	here := u
	here.url = server.ready(t)
	r := u.run(t, "migrate", "partition", "--database-url", database)
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	demand(t, "progress", r.stderr, "checking runs: 0 MB", "checked events: 0 MB")
	demand(t, "the end", r.stdout, "partitioned the tables of runs: ", "made until")
	demand(t, "a second time", u.ok(t, "migrate", "partition", "--database-url", database), "partitioned already")
	demand(t, "the layout", u.ok(t, "migrate", "status", "--database-url", database), "partitions, made until")
	demand(t, "the layout", u.ok(t, "migrate", "status", "-o", "json", "--database-url", database), `"partitions": `)
	demand(t, "the runs", here.ok(t, "run", "ls", "-o", "json"), "[]")
}

func TestANewInstallationIsPartitioned(t *testing.T) {
	t.Parallel()
	u := user{home: t.TempDir()}
	database := pgtest.Database(t)
	r := u.runEnv(t, "", []string{"BERTH_PARTITION=weekly"}, "migrate", "up", "--database-url", database)
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	demand(t, "the end", r.stdout, "partitioned the tables of runs")
	demand(t, "again", u.ok(t, "migrate", "up", "--partition", "weekly", "--database-url", database), "partitioned already")
}
