package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What can be told before a cluster is asked is wrong use, exit code 2. The kubeconfig leads nowhere on
// purpose.
func TestInstallationCommandsSayWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	err := os.WriteFile(
		kubeconfig,
		[]byte(
			`{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}],
clusters: [{name: x, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: x}]}`,
		),
		0o600,
	)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		code int
		says string
	}{
		"a value of the wrong kind": {
			[]string{"install", "--set", "server.replicas=many"}, 2, "/server/replicas",
		},
		"a value that is not there": {[]string{"install", "--set", "server.replica=2"}, 2, "replica"},
		"two servers without PostgreSQL": {
			[]string{"install", "--set", "server.replicas=2"}, 2, "exactly one server",
		},
		"a values file that is not there": {
			[]string{"upgrade", "-f", filepath.Join(dir, "none.yaml")}, 2, "none.yaml",
		},
		"a name that can not be":           {[]string{"status", "--name", "A_B"}, 2, "A_B"},
		"an argument too many":             {[]string{"uninstall", "berth"}, 2, "berth"},
		"a cluster that is not there":      {[]string{"status"}, 1, "cluster"},
		"no cluster to install into":       {[]string{"install"}, 1, "127.0.0.1:1"},
		"keys without a Secret's name":     {[]string{"keys", "ensure"}, 2, "--secret"},
		"a hook without what it is to end": {[]string{"hook", "drain"}, 2, "--deployment"},
		"keys in a cluster that is away":   {[]string{"keys", "ensure", "--secret", "x"}, 1, "127.0.0.1:1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := runMain(t.Context(), test.args, strings.NewReader(""), &out, &errs,
				[]string{"BERTH_KUBECONFIG=" + kubeconfig})
			if code != test.code || !strings.Contains(errs.String(), test.says) {
				t.Errorf("exit code %d, want %d, and %q in:\n%s%s", code, test.code, test.says, out.String(),
					errs.String())
			}
		})
	}
}

// TestADryRunOfAnInstallPrintsIt without a cluster: its address leads nowhere. Two of them print the same.
func TestADryRunOfAnInstallPrintsIt(t *testing.T) {
	kubeconfig := write(t, t.TempDir(), "kubeconfig",
		`{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}],
clusters: [{name: x, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: x}]}`)
	var printed [2]bytes.Buffer
	for i := range printed {
		var errs bytes.Buffer
		code := runMain(t.Context(), []string{"install", "--dry-run", "-n", "ns", "--set", "workers.etl.replicas=2"}, strings.NewReader(""),
			&printed[i], &errs, []string{"BERTH_KUBECONFIG=" + kubeconfig})
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, errs.String())
		}
	}
	text := printed[0].String()
	if text != printed[1].String() {
		t.Error("two dry runs differ")
	}
	demand(t, "the manifest", text, "kind: StatefulSet", "name: \"berth-worker-etl\"", "helm.sh/hook: pre-delete", "helm.sh/hook: test")
	if strings.Contains(text, "kind: Secret\n") {
		t.Error("it has a Secret")
	}
}

// TestStatusOnALaptopShowsTheServer, and fails where runs wait for a pool that no worker serves.
func TestStatusOnALaptopShowsTheServer(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	demand(t, "status", u.ok(t, "status"), u.url, "local: 1 live worker, 0 due runs")
	u.ok(t, "deploy", "-f", write(t, t.TempDir(), "berth.yaml",
		"pools: [{name: empty, type: process}]\ndeployments: [{name: waits, pool: empty}]\n"))
	u.ok(t, "deployment", "run", "waits")
	r := u.run(t, "status")
	if r.code != 1 {
		t.Errorf("exit code %d", r.code)
	}
	demand(t, "status", r.stdout, "empty: 0 live workers, 1 due run")
	demand(t, "reason", r.stderr, "runs wait in pools without a live worker: empty")
	if r := u.run(t, "status", "--namespace", "berth"); r.code != 2 || strings.Contains(r.stderr, "live worker") {
		t.Errorf("asked for a namespace: exit code %d, %s", r.code, r.stderr)
	}
}

// TestStatusRunsAJobAndNamesTheBrokenLink: each link has its line, and what the test made is gone.
func TestStatusRunsAJobAndNamesTheBrokenLink(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	links := u.ok(t, "status", "--test")
	rest := links
	for _, link := range []string{"server answers", "worker pool local has 1 live worker", "run created in pool local",
		"claim claimed by worker dev", "job runs", "end the job has ended with success", "log has 20 bytes of the job", "passed in "} {
		_, after, found := strings.Cut(spaces.ReplaceAllString(rest, " "), link)
		if !found {
			t.Fatalf("no %q, or not in this order:\n%s", link, links)
		}
		rest = after
	}
	if list := u.ok(t, "deployment", "ls") + u.ok(t, "deleted", "ls"); strings.Contains(list, "berth-status-test") {
		t.Errorf("the test leaves something behind:\n%s", list)
	}

	u.ok(t, "pool", "create", "lonely", "--type", "process")
	for pool, want := range map[string]string{
		"nowhere": `broken: worker: pool "nowhere" has no live worker`,
		"lonely":  `broken: worker: pool "lonely" has no live worker; start one: berth worker start --pool lonely`,
	} {
		r := u.run(t, "status", "--test", "--pool", pool)
		if r.code != 1 {
			t.Errorf("%s: exit code %d", pool, r.code)
		}
		demand(t, pool, r.stderr, want)
	}
	u.ok(t, "pool", "pause", "local")
	r := u.run(t, "status", "--test", "--timeout", "2s")
	if r.code != 1 || strings.Contains(r.stdout, "passed") {
		t.Errorf("paused: exit code %d\n%s", r.code, r.stdout)
	}
	demand(t, "a pool that is paused", r.stderr, "broken: claim: nothing for ", `work pool "local" was paused`, "next: berth run explain ")
	u.ok(t, "pool", "resume", "local")
	u.ok(t, "status", "--test") // what is left of the last test is replaced
}
