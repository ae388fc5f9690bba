package main

import (
	"testing"
)

func TestDeletingSaysWhatGoesAndNeedsAYes(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "pool", "create", "etl", "--type", "process")
	file := write(t, t.TempDir(), "berth.yaml", "project: p\nvariables: {place: Bremen}\n"+
		"deployments: [{name: load, pool: etl, job_variables: {env: {A: '{{ berth.variables.place }}'}}}]\n")
	u.ok(t, "deploy", "-f", file)

	for _, test := range []struct {
		args, says []string
	}{
		{[]string{"pool", "delete", "etl"}, []string{`pool "etl" has 1 deployment (load) and 0 active runs`, "berth pool delete etl --force"}},
		{[]string{"pool", "delete", "etl", "--force"}, []string{`delete pool "etl", with 1 deployment, 1 queue, 1 template version, 0 runs (0 active)`, "berth pool delete etl --force --yes"}},
		{[]string{"deployment", "delete", "load"}, []string{`delete deployment "load", with 0 schedules and 0 runs (0 active)`, "berth deployment delete load --yes"}},
		{[]string{"variable", "delete", "place"}, []string{`delete variable "place"`, "berth variable delete place --yes"}},
	} {
		r := u.run(t, test.args...)
		if r.code != 2 {
			t.Errorf("%v: exit code %d", test.args, r.code)
		}
		demand(t, test.args[0], r.stderr, test.says...)
	}
	for _, test := range []struct {
		args []string
		says []string
	}{
		{[]string{"pool", "delete", "etl", "--yes"}, []string{"has deployments (load)", "berth pool delete etl --yes --force"}},
		{[]string{"variable", "delete", "place", "--yes"}, []string{"used by deployment load", "berth variable delete place --yes --force"}},
	} {
		r := u.run(t, test.args...)
		if r.code == 0 {
			t.Errorf("%v: done while in use", test.args)
		}
		demand(t, test.args[0], r.stderr, test.says...)
	}

	wrong := newTerminal(t, 120)
	wait := u.in(wrong, t.Context(), "pool", "delete", "etl", "--force")
	wrong.answer("Type etl to confirm: ", "yes\n")
	if code := wait(); code != 1 {
		t.Errorf("another name: exit code %d", code)
	}
	agreed := newTerminal(t, 120)
	wait = u.in(agreed, t.Context(), "pool", "delete", "etl", "--force")
	agreed.answer("Type etl to confirm: ", "etl\n")
	if code := wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, agreed.text())
	}
	u.ok(t, "variable", "delete", "place", "--yes")
}

func TestReplacingSigningKeysAtOnceNeedsAYes(t *testing.T) {
	t.Parallel()
	server := start(t, user{home: t.TempDir()}.environ(), "server", "--auth", "none", "--listen", "127.0.0.1:0",
		"--data-dir", t.TempDir(), "--public-url", "http://localhost:4200")
	u := user{url: server.ready(t), home: t.TempDir()}
	u.ok(t, "signing-key", "rotate") // breaks nothing
	r := u.run(t, "signing-key", "rotate", "--revoke")
	if r.code != 2 {
		t.Errorf("done unasked: %+v", r)
	}
	demand(t, "what breaks", r.stderr, "the token of every running job stops verifying",
		"berth signing-key rotate --revoke --yes")
	u.ok(t, "signing-key", "rotate", "--revoke", "--yes")
}

func TestPruneWithoutAProjectIsRefused(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	file := write(t, t.TempDir(), "berth.yaml", "deployments: [{name: load, pool: local}]\n")
	u.ok(t, "deploy", "-f", file)
	r := u.run(t, "deploy", "-f", file, "--prune")
	if r.code != 2 {
		t.Errorf("exit code %d", r.code)
	}
	demand(t, "what to write", r.stderr, "project: NAME", "no git repository")
}
