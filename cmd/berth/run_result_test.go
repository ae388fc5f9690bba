package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
)

func TestAJobReportsItsResultWithTheCommandLine(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	told := filepath.Join(dir, "told")
	// The job waits for its result to be told: by this test, in its place.
	file := write(
		t,
		dir,
		"berth.yaml",
		"deployments:\n- name: tells\n  pool: local\n  job_variables:\n    command: [sh, -c, 'echo begun; until [ -e "+told+" ]; do sleep 0.05; done']\n",
	)
	u.ok(t, "deploy", "-f", file)
	ran := decode[struct{ ID string }](t, u, "deployment", "run", "tells")
	if r := u.run(t, "run", "result", ran.ID); r.code == 0 {
		t.Error("there is a result before anybody told it")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	runMain(ctx, []string{"run", "watch", ran.ID}, strings.NewReader(""),
		&stopWriter{text: "begun", stop: stop}, &bytes.Buffer{}, u.environ())
	inJob := []string{"BERTH_RUN_ID=" + ran.ID}
	for _, args := range [][]string{
		{"run", "report", "--progress", "40", "-m", "loading"}, {"run", "report", "--result", "plain words"},
		{"run", "report", ran.ID, "--result-file", write(t, dir, "result.yaml", "rows: 7\n")},
	} {
		if r := u.runEnv(t, "", inJob, args...); r.code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, r.code, r.stderr)
		}
	}
	if got := u.ok(t, "run", "result", ran.ID); !strings.Contains(got, `"rows": 7`) {
		t.Errorf("the result is %s", got)
	}
	demand(t, "run get", u.ok(t, "run", "get", ran.ID), "40 %, loading", "rows: 7")
	for _, args := range [][]string{{"run", "report"}, {"run", "report", "--result", "1"}, {"run", "report", "x", "--progress", "1"}} {
		if r := u.run(t, args...); r.code != 2 {
			t.Errorf("%v: exit code %d", args, r.code)
		}
	}
	write(t, dir, "told", "")
	u.ok(t, "run", "watch", ran.ID)
}
