// Package testenv reports tests that cannot run because the machine lacks something.
//
// Such a test is reported as not run, by name and with the missing thing. With REQUIRE_ALL=1, as in
// continuous integration, it fails instead. `make test-unit` leaves out slow tests, by name too. There is no other
// way to skip a test in this project.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// RequireAll reports whether every test must run here (REQUIRE_ALL=1).
func RequireAll() bool { return os.Getenv("REQUIRE_ALL") == "1" }

// Missing ends the test because the machine lacks something. The text says what to install or set.
func Missing(t testing.TB, what string) {
	t.Helper()
	if RequireAll() {
		t.Fatalf("not run, and REQUIRE_ALL=1: %s", what)
	}
	t.Skipf("not run: %s", what)
}

// Slow leaves the test out of `make test-unit` (go test -short), the inner loop. The text says what makes it slow.
func Slow(t testing.TB, what string) {
	t.Helper()
	if testing.Short() && !RequireAll() {
		t.Skipf("not run with -short: %s", what)
	}
}

// Program returns the path of an executable from PATH or the given directories. Without it the test ends with
// the hint.
func Program(t testing.TB, name, hint string, dirs ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range dirs {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path
		}
	}
	Missing(t, "no "+name+" on this machine: "+hint)
	return ""
}
