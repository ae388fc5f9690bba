package main

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/apikey"
)

func newKey(t *testing.T) string {
	t.Helper()
	key, err := apikey.New()
	if err != nil {
		t.Fatal(err)
	}
	return key.Text
}

func TestAServerWithKeysLetsInWhoHasOne(t *testing.T) {
	t.Parallel()
	data, home := t.TempDir(), t.TempDir()
	admin, worker := newKey(t), newKey(t)
	nobody := user{home: home}
	if r := nobody.run(t, "migrate", "status", "--data-dir", data); r.code != 1 {
		t.Errorf("an empty database: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	demand(t, "migrate up", nobody.ok(t, "migrate", "up", "--data-dir", data),
		"migrated the schema from version 0 to ")
	demand(t, "migrate up again", nobody.ok(t, "migrate", "up", "--data-dir", data), "is up to date")
	demand(t, "migrate status", nobody.ok(t, "migrate", "status", "--data-dir", data, "-o", "json"),
		`"ready": true`)

	server := start(
		t,
		nobody.environ("BERTH_BOOTSTRAP_ADMIN_KEY="+admin,
			"BERTH_ENSURE_POOL=default=process,other=kubernetes"),
		"server",
		"--listen",
		"127.0.0.1:0",
		"--data-dir",
		data,
		"--migrate",
		"check",
		"--bootstrap-worker-key-file",
		write(t, t.TempDir(), "key", worker+"\n"),
	)
	nobody.url = server.ready(t)

	r := nobody.run(t, "pool", "ls")
	if r.code != 1 {
		t.Errorf("without a key: exit code %d\n%s", r.code, r.stdout)
	}
	demand(t, "without a key", r.stderr, "BERTH_API_KEY")
	if r := nobody.runEnv(t, "", []string{"BERTH_API_KEY=" + newKey(t)}, "pool", "ls"); r.code != 1 ||
		strings.Contains(r.stderr, "berth_") {
		t.Errorf("with a key of somebody else: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := nobody.runEnv(t, "", []string{"BERTH_API_KEY=" + worker}, "pool", "delete", "other", "--yes"); r.code != 1 {
		t.Errorf("a worker deleted a pool: exit code %d\n%s", r.code, r.stdout)
	}

	boss := []string{"BERTH_API_KEY=" + admin}
	demand(t, "pool ls", nobody.runEnv(t, "", boss, "pool", "ls").stdout, "default", "other")
	created := nobody.runEnv(t, "", boss, "api-key", "create", "ci", "--role", "operator", "--expires-in",
		"1h")
	operator := strings.TrimSpace(created.stdout)
	if created.code != 0 || !strings.HasPrefix(operator, "berth_") ||
		strings.Contains(created.stderr, operator) {
		t.Fatalf("exit code %d\n%s%s", created.code, created.stdout, created.stderr)
	}
	keys := nobody.runEnv(t, "", boss, "api-key", "ls").stdout
	demand(t, "api-key ls", keys, "ci", "operator", "expires in ")

	file := write(t, t.TempDir(), "berth.yaml",
		"deployments:\n- name: say\n  pool: default\n  job_variables: {command: [echo, said]}\n")
	if r := nobody.runEnv(t, "", boss, "deploy", "-f", file); r.code != 0 {
		t.Fatalf("deploy: exit code %d\n%s", r.code, r.stderr)
	}
	serving := start(t, nobody.environ("BERTH_API_KEY="+worker), "worker", "start", "--pool", "default",
		"--type", "process", "--name", "w", "--metrics-listen", "127.0.0.1:0", "--data-dir", t.TempDir())
	serving.ready(t)
	r = nobody.runEnv(t, "", []string{"BERTH_API_KEY=" + operator}, "deployment", "run", "say", "--watch")
	if r.code != 0 || !strings.Contains(r.stdout, "said") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := nobody.runEnv(t, "", boss, "api-key", "revoke", "ci", "--yes"); r.code != 0 {
		t.Errorf("revoke: exit code %d\n%s", r.code, r.stderr)
	}
	if r := nobody.runEnv(t, "", []string{"BERTH_API_KEY=" + operator}, "run", "ls"); r.code != 1 {
		t.Errorf("with a revoked key: exit code %d\n%s", r.code, r.stdout)
	}
	for name, s := range map[string]*service{"the worker": serving, "the server": server} {
		if code := s.stop(t); code != 0 {
			t.Errorf("%s ended with %d", name, code)
		}
		for _, key := range []string{admin, worker, operator} {
			if strings.Contains(s.stderr.String(), key) {
				t.Errorf("%s logged a key", name)
			}
		}
	}
}

func TestAServerWithoutKeysStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	r := user{
		home: t.TempDir(),
	}.run(t, "server", "--auth", "none", "--listen", "0.0.0.0:0", "--data-dir", t.TempDir(), "--log-level",
		"error")
	if r.code != 1 || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	demand(t, "standard error", r.stderr, "--allow-unauthenticated-network")
}
