package templating_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
)

// cases reads one file of the conformance data.
func cases(t *testing.T, file string) []map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "conformance", file))
	if err != nil {
		t.Fatal(err)
	}
	v, err := templating.DecodeJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	var result []map[string]any
	for _, item := range v.([]any) {
		result = append(result, item.(map[string]any))
	}
	if len(result) == 0 {
		t.Fatalf("%s holds no case", file)
	}
	return result
}

func objectNode(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func TestConformancePlaceholders(t *testing.T) {
	for _, c := range cases(t, "placeholders.json") {
		t.Run(c["name"].(string), func(t *testing.T) {
			program, err := templating.PlaceholderEngine().Compile(c["template"], templating.Declarations{})
			if program == nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, reference := range program.References() {
				got[reference.Name] = true
			}
			want := map[string]bool{}
			for _, name := range c["expected"].([]any) {
				want[name.(string)] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("placeholders (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConformanceApply(t *testing.T) {
	for _, c := range cases(t, "apply.json") {
		t.Run(c["name"].(string), func(t *testing.T) {
			program, err := templating.PlaceholderEngine().Compile(c["template"], templating.Declarations{})
			if program == nil {
				t.Fatal(err)
			}
			got, err := program.Render(context.Background(),
				&templating.Values{Variables: objectNode(c["values"])})
			if errors.Is(err, templating.ErrNoValue) {
				got, err = map[string]any{"$notset": true}, nil
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c["expected"], got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

// template parses the base job template of a case, which has passed through JSON.
func template(t *testing.T, c map[string]any) *templating.Template {
	t.Helper()
	data, err := templating.EncodeJSON(c["base_job_template"])
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := templating.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestConformanceRender(t *testing.T) {
	for _, engine := range []string{"placeholder", "gotemplate"} {
		for _, c := range cases(t, "render.json") {
			t.Run(engine+"/"+c["name"].(string), func(t *testing.T) { renderCase(t, engine, c) })
		}
	}
}

func renderCase(t *testing.T, engine string, c map[string]any) {
	source := template(t, c)
	source.Engine = engine
	compiled, err := templating.DefaultRegistry().Compile(source)
	if compiled == nil {
		t.Fatal(err)
	}
	layers := templating.Layers{Run: objectNode(c["job_variables"])}
	if _, ok := c["deployment_job_variables"]; ok {
		layers = templating.Layers{
			Deployment: objectNode(c["deployment_job_variables"]),
			Run:        objectNode(c["flow_run_job_variables"]),
		}
	}
	rendered, err := compiled.Render(context.Background(),
		templating.Input{Layers: layers, Stored: objectNode(c["variables_store"])})
	if c["expected_error"] == true {
		if err == nil {
			t.Fatalf("rendered to %v, want an error", rendered.Configuration)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(objectNode(c["expected_rendered"]), rendered.Configuration); diff != "" {
		t.Errorf("job_configuration (-want +got):\n%s", diff)
	}
}

func TestConformanceJobVariables(t *testing.T) {
	for _, c := range cases(t, "job-variables.json") {
		t.Run(c["name"].(string), func(t *testing.T) {
			var levels []map[string]any
			for _, level := range c["layers"].([]any) {
				levels = append(levels, objectNode(level))
			}
			levels = append(levels, nil) // a run without job variables
			compiled, err := templating.DefaultRegistry().Compile(template(t, c))
			if err == nil {
				switch c["mode"] {
				case "deployment":
					_, err = compiled.ValidateDeployment(levels[0])
				case "flow_run":
					_, err = compiled.ValidateRun(templating.Layers{Deployment: levels[0], Run: levels[1]},
						nil)
				}
			}
			if valid := err == nil; valid != c["expected_valid"] {
				t.Errorf("valid: %v, want %v (%v)", valid, c["expected_valid"], err)
			}
		})
	}
}

func TestStoredFormOfATemplateParsesToTheSameTemplate(t *testing.T) {
	files := []string{"default-base-job-template.json"}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join("testdata", "conformance", file))
		if err != nil {
			t.Fatal(err)
		}
		first, err := templating.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := first.JSON()
		if err != nil {
			t.Fatal(err)
		}
		second, err := templating.Parse(stored)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%s changed (-first +second):\n%s", file, diff)
		}
		again, _ := second.JSON()
		if !slices.Equal(stored, again) || !json.Valid(stored) {
			t.Errorf("%s: the stored form is not canonical", file)
		}
	}
}
