package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cli runs the binary as one user of one installation.
type cli struct {
	url, key string
	dir      string // where relative files are looked up
}

// result of one command.
type result struct {
	stdout, stderr string
	code           int
}

// run runs berth with the arguments and returns however it ended; a command that does not end within two
// minutes fails the test.
func (c cli) run(t testing.TB, args ...string) result {
	t.Helper()
	return c.runWithin(t, 2*time.Minute, args...)
}

func (c cli) runWithin(t testing.TB, limit time.Duration, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = c.dir
	cmd.Env = []string{
		"BERTH_API_URL=" + c.url, "BERTH_API_KEY=" + c.key, "HOME=" + t.TempDir(), "PATH=/usr/bin:/bin", "NO_COLOR=1",
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	out := result{stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("berth %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// ok runs berth, demands exit code 0 and returns standard output.
func (c cli) ok(t testing.TB, args ...string) string {
	t.Helper()
	out := c.run(t, args...)
	if out.code != 0 {
		t.Fatalf("berth %s: exit code %d\n%s", strings.Join(args, " "), out.code, out)
	}
	return out.stdout
}

// get runs berth with -o json and decodes its output into v.
func (c cli) get(t testing.TB, v any, args ...string) {
	t.Helper()
	text := c.ok(t, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("berth %s -o json: %v\n%s", strings.Join(args, " "), err, text)
	}
}

// fetch gets a path of the API and decodes its answer into v.
func (c cli) fetch(t testing.TB, v any, path string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

func (r result) String() string { return "stdout: " + r.stdout + "\nstderr: " + r.stderr }

// write puts a file into the command's directory.
func (c cli) write(t testing.TB, name, text string) {
	t.Helper()
	writeFile(t, filepath.Join(c.dir, name), text)
}

// contains fails the test for each of the texts that is not in got.
func contains(t testing.TB, what, got string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(got, text) {
			t.Errorf("%s does not contain %q:\n%s", what, text, got)
		}
	}
}
