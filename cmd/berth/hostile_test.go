package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
)

const hostileKey = "berth_0badcafe_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// hostileServer answers every request in the same way.
func hostileServer(t *testing.T, handler http.HandlerFunc) user {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return user{url: s.URL, home: t.TempDir()}
}

func TestRedirectsAreRefusedAndNeverGetTheKey(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusOK)
	}))
	defer elsewhere.Close()
	id := uuid.NewString()
	for _, status := range []int{301, 302, 303, 307, 308} {
		u := hostileServer(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/login", status)
		})
		for _, args := range [][]string{
			{"run", "ls"}, {"run", "get", id}, {"run", "cancel", id}, {"run", "watch", id}, {"run", "logs", id},
			{"deployment", "run", "etl"}, {"worker", "start", "--pool", "p"},
			{"worker", "start", "--pool", "p", "--type", "process", "--metrics-listen", ""},
		} {
			r := u.runEnv(t, "", []string{"BERTH_API_KEY=" + hostileKey}, args...)
			if r.code != 1 || !strings.Contains(r.stderr, "redirects to "+elsewhere.URL+"/login") || r.stdout != "" {
				t.Errorf("%d %s: exit code %d\n%s%s", status, strings.Join(args, " "), r.code, r.stdout, r.stderr)
			}
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests went to the target", n)
	}
}

const hostileName = "x\\u001b]0;pwned\\u0007\\u001b[2J\\u202eb\\u009b31m"

func TestControlCharactersAreShownEscaped(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	run := fmt.Sprintf(`{"id":%q,"name":"%s","deployment":"%s","deployment_id":%q,"pool":"p","queue":"q",
		"state":{"type":"FAILED","name":"Failed","message":"%s\\rover","at":"2026-01-01T00:00:00Z"},"parameters":{"a":"%s"},
		"job_variables":{},"tags":["%s"],"scheduled_time":"2026-01-01T00:00:00Z","created_at":"2026-01-01T00:00:00Z",
		"created_by":"%s","attempt":0}`, id, hostileName, hostileName, id, hostileName, hostileName, hostileName, hostileName)
	u := hostileServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api/v1/runs":
			_, _ = io.WriteString(w, `{"items":[`+run+`]}`)
		case "/api/v1/runs/" + id:
			_, _ = io.WriteString(w, `{"run":`+run+`,"attempts":[]}`)
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"type":"t","title":"t","status":404,"code":"not-found","detail":"`+hostileName+`"}`)
		}
	})
	for _, args := range [][]string{
		{"run", "ls"}, {"run", "ls", "-o", "json"}, {"run", "ls", "-o", "yaml"}, {"run", "get", id},
		{"run", "get", id, "-o", "json"}, {"run", "get", id, "-o", "yaml"}, {"pool", "get", "p"}, {"run", "watch", id},
	} {
		for _, force := range []string{"", "CLICOLOR_FORCE=1"} {
			r := u.runEnv(t, "", []string{force}, args...)
			out := r.stdout + r.stderr
			for _, control := range []string{"\x1b]", "\x1b[2J", "\a", "\r", "\u202e", "\u009b"} {
				if strings.Contains(out, control) {
					t.Errorf("berth %s %s prints %q: %q", strings.Join(args, " "), force, control, out)
				}
			}
			if !strings.Contains(out, `\u001b`) && !strings.Contains(out, `\e`) {
				t.Errorf("berth %s does not show the name escaped:\n%s", strings.Join(args, " "), out)
			}
		}
	}
}

func TestAnswersThatAreNoAnswersAreErrors(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	for _, body := range []string{"{}", "null", "[]", `{"items":[{}]}`, `{"items":null}`, `{"run":{}}`} {
		u := hostileServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusCreated)
			}
			_, _ = io.WriteString(w, body)
		})
		for _, args := range [][]string{
			{"run", "ls"}, {"run", "get", id}, {"deployment", "run", "etl"}, {"deployment", "get", "etl"}, {"run", "watch", id},
			{"pool", "ls"},
		} {
			r := u.run(t, args...)
			if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "error: ") {
				t.Errorf("%s: berth %s: exit code %d\n%s%s", body, strings.Join(args, " "), r.code, r.stdout, r.stderr)
			}
		}
	}
}

func TestAListThatRepeatsItsCursorEnds(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	u := hostileServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"items":[{"name":"a","value":1,"updated_at":"2026-01-01T00:00:00Z","id":%q}],"next_cursor":"again"}`, id)
	})
	r := u.run(t, "variable", "ls")
	if r.code != 1 || !strings.Contains(r.stderr, "the server repeats a page") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestAnAnswerWithoutEndIsCut(t *testing.T) {
	t.Parallel()
	u := hostileServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"items":[`)
		for block := strings.Repeat(" ", 1<<20); r.Context().Err() == nil; {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	})
	r := u.run(t, "variable", "ls")
	if r.code != 1 || !strings.Contains(r.stderr, "the response exceeds 64 MB") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestKeysAreCleanedWhereverTheyComeFrom(t *testing.T) {
	t.Parallel()
	u := hostileServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Header.Get("Authorization") != "Bearer "+hostileKey {
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = io.WriteString(w, `{"items":[]}`)
	})
	for name, around := range map[string][2]string{
		"line break": {"", "\n"}, "CRLF": {"", "\r\n"}, "byte order mark": {"\uFEFF", "\r\n"}, "spaces": {"  ", " \t"},
	} {
		text := around[0] + hostileKey + around[1]
		file := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		config := write(t, t.TempDir(), "config.yaml", fmt.Sprintf("api_key: %q\n", text))
		for way, r := range map[string]result{
			"flag":                    u.run(t, "variable", "ls", "--api-key-file", file),
			"environment":             u.runEnv(t, "", []string{"BERTH_API_KEY=" + text}, "variable", "ls"),
			"file in the environment": u.runEnv(t, "", []string{"BERTH_API_KEY_FILE=" + file}, "variable", "ls"),
			"configuration file":      u.run(t, "variable", "ls", "--config", config),
		} {
			if r.code != 0 {
				t.Errorf("%s by %s: exit code %d\n%s", name, way, r.code, r.stderr)
			}
		}
	}
}

func TestAKeyThatIsNoHeaderIsRefusedWithItsSource(t *testing.T) {
	t.Parallel()
	u := user{url: "http://127.0.0.1:1", home: t.TempDir()}
	text := "SECRET\nSECRET"
	file := write(t, t.TempDir(), "key", text)
	config := write(t, t.TempDir(), "config.yaml", fmt.Sprintf("api_key: %q\n", text))
	for want, r := range map[string]result{
		"--api-key-file " + file:            u.run(t, "worker", "start", "--pool", "p", "--api-key-file", file),
		"BERTH_API_KEY":                     u.runEnv(t, "", []string{"BERTH_API_KEY=" + text}, "run", "ls"),
		"api_key of the configuration file": u.run(t, "run", "ls", "--config", config),
		"BERTH_BOOTSTRAP_ADMIN_KEY": u.runEnv(t, "", []string{"BERTH_BOOTSTRAP_ADMIN_KEY=" + text}, "server",
			"--data-dir", t.TempDir()),
		file: u.run(t, "server", "--data-dir", t.TempDir(), "--bootstrap-worker-key-file", file),
	} {
		if r.code != 2 || !strings.Contains(r.stderr, want+": the key is not usable: character 7 is a line break") ||
			strings.Contains(r.stderr, "SECRET") {
			t.Errorf("%s: exit code %d\n%s", want, r.code, r.stderr)
		}
	}
}
