package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asBerth makes the test binary behave as berth: signals and exit codes need a separate process.
const asBerth = "BERTH_TEST_AS_BERTH"

type program struct {
	cmd    *exec.Cmd
	url    string
	exited chan error
	stderr *lockedBuffer
}

func startProgram(t *testing.T, home string, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{cmd: exec.Command(self, args...), exited: make(chan error, 1), stderr: &lockedBuffer{}}
	p.cmd.Env = user{home: home}.environ(asBerth + "=1")
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it may have ended, which is as good
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("not ready: %v\n%s", err, p.stderr)
	}
	p.url = strings.TrimSpace(strings.TrimPrefix(line, "ready "))
	go func() { p.exited <- p.cmd.Wait() }()
	return p
}

// end sends the signal and waits for the exit code.
func (p *program) end(t *testing.T, signal syscall.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		t.Fatalf("still there after the signal\n%s", p.stderr)
		return 0
	}
}

func linesUntil(t *testing.T, s *service, text string) []string {
	t.Helper()
	var seen []string
	for line := range s.lines {
		seen = append(seen, line)
		if strings.Contains(line, text) {
			return seen
		}
	}
	t.Fatalf("%q never came:\n%s\n%s", text, strings.Join(seen, "\n"), s.stderr)
	return nil
}

func TestASignalEndsDevInOrderAndAKillLosesNothing(t *testing.T) {
	t.Parallel()
	data, dir := t.TempDir(), t.TempDir()
	u := user{home: t.TempDir()}
	file := write(
		t,
		dir,
		"berth.yaml",
		"deployments:\n- name: wait\n  pool: local\n  job_variables:\n    command: [sh, -c, 'echo begun; sleep 60']\n",
	)

	dev := startProgram(t, u.home, "dev", "--port", "0", "--data-dir", data)
	u.url = dev.url
	u.ok(t, "deploy", "-f", file)
	id := decode[struct{ ID string }](t, u, "deployment", "run", "wait").ID
	watch := start(t, u.environ(), "run", "watch", id)
	seen := linesUntil(t, watch, "begun")
	if code := dev.end(t, syscall.SIGKILL); code == 0 {
		t.Error("a killed process ended well")
	}

	dev = startProgram(t, u.home, "dev", "--port", u.url[strings.LastIndex(u.url, ":")+1:], "--data-dir",
		data)
	code := watch.wait(t)
	for line := range watch.lines {
		seen = append(seen, line)
	}
	text := strings.Join(seen, "\n")
	detail := decode[runDetail](t, u, "run", "get", id)
	// A process cannot outlive its worker, so the run has crashed and reports it: it is not lost.
	if code != 1 || detail.Run.State.Type != "CRASHED" || len(detail.Attempts) != 1 {
		t.Errorf("exit code %d, got %+v\n%s\n%s", code, detail, text, watch.stderr)
	}
	demand(t, "the watch", text, "begun", "CRASHED")
	if strings.Count(text, "begun") != 1 || strings.Count(text, "SCHEDULED") != 1 {
		t.Errorf("the watch told things twice:\n%s", text)
	}
	demand(t, "standard error", watch.stderr.String(), "connection lost", "error: run ")

	if code := dev.end(t, syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM: exit code %d\n%s", code, dev.stderr)
	}
}
