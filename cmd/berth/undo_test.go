package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// TestDeletedObjectsAreRestoredAsTheCommandSays follows what each deletion says about getting it back.
func TestDeletedObjectsAreRestoredAsTheCommandSays(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "pool", "create", "etl", "--type", "process")
	u.ok(t, "queue", "create", "fast", "--pool", "etl", "--priority", "3")
	u.ok(t, "variable", "set", "place", "Bremen")
	u.ok(t, "pool", "rule", "set", "etl", "memory", "--from", "memory-limit", "--action", "warn")
	file := write(t, t.TempDir(), "berth.yaml",
		"deployments: [{name: load, pool: etl, tags: [nightly], schedules: [{name: daily, cron: '@daily'}]}]\n")
	u.ok(t, "deploy", "-f", file)

	for _, args := range [][]string{
		{"deployment", "delete", "load"}, {"queue", "delete", "fast", "--pool", "etl"},
		{"variable", "delete", "place"}, {"pool", "rule", "delete", "etl", "memory"}, {"pool", "delete", "--force", "etl"},
	} {
		said := u.ok(t, append(args, "--yes")...)
		restore := regexp.MustCompile(`; berth (.*) brings it back until \d{4}-\d\d-\d\d \d\d:\d\d\n$`).FindStringSubmatch(said)
		if restore == nil {
			t.Fatalf("%v says %q", args, said)
		}
		if !strings.Contains(u.ok(t, "deleted", "ls"), args[len(args)-1]) && args[0] != "queue" {
			t.Errorf("%v: the list does not have it", args)
		}
		again := strings.Fields(restore[1])
		if args[0] == "deployment" {
			again = append(again, "--as", "load2")
		}
		demand(t, restore[0], u.ok(t, again...), "restored")
		if r := u.run(t, again...); r.code == 0 {
			t.Errorf("%v twice: exit code 0", again)
		}
	}
	demand(t, "the deployment", u.ok(t, "deployment", "get", "load2"), "nightly", "daily")
	demand(t, "the variable", u.ok(t, "variable", "get", "place"), "Bremen")
	demand(t, "the rule", u.ok(t, "pool", "rule", "ls", "etl"), "memory")
	if left := u.ok(t, "deleted", "ls"); left != "" {
		t.Errorf("still deleted: %s", left)
	}
}

func TestAPermanentDeletionLeavesNothingToRestore(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "variable", "set", "token", "canary-4711")
	r := u.run(t, "variable", "delete", "token", "--permanently")
	demand(t, "the question", r.stderr, "for good", "--permanently --yes")
	demand(t, "the answer", u.ok(t, "variable", "delete", "token", "--permanently", "--yes"), `variable "token" deleted for good`)

	u.ok(t, "variable", "set", "token", "canary-4711")
	u.ok(t, "variable", "delete", "token", "--yes")
	listed := u.ok(t, "deleted", "ls", "-o", "json")
	if strings.Contains(listed, "canary") {
		t.Errorf("the list has the value: %s", listed)
	}
	var list api.DeletedList
	if err := json.Unmarshal([]byte(listed), &list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%v: %s", err, listed)
	}
	id := list.Items[0].Deletion.String()
	r = u.run(t, "deleted", "purge", id)
	if r.code != 2 {
		t.Errorf("unasked: exit code %d", r.code)
	}
	demand(t, "the question", r.stderr, `remove for good variable "token"`, "--yes")
	demand(t, "the answer", u.ok(t, "deleted", "purge", id, "--yes"), `variable "token" removed for good`)
	r = u.run(t, "variable", "restore", "token")
	if r.code != 2 {
		t.Errorf("exit code %d", r.code)
	}
	demand(t, "the refusal", r.stderr, "no longer kept")
}

func TestWhatADeployPrunesIsRestoredTogether(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	file := write(t, dir, "berth.yaml", "project: p\nvariables: {place: Bremen}\n"+
		"deployments: [{name: load, pool: local}, {name: report, pool: local}]\n")
	u.ok(t, "deploy", "-f", file)
	file = write(t, dir, "berth.yaml", "project: p\ndeployments: [{name: report, pool: local}]\n")

	r := u.run(t, "deploy", "-f", file, "--prune")
	if r.code != 2 {
		t.Errorf("unasked: exit code %d", r.code)
	}
	demand(t, "the question", r.stderr, "apply 2 changes, including 2 deletions", "--prune --yes")
	said := u.ok(t, "deploy", "-f", file, "--prune", "--yes")
	restore := regexp.MustCompile(`berth (deleted restore [0-9a-f-]+) brings back 2 deleted objects until`).FindStringSubmatch(said)
	if restore == nil {
		t.Fatalf("it says %q", said)
	}
	demand(t, "the answer", u.ok(t, strings.Fields(restore[1])...), `variable "place" restored`, `deployment "load" restored`)
	u.ok(t, "deployment", "get", "load")
}

func TestARefusedDeletionSaysWhatUsesTheObject(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "pool", "create", "etl", "--type", "process")
	file := write(t, t.TempDir(), "berth.yaml", "deployments: [{name: load, pool: etl}]\n")
	u.ok(t, "deploy", "-f", file)

	r := u.run(t, "pool", "delete", "etl", "--yes")
	if r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	demand(t, "for people", r.stderr, "has deployments (load)", "deployment load in pool etl")
	r = u.run(t, "pool", "delete", "etl", "--yes", "-o", "json")
	var refusal api.Problem
	if err := json.Unmarshal([]byte(r.stdout), &refusal); err != nil {
		t.Fatalf("%v: %s", err, r.stdout)
	}
	if refusal.Code != "pool-in-use" || refusal.UsersTotal == nil || *refusal.UsersTotal != 1 ||
		(*refusal.Users)[0].Name != "load" || (*refusal.Users)[0].Kind != api.InUseDeployment {
		t.Errorf("for programs: %s", r.stdout)
	}
}
