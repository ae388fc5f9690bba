package local

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

func TestInitIsRecognisedByTheFileItRuns(t *testing.T) {
	dir := state.Dir("/cache/berth/cluster")
	for name, test := range map[string]struct {
		id   identity
		want bool
	}{
		"the program in the directory, as init":       {identity{"/cache/berth/cluster/bin/cluster", []string{"x", "init", "--dir", "y"}}, true},
		"the same after the directory was removed":    {identity{"/cache/berth/cluster/bin/cluster (deleted)", []string{"x", "init"}}, true},
		"the same program as its own child":           {identity{"/cache/berth/cluster/bin/cluster", []string{"x", "supervise"}}, false},
		"the program of another directory":            {identity{"/cache/berth/cluster2/bin/cluster", []string{"x", "init"}}, false},
		"a process that only calls itself the same":   {identity{"/usr/bin/sleep", []string{"/cache/berth/cluster/bin/cluster", "init"}}, false},
		"a process that is gone":                      {identity{}, false},
		"the program without arguments":               {identity{"/cache/berth/cluster/bin/cluster", []string{"x"}}, false},
		"a program whose name begins like this one's": {identity{"/cache/berth/cluster/bin/cluster-old", []string{"x", "init"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := isInit(dir, test.id); got != test.want {
				t.Errorf("isInit = %v, want %v", got, test.want)
			}
		})
	}
}

func TestOnlyTheProcessOfTheDirectoryIsKilled(t *testing.T) {
	ours, other := state.Dir(t.TempDir()), state.Dir(t.TempDir())
	victim, bystander := startAsInit(t, ours), startAsInit(t, other)
	found, err := findInit(ours)
	if err != nil || found == nil {
		t.Fatalf("findInit = %v, %v", found, err)
	}
	defer found.Close()
	if found.pid != victim.Process.Pid {
		t.Fatalf("found process %d, want %d", found.pid, victim.Process.Pid)
	}
	if err := found.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := victim.Wait(); err == nil {
		t.Error("the process ended by itself, it was not killed")
	}
	if left, err := findInit(ours); left != nil || err != nil {
		t.Errorf("findInit = %v, %v after the kill", left, err)
	}
	still, err := findInit(other)
	if err != nil || still == nil || still.pid != bystander.Process.Pid {
		t.Fatalf("the other directory's process was not left alone: %v, %v", still, err)
	}
	still.Close()
}

// startAsInit runs a copy of cat, which waits for input that never comes, where a cluster's program would be.
func startAsInit(t *testing.T, dir state.Dir) *exec.Cmd {
	t.Helper()
	data, err := os.ReadFile("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(dir.Program()), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir.Program(), data, 0o755); err != nil {
		t.Fatal(err)
	}
	input, keepOpen, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(dir.Program())
	command.Args = []string{"cat", "init", "/dev/stdin"} // an empty file called init, then what never comes
	command.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(command.Dir, "init"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	command.Stdin = input
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		input.Close()
		keepOpen.Close()
	})
	return command
}

func TestInnermostProcessNumberIsTheLast(t *testing.T) {
	for status, want := range map[string]int{
		"Name:\tx\nNSpid:\t22714\t1\nThreads:\t1\n": 1,
		"NSpid:\t77\n": 77,
		"Name:\tx\n":   0,
		"NSpid:\n":     0,
	} {
		if got := innermostPID(status); got != want {
			t.Errorf("innermostPID(%q) = %d, want %d", status, got, want)
		}
	}
}
