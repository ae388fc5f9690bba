package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestOnATerminalTheLastLineSaysHowLongTheRunIsInItsState(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	u.ok(
		t,
		"deploy",
		"-f",
		write(
			t,
			dir,
			"berth.yaml",
			"deployments:\n- name: gated\n  pool: local\n  job_variables:\n    command: [sh, -c, 'echo begun; while [ ! -e "+
				gate+" ]; do sleep 0.1; done; echo done']\n",
		),
	)
	term := newTerminal(t, 100)
	wait := u.in(term, t.Context(), "deployment", "run", "gated", "--watch")
	term.await("│ begun")
	term.await("RUNNING for ")
	id := decode[struct{ Items []struct{ ID string } }](t, u, "run", "ls").Items[0].ID
	u.ok(t, "run", "report", id, "--progress", "40", "--message", "half way")
	term.await(", 40 %, half way")
	term.await("\r\x1b[K") // taken away before it is drawn again
	write(t, dir, "gate", "")
	if code := wait(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, term.text())
	}
	term.await("COMPLETED")
	lines := strings.Split(strings.TrimRight(term.text(), "\n"), "\n")
	last := lines[len(lines)-1]
	last = last[strings.LastIndex(last, "\x1b[K")+1:] // what was taken away is not seen any more
	if !strings.Contains(last, "COMPLETED") || strings.Contains(last, " for ") {
		t.Errorf("the last line is %q", last)
	}
	if r := u.run(t, "deployment", "run", "gated", "--watch"); strings.Contains(r.stdout+r.stderr, " for ") ||
		strings.Contains(r.stderr, "\x1b") {
		t.Errorf("in a pipe it says\n%s%s", r.stdout, r.stderr)
	}
}
