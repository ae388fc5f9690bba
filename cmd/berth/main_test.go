package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(asBerth) != "" {
		main()
	}
	// client-go keeps its connections to a cluster open for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("golang.org/x/net/http2.(*ClientConn).readLoop"))
}

// user runs commands as one user of one server.
type user struct {
	url, home string
}

// result of one command.
type result struct {
	code           int
	stdout, stderr string
}

func (u user) environ(extra ...string) []string {
	return append([]string{"HOME=" + u.home, "PATH=" + os.Getenv("PATH"), "BERTH_API_URL=" + u.url}, extra...)
}

// run runs one command to its end.
func (u user) run(t *testing.T, args ...string) result {
	t.Helper()
	return u.runInput(t, "", args...)
}

func (u user) runInput(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	return u.runEnv(t, stdin, nil, args...)
}

func (u user) runEnv(t *testing.T, stdin string, extra []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code := runMain(ctx, args, strings.NewReader(stdin), &stdout, &stderr, u.environ(extra...))
	if ctx.Err() != nil {
		t.Fatalf("berth %s did not end\n%s\n%s", strings.Join(args, " "), &stdout, &stderr)
	}
	return result{code, stdout.String(), stderr.String()}
}

// ok runs one command, demands that it is done, and returns its output.
func (u user) ok(t *testing.T, args ...string) string {
	t.Helper()
	r := u.run(t, args...)
	if r.code != 0 {
		t.Fatalf("berth %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// decode runs one command with -o json.
func decode[T any](t *testing.T, u user, args ...string) T {
	t.Helper()
	var value T
	text := u.ok(t, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("berth %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return value
}

// lockedBuffer is read while a command still writes it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// service is a command that runs until it is stopped.
type service struct {
	cancel context.CancelFunc
	done   chan int
	stderr *lockedBuffer
	lines  chan string
	ended  sync.Once
	code   int
}

// start starts a command that serves. It is stopped with the test at the latest.
func start(t *testing.T, environ []string, args ...string) *service {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &service{
		cancel: cancel, done: make(chan int, 1), stderr: &lockedBuffer{}, lines: make(chan string, 100),
	}
	reader, writer := io.Pipe()
	go func() {
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			s.lines <- scanner.Text()
		}
		close(s.lines)
	}()
	go func() {
		code := runMain(ctx, args, strings.NewReader(""), writer, s.stderr, environ)
		_ = writer.Close() // a pipe's writer closes without an error
		s.done <- code
	}()
	t.Cleanup(func() {
		s.stop(t)
		if t.Failed() {
			t.Logf("berth %s:\n%s", strings.Join(args, " "), s.stderr)
		}
	})
	return s
}

// stop does what a first Ctrl-C does, and returns the exit code.
func (s *service) stop(t *testing.T) int {
	t.Helper()
	s.cancel()
	return s.wait(t)
}

func (s *service) wait(t *testing.T) int {
	t.Helper()
	s.ended.Do(func() {
		select {
		case s.code = <-s.done:
		case <-time.After(time.Minute):
			t.Fatalf("the command did not end\n%s", s.stderr)
		}
	})
	return s.code
}

// ready waits for the line that says where it serves.
func (s *service) ready(t *testing.T) string {
	t.Helper()
	select {
	case line := <-s.lines:
		url, ok := strings.CutPrefix(line, "ready ")
		if !ok {
			t.Fatalf("the first line is %q\n%s", line, s.stderr)
		}
		return url
	case <-time.After(time.Minute):
		t.Fatalf("not ready\n%s", s.stderr)
		return ""
	}
}

// startDev starts `berth dev` on a free port.
func startDev(t *testing.T, dataDir string, more ...string) (*service, user) {
	t.Helper()
	home := t.TempDir()
	args := append([]string{"dev", "--port", "0", "--data-dir", dataDir}, more...)
	dev := start(t, user{home: home}.environ(), args...)
	return dev, user{url: dev.ready(t), home: home}
}

// write makes a file and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// demand fails for each text that is not in got.
func demand(t *testing.T, what, got string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(got, text) {
			t.Errorf("%s does not have %q:\n%s", what, text, got)
		}
	}
}

var (
	anyID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyTime = regexp.MustCompile(`\b(in )?\d+([dhm]\d+[hms]|[dhms])( ago)?\b`)
	spaces  = regexp.MustCompile(` +`)
)

// normal is output without what differs from one time to the next.
func normal(s string) string {
	s = anyID.ReplaceAllString(s, "ID")
	s = anyTime.ReplaceAllString(s, "TIME")
	return spaces.ReplaceAllString(s, " ")
}
