package main

import (
	"path/filepath"
	"testing"
)

// TestTheTemplatesThatAreGivenOutHaveNothingToComplainOf: a newcomer lints them first.
func TestTheTemplatesThatAreGivenOutHaveNothingToComplainOf(t *testing.T) {
	u := user{home: t.TempDir()}
	files, err := filepath.Glob("../../server/catalog/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	for _, file := range append(files, "../../examples/hello/template.yaml") {
		if r := u.run(t, "template", "lint", "-f", file); r.code != 0 ||
			r.stdout != "0 errors, 0 warnings\n" {
			t.Errorf("%s: exit code %d\n%s%s", file, r.code, r.stdout, r.stderr)
		}
	}
}
