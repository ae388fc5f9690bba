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
