package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// conformanceDir holds the data that the package's own tests run on: the command line must answer the same.
const conformanceDir = "../../templating/testdata/conformance"

type conformanceCase map[string]any

func conformance(t *testing.T, file string) []conformanceCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(conformanceDir, file))
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := templating.DecodeJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	var cases []conformanceCase
	for _, item := range decoded.([]any) {
		cases = append(cases, item.(map[string]any))
	}
	if len(cases) == 0 {
		t.Fatalf("%s holds no case", file)
	}
	t.Logf("%s: %d cases", file, len(cases))
	return cases
}

func (c conformanceCase) name() string { return c["name"].(string) }

// file writes a part of the case to a file.
func (c conformanceCase) file(t *testing.T, dir, name string, v any) string {
	t.Helper()
	data, err := templating.EncodeJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, dir, name, string(data))
}

// rendered runs `berth template render` and decodes what it prints; false where it fails.
func rendered(t *testing.T, args ...string) (map[string]any, bool) {
	t.Helper()
	r := user{home: t.TempDir()}.run(t, append([]string{"template", "render", "-o", "json"}, args...)...)
	if r.code != 0 {
		t.Logf("exit code %d\n%s", r.code, r.stderr)
		return nil, false
	}
	v, err := templating.DecodeJSON([]byte(r.stdout))
	if err != nil {
		t.Fatalf("%v\n%s", err, r.stdout)
	}
	return v.(map[string]any), true
}

func TestLintListsThePlaceholdersOfEveryConformanceCase(t *testing.T) {
	for _, c := range conformance(t, "placeholders.json") {
		t.Run(c.name(), func(t *testing.T) {
			file := c.file(t, t.TempDir(), "template.json",
				map[string]any{"job_configuration": map[string]any{"x": c["template"]}})
			r := user{
				home: t.TempDir(),
			}.run(t, "template", "lint", "-f", file, "--engine", "placeholder", "-o", "json")
			var report struct{ Placeholders []string }
			if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
				t.Fatalf("%v\n%s%s", err, r.stdout, r.stderr)
			}
			got, want := map[string]bool{}, map[string]bool{}
			for _, name := range report.Placeholders {
				got[name] = true
			}
			for _, name := range c["expected"].([]any) {
				want[name.(string)] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRenderAppliesValuesAsEveryConformanceCaseSays(t *testing.T) {
	for _, c := range conformance(t, "apply.json") {
		t.Run(c.name(), func(t *testing.T) {
			dir := t.TempDir()
			declared := map[string]any{}
			for name := range c["values"].(map[string]any) {
				declared[name] = map[string]any{}
			}
			file := c.file(t, dir, "template.json", map[string]any{
				"variables": map[string]any{
					"properties": declared,
				}, "job_configuration": map[string]any{"x": c["template"]}})
			got, ok := rendered(t, "-f", file, "--engine", "placeholder", "--variables",
				c.file(t, dir, "values.json", c["values"]))
			if !ok {
				t.Fatal("it was not rendered")
			}
			want := map[string]any{"x": c["expected"]}
			if none, isObject := c["expected"].(map[string]any); isObject && none["$notset"] == true {
				want = map[string]any{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRenderMergesAsEveryConformanceCaseSays(t *testing.T) {
	for _, engine := range []string{"placeholder", "gotemplate"} {
		for _, c := range conformance(t, "render.json") {
			t.Run(engine+"/"+c.name(), func(t *testing.T) {
				dir := t.TempDir()
				args := []string{
					"-f", c.file(t, dir, "template.json", c["base_job_template"]), "--engine", engine,
				}
				for _, given := range []struct{ key, flag string }{
					{"job_variables", "--variables"}, {"flow_run_job_variables", "--variables"},
					{"deployment_job_variables", "--deployment-variables"}, {"variables_store", "--stored-variables"},
				} {
					if v, ok := c[given.key].(map[string]any); ok {
						args = append(args, given.flag, c.file(t, dir, given.key+".json", v))
					}
				}
				got, ok := rendered(t, args...)
				if refused := c["expected_error"] == true; refused == ok {
					t.Fatalf("rendered: %v, want refused: %v", ok, refused)
				}
				if diff := cmp.Diff(c["expected_rendered"], any(got)); ok && diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestJobVariablesAreJudgedAsEveryConformanceCaseSays(t *testing.T) {
	for _, c := range conformance(t, "job-variables.json") {
		t.Run(c.name(), func(t *testing.T) {
			dir, u := t.TempDir(), user{home: t.TempDir()}
			var levels []string
			for _, level := range append(c["layers"].([]any), map[string]any{}, map[string]any{}) {
				if level == nil {
					level = map[string]any{}
				}
				levels = append(levels, c.file(t, dir, "level"+string(rune('0'+len(levels)))+".json", level))
			}
			file := c.file(t, dir, "template.json", c["base_job_template"])
			valid := false
			switch c["mode"] {
			case "flow_run":
				r := u.run(t, "template", "render", "-f", file, "--strict", "--deployment-variables",
					levels[0], "--variables", levels[1])
				valid = r.code == 0
			default:
				args := []string{"template", "lint", "-f", file, "-o", "json"}
				if c["mode"] == "deployment" {
					args = append(args, "--deployment-variables", levels[0])
				}
				var report struct {
					Errors []struct{ Code, Pointer string }
				}
				if err := json.Unmarshal([]byte(u.run(t, args...).stdout), &report); err != nil {
					t.Fatal(err)
				}
				valid = true
				for _, e := range report.Errors { // that it makes no Job is another matter
					valid = valid && len(e.Pointer) >= len("/job_configuration") &&
						e.Pointer[:len("/job_configuration")] == "/job_configuration"
				}
			}
			if valid != c["expected_valid"] {
				t.Errorf("valid: %v, want %v", valid, c["expected_valid"])
			}
		})
	}
}

func TestTheTemplateOfAReferenceUserLintsAndRendersAJobFromAnImageAlone(t *testing.T) {
	file, u := filepath.Join(conformanceDir, "default-base-job-template.json"), user{home: t.TempDir()}
	if r := u.run(t, "template", "lint", "-f", file); r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stdout)
	}
	for _, engine := range []string{"placeholder", "gotemplate"} {
		job := u.ok(t, "template", "render", "-f", file, "--engine", engine, "--set", "image=busybox:1.36",
			"--job")
		demand(t, engine, job, "image: busybox:1.36", "kind: Job", manifest.Finalizer, "backoffLimit: 0")
	}
}
