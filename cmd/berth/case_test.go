package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/shlex"
	"sigs.k8s.io/yaml"
)

// fieldCase is a small thing that a person did, and what must come of it. testdata/cases has them, a file for each room.
type fieldCase struct {
	Name string
	// Files are written beside each other. A command may name them as arguments.
	Files map[string]string
	// Env is the environment of the commands.
	Env   map[string]string
	Steps []caseStep
}

// caseStep is one command. White space counts as one space in what it prints.
type caseStep struct {
	Berth  string // the command line
	Exit   int
	Prints texts // each on standard output or standard error, in this order
	Once   texts // each exactly once
	Never  texts // nowhere in it
}

// texts is a list, or the one text in it.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if yaml.Unmarshal(data, &one) == nil {
		*t = texts{one}
		return nil
	}
	return yaml.Unmarshal(data, (*[]string)(t))
}

func TestCasesFromTheField(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/cases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	_, u := startDev(t, t.TempDir())
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []fieldCase
		if err := yaml.UnmarshalStrict(text, &cases); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			for _, c := range cases {
				t.Run(c.Name, func(t *testing.T) { c.run(t, u) })
			}
		})
	}
}

func (c fieldCase) run(t *testing.T, u user) {
	paths := map[string]string{}
	dir := t.TempDir()
	for name, text := range c.Files {
		paths[name] = write(t, dir, name, text)
	}
	var environ []string
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		environ = append(environ, name+"="+c.Env[name])
	}
	if len(c.Steps) == 0 {
		t.Error("the case has no steps")
	}
	for _, step := range c.Steps {
		args, err := shlex.Split(step.Berth)
		if err != nil {
			t.Fatalf("%s: %v", step.Berth, err)
		}
		for i, arg := range args {
			if path, ok := paths[arg]; ok {
				args[i] = path
			}
		}
		step.check(t, dir, u.runEnv(t, "", environ, args...))
	}
}

func (s caseStep) check(t *testing.T, dir string, r result) {
	t.Helper()
	output := strings.ReplaceAll(r.stdout+r.stderr, dir+string(filepath.Separator), "")
	if r.code != s.Exit {
		t.Errorf("berth %s: exit code %d, want %d", s.Berth, r.code, s.Exit)
	}
	rest := oneLine(output)
	for _, want := range s.Prints {
		_, after, found := strings.Cut(rest, oneLine(want))
		if !found {
			t.Errorf("berth %s does not print, or not in this order:\n%s", s.Berth, want)
			continue
		}
		rest = after
	}
	for _, once := range s.Once {
		if n := strings.Count(oneLine(output), oneLine(once)); n != 1 {
			t.Errorf("berth %s prints %d times:\n%s", s.Berth, n, once)
		}
	}
	for _, not := range s.Never {
		if strings.Contains(oneLine(output), oneLine(not)) {
			t.Errorf("berth %s prints:\n%s", s.Berth, not)
		}
	}
	if t.Failed() {
		t.Logf("$ berth %s\n%s", s.Berth, output)
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
