package berthfile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// read is what becomes of a file: what is said of it, and the request.
func read(t *testing.T, file string, env map[string]string) string {
	t.Helper()
	var b strings.Builder
	f, err := berthfile.Load(file, berthfile.Source{Read: os.ReadFile, Env: env})
	var problems berthfile.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintf(&b, "error: %s\n", p)
		}
		return b.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range f.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	request, err := f.Request(berthfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, request, "", "  "); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%s\n", &indented)
	return b.String()
}

func TestAPrefectYAMLIsReadAsABerthYAML(t *testing.T) {
	inputs, err := filepath.Glob("testdata/prefect/*.yaml")
	if err != nil || len(inputs) < 4 {
		t.Fatalf("%d files: %v", len(inputs), err)
	}
	env := map[string]string{"WHO": "ada", "POOL": "etl", "REGISTRY": "ghcr.io/example", "ACTIVE": "False"}
	for _, input := range inputs {
		t.Run(filepath.Base(input), func(t *testing.T) {
			got, file := read(t, input, env), strings.TrimSuffix(input, ".yaml")+".golden"
			if *update {
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
		})
	}
}

func TestAPrefectYAMLIsToldFromABerthYAML(t *testing.T) {
	const prefect, berth = "deployments: [{name: a, work_pool: {name: p}}]\n", "deployments: [{name: a, pool: p}]\n"
	for _, test := range []struct {
		name, path, text string
		want             string // what is wrong, nothing where it is read
	}{
		{"by its name", "dir/prefect.yaml", "deployments: [{name: a, work_pool: {name: p}}]\n", ""},
		{"by what is in it", "jobs.yaml", prefect, ""},
		{"by its version", "jobs.yaml", "prefect-version: 3.0.0\ndeployments: []\n", ""},
		{"a berth.yaml by another name", "jobs.yaml", berth, ""},
		{"a berth.yaml with a key of Prefect", "berth.yaml", "project: x\n" + prefect, "deployments.a has no pool, and 1 more"},
		{"a berth.yaml called prefect.yaml", "prefect.yaml", berth, "deployments.a has no work_pool"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := berthfile.Load(test.path, berthfile.Source{Read: files(map[string]string{test.path: test.text})})
			if test.want == "" && err != nil ||
				test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestSchedulesThatAPrefectYAMLDoesNotNameStay: a redeploy without the key keeps them there. An empty list deletes them.
func TestSchedulesThatAPrefectYAMLDoesNotNameStay(t *testing.T) {
	for text, want := range map[string]string{
		"":                  `"keep_schedules":true`,
		", schedules: []":   `"pool":"p"}`,
		", schedules: null": `"pool":"p"}`,
	} {
		file := "deployments: [{name: a, work_pool: {name: p}" + text + "}]\n"
		loaded, err := berthfile.Load("prefect.yaml", berthfile.Source{Read: files(map[string]string{"prefect.yaml": file})})
		if err != nil {
			t.Fatal(err)
		}
		body, err := loaded.Request(berthfile.Options{})
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%q becomes %s, %v", text, body, err)
		}
	}
}
