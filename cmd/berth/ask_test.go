package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// asks are the commands that take something away for others, or change many things at once, with arguments with
// which they ask. They ask on a terminal, and need --yes elsewhere and with -o json. A new command that does so
// belongs here.
var asks = map[string]string{
	"pool delete": "etl --force", "pool rule delete": "etl memory", "rule delete": "memory", "queue delete": "fast --pool etl",
	"deployment delete": "load --force", "variable delete": "place", "deleted purge": "0199a000-0000-7000-8000-0000000000d1",
	"api-key revoke": "ci", "run cancel": "--deployment load", "run retry": "--deployment load --state scheduled",
	"run abandon": "RUN", "deploy": "-f FILE --prune", "signing-key rotate": "--revoke",
	"session revoke": "--user ada@example.com", "trust delete": "etl", "webhook delete": "on-call", "worker drain": "--namespace x --kubeconfig KUBECONFIG", "uninstall": "--namespace x --kubeconfig KUBECONFIG",
}

// never are the other commands that change something, and why they do not ask.
var never = map[string]string{
	"pool create": "adds", "queue create": "adds", "api-key create": "adds", "deployment run": "adds",
	"pool update": "of one thing, and shown by the audit", "queue update": "of one thing",
	"pool pause": "undone by resume", "pool resume": "undone by pause",
	"queue pause": "undone by resume", "queue resume": "undone by pause",
	"deployment pause": "undone by resume", "deployment resume": "undone by pause",
	"schedule pause": "undone by resume", "schedule resume": "undone by pause",
	"worker pause": "undone by resume", "worker resume": "undone by pause",
	"pool template set": "undone by rollback, and shows its impact", "pool template edit": "undone by rollback",
	"pool template rollback": "undone by rollback, and shows its impact",
	"pool rule set":          "shows its impact", "rule set": "shows its impact",
	"variable set":    "says what is to be stored",
	"pool approvals":  "undone by another one, and asks another person to switch it off",
	"approve":         "shows the plan and asks whether to approve it",
	"approval reject": "nothing changes; it can be asked for again", "approval withdraw": "of the caller",
	"pool restore": "undoes", "queue restore": "undoes", "deployment restore": "undoes", "variable restore": "undoes",
	"rule restore": "undoes", "pool rule restore": "undoes", "deleted restore": "undoes",
	"trust set":   "of one thing, and jobs that still match get new keys by themselves",
	"webhook set": "of one thing, and secrets stay", "webhook pause": "undone by resume", "webhook resume": "undone by pause",
	"webhook resend": "a receiver can tell",
	"login":          "of the caller", "logout": "of the caller: berth login undoes it",
	"run report": "of the job's own run", "install": "adds", "upgrade": "Helm keeps what was before",
	"migrate up": "the schema is compatible", "migrate copy": "into an empty database only",
	"migrate partition": "servers work on, and no row changes", "keys ensure": "adds",
	"import prefect": "writes files of its own, and over none without --force",
}

// readOnly are the commands that change nothing, by their last word or their name.
func readOnly(name string) bool {
	words := strings.Fields(name)
	last := words[len(words)-1]
	reads := []string{"ls", "deliveries", "get", "preview", "lint", "versions", "diff", "schema", "test", "show", "watch", "logs",
		"explain", "manifest", "events", "result", "token", "whoami", "version", "status", "render", "dev", "server", "start",
		"impact", "histogram", "statistics", "slots", "completion", "help", "bash", "zsh", "fish", "powershell"}
	return slices.Contains(reads, last)
}

// TestEveryCommandIsDecided: a command asks, or there is a reason why not.
func TestEveryCommandIsDecided(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, child := range cmd.Commands() {
			walk(child)
		}
		if !runs(cmd) {
			return
		}
		name := strings.TrimPrefix(cmd.CommandPath(), "berth ")
		_, asked := asks[name]
		_, free := never[name]
		hasYes := cmd.Flags().Lookup("yes") != nil
		switch {
		case asked && !hasYes:
			t.Errorf("%s asks, and has no --yes", name)
		case asked && cmd.Flags().ShorthandLookup("y") == nil:
			t.Errorf("%s has no -y", name)
		case !asked && hasYes && name != "pool template edit" && name != "approve":
			// These show what was edited, or is to be approved, and ask about that.
			t.Errorf("%s has --yes and is not among those that ask", name)
		case !asked && !free && !readOnly(name):
			t.Errorf("decide whether %s asks", name)
		case asked && free:
			t.Errorf("%s is decided twice", name)
		}
	}
	walk(tree())
}

// TestWhatAsksNeedsAYesWhereNoPersonCanAnswer runs each command of the table without a terminal, and for programs.
func TestWhatAsksNeedsAYesWhereNoPersonCanAnswer(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir(), "--webhook-allow", "hooks.example.com")
	dir := t.TempDir()
	u.ok(t, "pool", "create", "etl", "--type", "process")
	u.ok(t, "queue", "create", "fast", "--pool", "etl")
	u.ok(t, "pool", "rule", "set", "etl", "memory", "--from", "memory-limit", "--action", "warn")
	u.ok(t, "rule", "set", "memory", "--from", "memory-limit", "--action", "warn")
	u.ok(t, "webhook", "set", "on-call", "--url", "https://hooks.example.com/on-call", "--paused")
	file := write(t, dir, "before.yaml", "project: p\nvariables: {place: Bremen}\n"+
		"deployments: [{name: load, pool: etl}, {name: gone, pool: etl}]\n")
	u.ok(t, "deploy", "-f", file)
	file = write(t, dir, "after.yaml", "project: p\nvariables: {place: Bremen}\ndeployments: [{name: load, pool: etl}]\n")
	u.ok(t, "deployment", "run", "load")
	run := strings.Fields(u.ok(t, "run", "ls", "-o", "yaml"))
	id := run[slices.Index(run, "id:")+1]
	kubeconfig := write(t, dir, "kubeconfig", "apiVersion: v1\nkind: Config\ncurrent-context: c\n"+
		"clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\ncontexts: [{name: c, context: {cluster: c}}]\n")

	for command, args := range asks {
		args := strings.NewReplacer("RUN", id, "FILE", file, "KUBECONFIG", kubeconfig).Replace(args)
		words := append(strings.Fields(command), strings.Fields(args)...)
		r := u.run(t, words...)
		if r.code != 2 || !strings.Contains(r.stderr, "this would ") || !strings.Contains(r.stderr, "--yes") {
			t.Errorf("berth %s: exit code %d, %s", strings.Join(words, " "), r.code, r.stderr)
		}
	}
	u.ok(t, "deployment", "get", "load")
	u.ok(t, "deployment", "get", "gone")
}

func TestABulkActionCanBeTried(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "pool", "create", "idle", "--type", "process")
	file := write(t, t.TempDir(), "berth.yaml", "deployments: [{name: load, pool: idle}]\n")
	u.ok(t, "deploy", "-f", file)
	u.ok(t, "deployment", "run", "load")
	r := u.run(t, "run", "cancel", "--deployment", "load", "--dry-run")
	if r.code != 0 {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	demand(t, "the note", r.stderr, "would cancel 1 run")
	demand(t, "the list", r.stdout, "load", "SCHEDULED")
	demand(t, "the run", u.ok(t, "run", "ls"), "SCHEDULED")
	if r := u.run(t, "run", "cancel", "some-run", "--dry-run"); r.code != 2 {
		t.Errorf("of a named run: exit code %d", r.code)
	}
}
