package main

import "testing"

func TestTheAuditIsListed(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "pool", "update", "local", "--concurrency-limit", "7")
	u.ok(t, "variable", "set", "token", "hunter2")
	u.ok(t, "variable", "set", "token", "hunter3")
	table := u.ok(t, "audit", "ls")
	demand(t, "the table", table, "WHO", "concurrency_limit", "7", "variable", "token", "value changed",
		"anonymous")
	type list struct {
		Items []struct{ Actor, Action, Kind, Name string }
	}
	if got := decode[list](t, u, "audit", "ls", "--kind", "variable", "--action", "update", "--since", "1d", "-n", "5"); len(
		got.Items) != 1 ||
		got.Items[0].Name != "token" {
		t.Errorf("got %+v", got)
	}
	for _, args := range [][]string{{"--kind", "x"}, {"--action", "x"}, {"--since", "x"}, {"-n", "-1"}} {
		if r := u.run(t, append([]string{"audit", "ls"}, args...)...); r.code != 2 {
			t.Errorf("%v: exit code %d", args, r.code)
		}
	}
}
