package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

const approvedFile = `pools:
- name: default
  approvals: {require: [deploys], approver: editor, lifetime_seconds: 3600}
deployments:
- name: etl
  pool: default
  version: "%s"
`

// approving is a server whose pool requires approvals, with a user who asks and one who reviews.
type approving struct {
	u              user
	admin, ci, ada []string
	file           func(version string) string
}

func startApproving(t *testing.T) approving {
	t.Helper()
	admin, worker := newKey(t), newKey(t)
	u := user{home: t.TempDir()}
	server := start(t, u.environ("BERTH_BOOTSTRAP_ADMIN_KEY="+admin, "BERTH_BOOTSTRAP_WORKER_KEY="+worker,
		"BERTH_ENSURE_POOL=default=process"), "server", "--listen", "127.0.0.1:0", "--data-dir", t.TempDir())
	u.url = server.ready(t)
	dir := t.TempDir()
	a := approving{
		u: u, admin: []string{"BERTH_API_KEY=" + admin},
		file: func(version string) string {
			return write(t, dir, "berth"+version+".yaml", strings.Replace(approvedFile, "%s", version, 1))
		},
	}
	key := func(name, role string) []string {
		r := u.runEnv(t, "", a.admin, "api-key", "create", name, "--role", role, "-o", "json")
		var made api.APIKeyCreated
		if err := json.Unmarshal([]byte(r.stdout), &made); err != nil || r.code != 0 {
			t.Fatalf("exit code %d: %v\n%s%s", r.code, err, r.stdout, r.stderr)
		}
		return []string{"BERTH_API_KEY=" + made.Secret}
	}
	a.ci, a.ada = key("ci", "deployer:default"), key("ada", "editor:default")
	if r := u.runEnv(t, "", a.ada, "pool", "approvals", "default", "--require", "deploys", "--lifetime", "1h"); r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return a
}

// openRequest returns the id of the only open request.
func (a approving) openRequest(t *testing.T) string {
	t.Helper()
	r := a.u.runEnv(t, "", a.ada, "approval", "ls", "--state", "open", "-o", "json")
	var list api.ApprovalList
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
	}
	return list.Items[0].ID.String()
}

func TestADeployEndsWithThreeUntilItIsApproved(t *testing.T) {
	t.Parallel()
	a := startApproving(t)
	as := func(who []string, code int, args ...string) result {
		t.Helper()
		r := a.u.runEnv(t, "", who, args...)
		if r.code != code {
			t.Fatalf("berth %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
		}
		return r
	}
	first := as(a.ci, 3, "deploy", "-f", a.file("1"))
	id := a.openRequest(t)
	var needs api.Problem
	printed := as(a.ci, 3, "deploy", "-f", a.file("1"), "-o", "json").stdout
	if err := json.Unmarshal([]byte(printed), &needs); err != nil || (*needs.Approvals)[0].ID.String() != id {
		t.Errorf("-o json prints %q (%v), want the problem with the request %s", printed, err, id)
	}
	demand(t, "the plan", first.stdout, "! work pool default needs an approval of deploys, by another person with role editor")
	demand(t, "the refusal", first.stderr, "request "+id, "berth approve "+id, "send the change again when it is approved")
	demand(t, "the plan with the request", as(a.ci, 0, "deploy", "-f", a.file("1"), "--dry-run").stdout,
		"request "+id+" is open")

	demand(t, "an own approval", as(a.ci, 1, "approve", id, "--yes").stderr, "may not decide about this request")
	demand(t, "an approval without a person", as(a.ada, 2, "approve", id).stderr, "repeat it with --yes")
	demand(t, "another plan than was reviewed", as(a.ada, 1, "approve", id, "--yes", "--fingerprint", "x").stderr,
		"look at it again")
	demand(t, "the request", as(a.ada, 0, "approval", "get", id).stdout, "+ create deployment etl", `+version: "1"`, "ci,")
	demand(t, "the pool", as(a.ada, 0, "pool", "get", "default").stdout, "berth approval ls --pool default")
	demand(t, "the approval", as(a.ada, 0, "approve", id, "--yes").stdout, "approved: ci can send the change again now")
	demand(t, "the deploy", as(a.ci, 0, "deploy", "-f", a.file("1")).stdout, "1 change applied")

	as(a.ci, 3, "deploy", "-f", a.file("2"))
	id = a.openRequest(t)
	as(a.ada, 0, "approval", "reject", id, "--reason", "not scanned")
	demand(t, "what was rejected", as(a.ci, 0, "approval", "get", id).stdout, "rejected", "not scanned")
	as(a.ci, 3, "deploy", "-f", a.file("2"))
	as(a.ci, 0, "approval", "withdraw", a.openRequest(t))
	as(a.ci, 1, "deploy", "-f", a.file("2"), "--break-glass", "hurry")
	as(a.admin, 0, "deploy", "-f", a.file("2"), "--break-glass", "production is down")
	demand(t, "what was done without", as(a.ci, 0, "approval", "ls", "--all").stdout, "bypassed")
	demand(t, "the policy", as(a.ci, 0, "pool", "approvals", "default").stdout, "deploys, by another person with role editor")
	as(a.ada, 3, "pool", "approvals", "default", "--off")
	as(a.ada, 2, "approval", "get", "x")
}

func TestADeployWaitsForItsApproval(t *testing.T) {
	t.Parallel()
	a := startApproving(t)
	term := newTerminal(t, 120)
	waiter := a.u
	done := make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		done <- runMain(ctx, []string{"deploy", "-f", a.file("1"), "--yes", "--wait-approval"}, term.slave, term.slave,
			term.slave, waiter.environ(append(a.ci, "TERM=xterm", "NO_COLOR=1")...))
	}()
	term.await("send the change again when it is approved")
	if r := a.u.runEnv(t, "", a.ada, "approve", a.openRequest(t), "--yes"); r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if code := <-done; code != 0 {
		t.Errorf("exit code %d\n%s", code, term.text())
	}
	term.await("1 change applied")
}
