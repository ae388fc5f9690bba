package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestTheTemplatesThatAreGivenOutHaveNothingToComplainOf: a newcomer lints them first. That a variable may name a
// Secret or an account which the pool allows is said of these templates too.
func TestTheTemplatesThatAreGivenOutHaveNothingToComplainOf(t *testing.T) {
	u := user{home: t.TempDir()}
	files, err := filepath.Glob("../../server/catalog/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	for _, file := range append(files, "../../examples/hello/template.yaml") {
		r := u.run(t, "template", "lint", "-f", file)
		warnings := strings.Count(r.stdout+r.stderr, ": warning: ")
		expected := strings.Count(r.stdout+r.stderr, "runs may only use what the template writes")
		if r.code != 0 || warnings != expected || !strings.Contains(r.stdout, "0 errors, ") {
			t.Errorf("%s: exit code %d\n%s%s", file, r.code, r.stdout, r.stderr)
		}
	}
}
