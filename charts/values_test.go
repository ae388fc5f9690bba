package charts

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// schema is the part of a JSON Schema that the tests use.
type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 any                `json:"type"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties any                `json:"additionalProperties"`
	Definitions          map[string]*schema `json:"definitions"`
}

func readSchema(t *testing.T) *schema {
	t.Helper()
	data, err := os.ReadFile("berth/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func readValues(t *testing.T) []value {
	t.Helper()
	data, err := os.ReadFile("berth/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	values, err := documentedValues(data)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestEveryDocumentedValueIsInTheSchema(t *testing.T) {
	root := readSchema(t)
	for _, v := range readValues(t) {
		at := root
		for _, name := range strings.Split(v.path, ".") {
			if at = at.Properties[name]; at == nil {
				t.Errorf("%s is not in values.schema.json", v.path)
				break
			}
		}
	}
}

func TestEverySchemaPropertyIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, v := range readValues(t) {
		documented[v.path] = true
	}
	var walk func(at *schema, path string)
	walk = func(at *schema, path string) {
		if documented[path] {
			return
		}
		if len(at.Properties) == 0 {
			t.Errorf("%s is in values.schema.json, but values.yaml does not document it", path)
		}
		for name, below := range at.Properties {
			walk(below, strings.TrimPrefix(path+"."+name, "."))
		}
	}
	walk(readSchema(t), "")
}

func TestSchemaRefusesUnknownNamesEverywhere(t *testing.T) {
	root := readSchema(t)
	used := map[string]bool{}
	var walk func(at *schema, path string)
	walk = func(at *schema, path string) {
		if name, ok := strings.CutPrefix(at.Ref, "#/definitions/"); ok {
			used[name] = true
			if root.Definitions[name] == nil {
				t.Errorf("%s refers to %s, which is not defined", path, at.Ref)
			}
		}
		// Other charts of a parent share `global`.
		if at.Properties != nil && at.AdditionalProperties != false && path != "/global" {
			t.Errorf("%s accepts unknown names", path)
		}
		for name, below := range at.Properties {
			walk(below, path+"/"+name)
		}
	}
	walk(root, "")
	for _, name := range slices.Sorted(maps.Keys(root.Definitions)) {
		walk(root.Definitions[name], "#/definitions/"+name)
	}
}

func TestDocumentedDefaultsRenderLikeNoValues(t *testing.T) {
	data, err := os.ReadFile("berth/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	implicit, explicit := render(t, ""), render(t, string(data))
	for i := range implicit {
		if implicit[i].text != explicit[i].text {
			t.Errorf("%s differs if the defaults are set explicitly", implicit[i])
		}
	}
}

func TestReadmeTableMatchesTheValues(t *testing.T) {
	const path, start, end = "berth/README.md", "<!-- values: made by go test ./charts -update -->\n", "<!-- end of values -->"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), start)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no markers around its table of values", path)
	}
	want := valuesTable(readValues(t))
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("the table of values in %s differs from values.yaml: run go test ./charts -update", path)
	}
	if err := os.WriteFile(path, []byte(before+start+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestUndocumentedValueIsAnError(t *testing.T) {
	_, err := documentedValues([]byte("# -- documented\na: 1\nb:\n  # undocumented\n  c: 2\n"))
	if err == nil || !strings.Contains(err.Error(), "b.c") {
		t.Errorf("error = %v, want one that names b.c", err)
	}
	got, err := documentedValues([]byte("b:\n  # -- two\n  # lines\n  c: {d: [1]}\n"))
	if err != nil || len(got) != 1 || got[0] != (value{"b.c", "{d: [1]}", "two lines"}) {
		t.Errorf("documentedValues = %v, %v", got, err)
	}
}

// TestReadmeExamplesRender renders the chart with the values of each example in the README.
func TestReadmeExamplesRender(t *testing.T) {
	data, err := os.ReadFile("berth/README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(data), "```yaml\n")[1:]
	if len(blocks) < 3 {
		t.Fatalf("found %d examples", len(blocks))
	}
	for _, block := range blocks {
		example, _, _ := strings.Cut(block, "```")
		if err := yaml.Unmarshal([]byte(example), &map[string]any{}); err != nil {
			t.Errorf("%v\n%s", err, example)
			continue
		}
		if _, err := renderFiles(t, example); err != nil {
			t.Errorf("%v\n%s", err, example)
		}
	}
}
