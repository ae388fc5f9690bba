package main

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/cmd/berth/internal/command/run"
)

type runDetail struct {
	Run struct {
		ID, Name string
		Attempt  int
		ExitCode *int `json:"exit_code"`
		Category string
		State    struct{ Type, Name, Message string }
	}
	Attempts []struct{ Number int }
}

func TestDevRunsHelloAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	dev, u := startDev(t, data)
	r := u.run(t, "deployment", "run", "hello", "--param", "name=world", "--watch")
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	demand(t, "--watch", r.stdout, "Hello, world!", "RUNNING", "COMPLETED")

	list := decode[struct{ Items []struct{ ID string } }](t, u, "run", "ls")
	if len(list.Items) != 1 {
		t.Fatalf("run ls shows %d runs", len(list.Items))
	}
	id := list.Items[0].ID
	if got := u.ok(t, "run", "logs", id); got != "Hello, world!\n" {
		t.Errorf("run logs printed %q", got)
	}
	if got := u.ok(t, "run", "logs", "--follow", id); got != "Hello, world!\n" {
		t.Errorf("run logs --follow printed %q", got)
	}
	if got := decode[run.Output](t, u, "run", "logs", id); got != (run.Output{Run: uuid.MustParse(id), Attempt: 1, Text: "Hello, world!\n"}) {
		t.Errorf("run logs -o json printed %+v", got)
	}
	for _, c := range []struct{ flag, want string }{
		{"--lines=1", "Hello, world!\n"}, {"--lines=-1", "Hello, world!\n"}, {"--lines=1-5", "Hello, world!\n"}, {"--lines=2-", ""},
		{"--grep=WORLD", "1:Hello, world!\n"}, {"--grep=moon", ""},
	} {
		if got := u.ok(t, "run", "logs", id, c.flag); got != c.want {
			t.Errorf("run logs %s printed %q", c.flag, got)
		}
	}
	if got := decode[run.Matches](t, u, "run", "logs", id, "--grep", "hello"); len(got.Lines) != 1 || got.Attempt != 1 {
		t.Errorf("run logs --grep -o json printed %+v", got)
	}
	demand(t, "run logs --follow -o json", u.ok(t, "run", "logs", "--follow", id, "-o", "json"),
		`{"log":{"attempt":1,`, `"text":"Hello, world!\n"`)
	demand(t, "run manifest", u.ok(t, "run", "manifest", id), "kind: Job", "berth.dev/run-id: "+id)
	demand(t, "run get", u.ok(t, "run", "get", id), "COMPLETED", "Parameters:  name: world")
	demand(t, "run explain", u.ok(t, "run", "explain", id), "it completed")
	demand(t, "run events", u.ok(t, "run", "events", id), "SCHEDULED", "PENDING", "COMPLETED")
	demand(t, "worker ls", u.ok(t, "worker", "ls"), "local", "alive")

	if code := dev.stop(t); code != 0 {
		t.Errorf("dev ended with %d\n%s", code, dev.stderr)
	}
	if got, want := dev.stderr.String(), "open "+u.url+" in a browser, or run in another terminal: berth deployment run hello "+
		"--param name=world --watch --api-url "+u.url+"; Ctrl-C stops it\n"; got != want {
		t.Errorf("dev says\n%swant\n%s", got, want)
	}
	if line, more := <-dev.lines; more {
		t.Errorf("a second line on standard output: %q", line)
	}

	_, again := startDev(t, data)
	if got := again.ok(t, "run", "logs", id); got != "Hello, world!\n" {
		t.Errorf("after a restart run logs printed %q", got)
	}
	if r := again.run(t, "deployment", "run", "hello", "--param", "name=again", "--watch"); r.code != 0 ||
		!strings.Contains(r.stdout, "Hello, again!") {
		t.Errorf("after a restart: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestWhatKeepsDevFromStartingIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() })
	port := strconv.Itoa(busy.Addr().(*net.TCPAddr).Port)
	used := t.TempDir()
	startDev(t, used)
	file := write(t, t.TempDir(), "file", "")
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"a busy port", []string{"--port", port, "--data-dir", t.TempDir()}, "127.0.0.1:" + port + " is in use"},
		{"a directory that can not be", []string{"--port", "0", "--data-dir", filepath.Join(file, "data")}, "data directory"},
		{"a second instance on the same data", []string{"--port", "0", "--data-dir", used}, "in use by another berth"},
		{"a cluster that is not there", []string{"--port", "0", "--data-dir", t.TempDir(), "--kubeconfig", file, "--kube-context", "nowhere"}, "nowhere"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := user{home: t.TempDir()}.run(t, append([]string{"dev"}, test.args...)...)
			if r.code != 1 || r.stdout != "" {
				t.Errorf("exit code %d, stdout %q", r.code, r.stdout)
			}
			if strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, test.want) {
				t.Errorf("got %q, want one line with %q", r.stderr, test.want)
			}
		})
	}
}
