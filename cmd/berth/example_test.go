package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating/manifest"
)

func example(t *testing.T, parts ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"..", "..", "examples"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheExamplesRunAsTheirReadmesSay(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())

	u.ok(t, "deploy", "-f", example(t, "etl", "local.yaml"))
	r := u.run(t, "deployment", "run", "etl", "--param", "date=2026-01-01", "--param", "rows=10", "--watch")
	if r.code != 0 {
		t.Fatalf("etl: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	demand(t, "etl", r.stdout, "extract: 10 rows of 2026-01-01 from https://example.com/sales",
		"the sum is 55", "load: 10 rows")
	for _, param := range []string{"date=tomorrow", "rows=none", "rows=0"} {
		args := []string{"deployment", "run", "etl", "--param", param}
		if !strings.HasPrefix(param, "date") {
			args = append(args, "--param", "date=2026-01-01")
		}
		if r := u.run(t, args...); r.code != 2 {
			t.Errorf("--param %s: exit code %d\n%s", param, r.code, r.stderr)
		}
	}

	u.ok(t, "deploy", "-f", example(t, "hello", "local.yaml"))
	worker := start(t, u.environ(), "worker", "start", "--pool", "greetings", "--metrics-listen",
		"127.0.0.1:0", "--data-dir", t.TempDir())
	worker.ready(t)
	r = u.run(t, "deployment", "run", "greet", "--param", "name=harbour", "--watch")
	if r.code != 0 {
		t.Fatalf("hello: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	demand(t, "hello", r.stdout, "Moin, harbour!")
	if code := worker.stop(t); code != 0 {
		t.Errorf("the worker ended with %d\n%s", code, worker.stderr)
	}
}

func TestTheExamplesForAClusterAreAccepted(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "pool", "create", "default", "--type", "kubernetes")
	for _, name := range []string{"hello", "etl"} {
		if name == "hello" {
			u.ok(t, "deployment", "delete", "hello", "--yes")
		}
		out := u.ok(t, "deploy", "-f", example(t, name, "berth.yaml"))
		demand(t, name, out, "+ create deployment "+name)
	}
	r := u.run(t, "deployment", "run", "etl", "--param", "date=2026-01-01", "--job-variable",
		"memory_limit=8Gi")
	if r.code == 0 {
		t.Errorf("a frozen value was overridden\n%s", r.stdout)
	}
}

func TestTheExampleTemplatesLintAndRender(t *testing.T) {
	u := user{home: t.TempDir()}
	template := example(t, "hello", "template.yaml")
	demand(t, "lint", u.ok(t, "template", "lint", "-f", template), "0 errors, 0 warnings")
	job := u.ok(t, "template", "render", "-f", template, "--set", "greeting=Servus", "--job")
	demand(t, "render", job, "kind: Job", "- Servus", "memory: 32Mi", manifest.Finalizer)
}

func TestTheExampleFromPrefectIsDeployedAsItIs(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "pool", "create", "default", "--type", "kubernetes")
	u.ok(t, "variable", "set", "region", "eu")
	r := u.run(t, "deploy", "-f", example(t, "prefect", "prefect.yaml"))
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	demand(t, "the plan", r.stdout, "+ create deployment load-sales\n", "+ create deployment report-sales\n")
	demand(t, "what is not taken over", r.stderr, "prefect.yaml:8:1: pull is not taken over: ",
		".entrypoint is not taken over: ")
	demand(t, "again", u.ok(t, "deploy", "-f", example(t, "prefect", "prefect.yaml")), "nothing to change\n")
	job := u.ok(t, "pool", "template", "preview", "default", "--deployment", "load-sales", "--param",
		"day=2026-02-03")
	demand(t, "the Job", job, "busybox:1.36", "2026-02-03", "value: eu")
	demand(t, "the schedules", u.ok(t, "schedule", "ls"), "load-sales", "nightly", "hourly", "report-sales")
}
