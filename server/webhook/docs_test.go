package webhook_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/store/storetest"
)

const page = "../../docs/webhooks.md"

// snippet is the first block of a language on the page that has a text.
func snippet(t *testing.T, language, with string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "```"+language+"\n")[1:] {
		if code, _, _ := strings.Cut(part, "```"); strings.Contains(code, with) {
			return code
		}
	}
	t.Fatalf("%s has no %s with %q", page, language, with)
	return ""
}

// TestThePageChecksSignatures runs the functions of the page on a request, and on one whose body, secret or age is wrong.
func TestThePageChecksSignatures(t *testing.T) {
	testenv.Slow(t, "compiles a program")
	t.Parallel()
	w := newWorldOnPostgreSQL(t, storetest.WallClock) // which the functions read
	r := newReceiver(t)
	_, secret := w.set("h", r.URL)
	w.ended("d", 1)
	w.tell()
	q := r.took()[0]
	for name, run := range map[string]func(t *testing.T, secret string, q request) bool{
		"Go": runGo(t), "Python": runPython, "shell": runShell,
	} {
		t.Run(name, func(t *testing.T) {
			if !run(t, secret, q) {
				t.Error("a valid signature is refused")
			}
			two := q.header.Clone()
			two.Set("webhook-signature", "v1,AAAA "+q.header.Get("webhook-signature"))
			if !run(t, secret, request{two, q.body}) {
				t.Error("one of two signatures is refused")
			}
			if run(t, secret, request{q.header, append([]byte(" "), q.body...)}) {
				t.Error("another body is accepted")
			}
			if run(t, secret[:len(secret)-8]+"AAAAAAA=", q) {
				t.Error("another secret is accepted")
			}
			old := q.header.Clone()
			old.Set("webhook-timestamp", "1700000000")
			if run(t, secret, request{old, q.body}) {
				t.Error("another time is accepted")
			}
		})
	}
}

// runGo compiles the function once.
func runGo(t *testing.T) func(*testing.T, string, request) bool {
	t.Helper()
	dir := t.TempDir()
	program := `package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

` + snippet(t, "go", "func valid") + `
func main() {
	var in struct {
		Secret string
		Header http.Header
		Body   []byte
	}
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	fmt.Print(valid(in.Secret, in.Header, in.Body))
}
`
	for name, text := range map[string]string{"main.go": program, "go.mod": "module receiver\n\ngo 1.24\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", "receiver")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return func(t *testing.T, secret string, q request) bool {
		t.Helper()
		in, err := json.Marshal(map[string]any{"Secret": secret, "Header": q.header, "Body": q.body})
		if err != nil {
			t.Fatal(err)
		}
		return prints(t, "true", string(in), filepath.Join(dir, "receiver"))
	}
}

func runPython(t *testing.T, secret string, q request) bool {
	t.Helper()
	python := testenv.Program(t, "python3", "install Python 3.9 or newer")
	headers := map[string]string{}
	for name := range q.header {
		headers[strings.ToLower(name)] = q.header.Get(name)
	}
	in, err := json.Marshal(map[string]any{"secret": secret, "headers": headers, "body": string(q.body)})
	if err != nil {
		t.Fatal(err)
	}
	return prints(t, "True", string(in), python, "-c", snippet(t, "python", "def valid")+`
import json, sys
given = json.load(sys.stdin)
print(valid(given["secret"], given["headers"], given["body"].encode()))`)
}

func runShell(t *testing.T, secret string, q request) bool {
	t.Helper()
	testenv.Program(t, "openssl", "install OpenSSL")
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, q.body, 0o600); err != nil {
		t.Fatal(err)
	}
	return prints(t, "yes", "", "sh", "-c", snippet(t, "sh", "valid()")+"\nif valid \"$@\"; then echo yes; else echo no; fi", "sh",
		secret, q.header.Get("webhook-id"), q.header.Get("webhook-timestamp"), q.header.Get("webhook-signature"), body)
}

// prints reports whether a program prints a text.
func prints(t *testing.T, want, in string, program string, args ...string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin = strings.NewReader(in)
	cmd.WaitDelay = time.Minute
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(string(out)) == want
}
