package main

import (
	"strings"
	"testing"
)

// TestJobVariablesThatAreTooLargeAreRefusedWithTheirPlace: at deploy and for a run, with the exit code of a mistake
// in what was given.
func TestJobVariablesThatAreTooLargeAreRefusedWithTheirPlace(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	file := func(name string, kib int) string {
		return write(t, dir, name, "project: etl\npools: [{name: quick, type: process}]\ndeployments:\n- name: large\n"+
			"  pool: quick\n  job_variables:\n    env:\n      LARGE: "+strings.Repeat("x", kib<<10)+"\n")
	}
	refuses := func(r result, place string) {
		t.Helper()
		if r.code != 2 {
			t.Errorf("exit code %d, want 2", r.code)
		}
		for _, want := range []string{place, "at most 262144 are allowed"} {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("the message has no %q: %s", want, r.stderr[:min(len(r.stderr), 1000)])
			}
		}
	}
	refuses(u.run(t, "deploy", "-f", file("too-large.yaml", 300)), "too-large.yaml:6")
	u.ok(t, "deploy", "-f", file("half.yaml", 200))
	refuses(u.run(t, "deployment", "run", "large", "--job-variable", "env.MORE="+strings.Repeat("x", 100<<10)),
		"job_variables")
}

// TestAJobKnowsTheTimeThatItIsFor, by hand as well as by a schedule, in its environment and in the values of its
// deployment.
func TestAJobKnowsTheTimeThatItIsFor(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	const script = `echo "$BERTH_SCHEDULED_TIME $BERTH_SCHEDULED_DATE $BERTH_SCHEDULED_TIMEZONE $DAY $ZONE"`
	u.ok(t, "deploy", "-f", write(t, t.TempDir(), "berth.yaml", `deployments:
- name: day
  pool: local
  job_variables:
    command: [sh, -c, '`+script+`']
    env: {DAY: "{{ ctx.run.date }}", ZONE: "{{ ctx.run.timezone }}"}
`))
	out := u.ok(t, "deployment", "run", "day", "--at", "2026-06-30T22:30:00Z", "--watch")
	demand(t, "output", out, "2026-06-30T22:30:00Z 2026-06-30 UTC 2026-06-30 UTC")
}

// TestValuesOfRunsAreCompleted with the names that the schemas of the deployment declare.
func TestValuesOfRunsAreCompleted(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "deploy", "-f", write(t, t.TempDir(), "berth.yaml", `deployments:
- name: etl
  pool: local
  tags: [nightly]
  parameter_schema: {properties: {mode: {enum: [full, delta]}, day: {type: string}, dry: {type: boolean}}}
`))
	for args, want := range map[string]string{
		"deployment run etl --param ":        "day=\ndry=\nmode=\n:6\n",
		"deployment run etl --param mode=":   "mode=full\nmode=delta\n:6\n",
		"deployment run etl --param dry=":    "dry=true\ndry=false\n:6\n",
		"deployment run etl --job-variable ": "command=\n",
		"run ls --tag ":                      "nightly\n:4\n",
		"run ls --queue ":                    "default\n:4\n",
	} {
		got := u.ok(t, append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if !strings.Contains(got, want) {
			t.Errorf("berth %s[TAB] offers %q, want %q", args, got, want)
		}
	}
}
