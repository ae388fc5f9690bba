package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with testdata/NAME.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", file, diff)
	}
}

func TestLintPointsIntoTheFile(t *testing.T) {
	files, err := filepath.Glob("testdata/lint/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates to lint: %v", err)
	}
	more, err := filepath.Glob("testdata/lint/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, more...) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			u := user{home: t.TempDir()}
			r := u.run(t, "template", "lint", "-f", filepath.ToSlash(file))
			golden(t, filepath.Join("lint", filepath.Base(file)), r.stdout)
			if strings.Contains(r.stdout, "\x1b") {
				t.Error("colours where there is no terminal")
			}
			if wantCode := map[bool]int{true: 0, false: 1}[strings.Contains(r.stdout, "\n0 errors") || strings.HasPrefix(r.stdout, "0 errors")]; r.code != wantCode {
				t.Errorf("exit code %d, want %d", r.code, wantCode)
			}
			if again := u.runEnv(t, "", []string{"CLICOLOR_FORCE=1", "NO_COLOR=1"}, "template", "lint", "-f", filepath.ToSlash(file)); again.stdout != r.stdout {
				t.Error("NO_COLOR did not win")
			}
		})
	}
}

func TestLintIsColouredWhereThatIsWanted(t *testing.T) {
	r := user{
		home: t.TempDir(),
	}.runEnv(t, "", []string{"CLICOLOR_FORCE=1"}, "template", "lint", "-f", "testdata/lint/styles.yaml")
	golden(t, "lint/styles.yaml.coloured", r.stdout)
}

// TestEveryProblemOfALintHasItsPlaceInTheFile is about -o json: the text at the place must be what the
// problem is about.
func TestEveryProblemOfALintHasItsPlaceInTheFile(t *testing.T) {
	source, err := os.ReadFile("testdata/lint/styles.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	r := user{home: t.TempDir()}.runInput(t, string(source), "template", "lint", "-f", "-", "-o", "json")
	var report struct {
		Errors []struct {
			Pointer, Message, Code string
			Location               struct {
				File         string
				Line, Column int
			}
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Errors) < 8 {
		t.Errorf("%d errors", len(report.Errors))
	}
	for _, e := range report.Errors {
		at := e.Location
		if at.File != "<stdin>" || at.Line < 1 || at.Line > len(lines) || at.Column < 1 ||
			at.Column > len([]rune(lines[at.Line-1])) {
			t.Errorf("%s: no place: %+v", e.Pointer, at)
			continue
		}
		rest := string([]rune(lines[at.Line-1])[at.Column-1:])
		_, name, quoted := strings.Cut(e.Message, `"`)
		name, _, _ = strings.Cut(name, `"`)
		if end := strings.Index(rest, "}}"); quoted && e.Code == "undeclared" &&
			(end < 0 || !strings.Contains(rest[:end], name)) {
			t.Errorf("%s: %q does not stand at %d:%d: %s", e.Pointer, name, at.Line, at.Column, rest)
		}
	}
}

func TestLintRefusesWhatItCanNotRead(t *testing.T) {
	u := user{home: t.TempDir()}
	for name, args := range map[string][]string{
		"no file":         {"template", "lint"},
		"a missing file":  {"template", "lint", "-f", "nowhere.yaml"},
		"a bad format":    {"template", "lint", "-f", "testdata/lint/styles.yaml", "-o", "xml"},
		"an argument":     {"template", "lint", "x", "-f", "testdata/lint/styles.yaml"},
		"variables amiss": {"template", "lint", "-f", "testdata/lint/styles.yaml", "--deployment-variables", "testdata/lint/list.txt"},
		"env that is not": {"template", "render", "-f", "testdata/lint/styles.yaml", "--template-env", "NOWHERE"},
	} {
		if r := u.run(t, args...); r.code != 2 || r.stdout != "" || r.stderr == "" {
			t.Errorf("%s: exit code %d, %q, %q", name, r.code, r.stdout, r.stderr)
		}
	}
}
