package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestNeitherLogsNorCommandsTellWhatARunWasGivenInSecret(t *testing.T) {
	t.Parallel()
	admin, key := newKey(t), newKey(t)
	u := user{home: t.TempDir()}
	server := start(
		t,
		u.environ("BERTH_BOOTSTRAP_ADMIN_KEY="+admin, "BERTH_BOOTSTRAP_WORKER_KEY="+key,
			"BERTH_ENSURE_POOL=default=process"),
		"server",
		"--listen",
		"127.0.0.1:0",
		"--data-dir",
		t.TempDir(),
		"--log-level",
		"debug",
	)
	u.url = server.ready(t)
	worker := start(t, u.environ("BERTH_API_KEY="+key), "worker", "start", "--pool", "default", "--type",
		"process", "--name", "w", "--metrics-listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--log-level",
		"debug")
	worker.ready(t)
	boss := []string{"BERTH_API_KEY=" + admin}
	var told strings.Builder
	as := func(args ...string) result {
		t.Helper()
		r := u.runEnv(t, "", boss, args...)
		told.WriteString(r.stdout + r.stderr)
		return r
	}
	const token = "hunter2-of-the-test"
	if r := as("variable", "set", "token", token); r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	file := write(t, t.TempDir(), "berth.yaml", `deployments:
- name: uses
  pool: default
  retries: {max: 1}
  job_variables:
    command: [sh, -c, 'test "$TOKEN" = `+token[:7]+`"-of-the-test" && echo it is right; exit $(cat code 2>/dev/null || echo 3)']
    env: {TOKEN: "{{ berth.variables.token }}"}
- name: broken
  pool: default
  job_variables:
    command: ["true"]
    env: {TOKEN: "{{ berth.variables.token }}", OTHER: "{{ berth.variables.nobody_has_set_it }}"}
`)
	if r := as("deploy", "-f", file, "--yes"); r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	if r := as("deployment", "run", "uses", "--watch"); r.code != 1 ||
		!strings.Contains(r.stdout, "it is right") {
		t.Fatalf("the run does not have the variable: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	as("deployment", "run", "broken", "--watch")
	runs := decodeAs[struct{ Items []struct{ ID string } }](t, u, boss, "run", "ls")
	for _, run := range runs.Items {
		for _, show := range []string{"get", "events", "explain", "logs"} {
			as("run", show, run.ID)
		}
	}
	for _, list := range [][]string{{"run", "ls"}, {"audit", "ls", "-o", "json"}, {"deployment", "get", "uses"}, {"worker", "ls"}, {"api-key", "ls"}, {"pool", "ls"}} {
		as(list...)
	}
	if len(runs.Items) != 1 {
		t.Errorf("there are %d runs", len(runs.Items))
	}
	for name, s := range map[string]*service{"the worker": worker, "the server": server} {
		if code := s.stop(t); code != 0 {
			t.Errorf("%s ended with %d", name, code)
		}
	}
	for place, text := range map[string]string{"the worker's log": worker.stderr.String(), "the server's log": server.stderr.String(), "a command": told.String()} {
		for what, secret := range map[string]string{"the admin's key": admin[16:], "the worker's key": key[16:], "the variable": token} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s tells %s: …%s", place, what, text[max(0, i-300):i])
			}
		}
	}
	if !strings.Contains(worker.stderr.String(), "level=DEBUG") &&
		!strings.Contains(worker.stderr.String(), "launched attempt") {
		t.Error("the worker's log says nothing")
	}
}

// decodeAs runs one command with -o json in an environment.
func decodeAs[T any](t *testing.T, u user, environ []string, args ...string) T {
	t.Helper()
	var value T
	r := u.runEnv(t, "", environ, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(r.stdout), &value); err != nil {
		t.Fatalf("berth %s: %v\n%s%s", strings.Join(args, " "), err, r.stdout, r.stderr)
	}
	return value
}
