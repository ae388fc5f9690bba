package main

import (
	"strings"
	"testing"
)

func TestWhatTheServerFindsInAFileIsShownAtItsPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, u := startDev(t, dir)
	file := write(t, dir, "template.yaml", `variables:
  properties:
    image: {type: string, default: process:local}
    memory: {type: integer, default: 1, minimum: 16}
job_configuration:
  namspace: jobs
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: job
            image: "{{ imgae }}"
            args: ["{{ image }}", "{{ memory }}Mi"]
            command: [sh]
`)
	const undeclared = file16 + `error: "imgae" is not declared in variables
   |
16 |             image: "{{ imgae }}"
   |                     ^^^^^^^^^^^
   = help: did you mean "image"?`
	const tooSmall = `template.yaml:4:38: error: variable "memory" must be at least 16, not 1`
	for _, args := range [][]string{
		{"set", "local", "-f", file}, {"diff", "local", "-f", file}, {"preview", "local", "-f", file}, {"preview", "local", "-f", file, "--deployment", "hello"},
	} {
		what := strings.Join(args, " ")
		r := u.run(t, append([]string{"pool", "template"}, args...)...)
		if r.code == 0 || r.stdout != "" {
			t.Errorf("%s: exit code %d\n%s", what, r.code, r.stdout)
		}
		demand(t, what, r.stderr, undeclared, tooSmall)
	}
	if r := u.run(t, "pool", "template", "set", "local", "-f", file); r.code != 2 ||
		!strings.HasSuffix(r.stderr, "\n2 errors, 0 warnings\n") {
		t.Errorf("set: exit code %d\n%s", r.code, r.stderr)
	}
	lint := u.run(t, "pool", "template", "lint", "local", "-f", file)
	demand(t, "lint", lint.stdout, undeclared, tooSmall, "2 errors")
	if r := u.runInput(t, "a: [", "pool", "template", "set", "local", "-f", "-"); r.code != 2 {
		t.Errorf("what is no YAML: exit code %d\n%s", r.code, r.stderr)
	}
}

const file16 = "template.yaml:16:21: "

func TestAScheduleNeedsNoNameWhereItIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, u := startDev(t, dir)
	const one = `deployments: [{name: a, pool: local, schedules: [{name: nightly, cron: "0 2 * * *"}]},
  {name: b, pool: local, schedules: [{name: nightly, cron: "0 2 * * *"}, {name: weekly, cron: "@weekly"}]}]`
	u.ok(t, "deploy", "-f", write(t, dir, "berth.yaml", one))
	demand(t, "the only one", u.ok(t, "schedule", "pause", "a"),
		`schedule "nightly" of deployment "a" paused`)
	if r := u.run(t, "schedule", "pause", "b"); r.code != 2 ||
		!strings.Contains(r.stderr, "several schedules; specify one of them: nightly, weekly") {
		t.Errorf("one of two: exit code %d\n%s", r.code, r.stderr)
	}
	demand(t, "completion", u.ok(t, "__complete", "schedule", "resume", "b", ""), "nightly\n", "weekly\n")
	demand(t, "completion of the deployment", u.ok(t, "__complete", "schedule", "resume", ""), "a\n", "b\n")
}
