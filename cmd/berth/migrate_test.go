package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// onTerminal runs a command whose output goes to a terminal, and returns what is shown there.
func (u user) onTerminal(t *testing.T, args ...string) string {
	t.Helper()
	terminal, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	shown := make(chan []byte, 1)
	go func() {
		var b bytes.Buffer
		_, _ = io.Copy(&b, terminal) // ends with an error once the other side is closed
		shown <- b.Bytes()
	}()
	code := runMain(t.Context(), args, strings.NewReader(""), tty, tty, u.environ())
	if err := tty.Close(); err != nil {
		t.Fatal(err)
	}
	text := string(<-shown)
	if code != 0 {
		t.Fatalf("berth %s: exit code %d\n%s", strings.Join(args, " "), code, text)
	}
	return text
}

func TestTheFirstAdminKeyIsShownOnceAndOnATerminalOnly(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	u := user{home: t.TempDir()}
	r := u.run(t, "migrate", "up", "--data-dir", data)
	if r.code != 0 || strings.Contains(r.stdout+r.stderr, "berth_") {
		t.Fatalf("to a pipe: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	demand(t, "what is left to do", r.stderr, "no API key exists", "BERTH_BOOTSTRAP_ADMIN_KEY")
	shown := u.onTerminal(t, "migrate", "up", "--data-dir", data)
	key := regexp.MustCompile(`berth_[0-9a-f]{8}_[A-Za-z0-9_-]{43}`).FindString(shown)
	if key == "" {
		t.Fatalf("no key is shown:\n%s", shown)
	}
	if again := u.onTerminal(t, "migrate", "up", "--data-dir", data); strings.Contains(again, "berth_") {
		t.Errorf("a key is shown again:\n%s", again)
	}
	s := start(t, u.environ(), "server", "--listen", "127.0.0.1:0", "--data-dir", data)
	u.url = s.ready(t)
	keys := u.runEnv(t, "", []string{"BERTH_API_KEY=" + key}, "api-key", "ls")
	demand(t, "the keys, with that key", keys.stdout, "first-admin", "admin")
	s.stop(t)
}
