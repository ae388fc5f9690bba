package berthfile_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
	"github.com/berth-dev/berth/templating/yamldoc"
)

const committed = "../../../../docs/berth.schema.json"

// editor is the schema as an editor reads it.
func editor(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	made, err := berthfile.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, data) {
		t.Errorf("%s is not what the API makes it: run make generate", committed)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("berth.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("berth.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	data, err := yamldoc.ToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestTheExamplesFitTheSchemaAndTheChecker(t *testing.T) {
	schema := editor(t)
	files, err := filepath.Glob("../../../../examples/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), "\ndeployments:") || filepath.Base(file) == "prefect.yaml" {
			continue // a template, or values
		}
		seen++
		if err := validate(t, schema, data); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if _, err := berthfile.Load(file, berthfile.Source{Read: os.ReadFile}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if seen < 3 {
		t.Errorf("only %d examples were found", seen)
	}
}

func TestTheExampleOfTheDocumentationFitsTheSchema(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/berth-yaml.md")
	if err != nil {
		t.Fatal(err)
	}
	schema, seen := editor(t), 0
	for _, block := range strings.Split(string(page), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		if !strings.Contains(text, "deployments:\n") || strings.Contains(text, "work_pool:") {
			continue // a piece of one, or Prefect's
		}
		seen++
		if err := validate(t, schema, []byte(text)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	if seen == 0 {
		t.Error("there is no example")
	}
}

func TestTheSchemaAndTheCheckerRefuseTheSame(t *testing.T) {
	schema := editor(t)
	for _, test := range []struct{ name, text string }{
		{"an unknown section", "deployment: []\n"},
		{"an unknown key", "deployments: [{name: a, pool: p, colour: red}]\n"},
		{"an unknown key of a schedule", "deployments: [{name: a, pool: p, schedules: [{corn: '@daily'}]}]\n"},
		{"a missing pool", "deployments: [{name: a}]\n"},
		{"a missing name", "pools: [{type: process}]\n"},
		{"a map of deployments", "deployments: {a: {pool: p}}\n"},
		{"a list of variables", "variables: []\n"},
		{"a number for a version", "deployments: [{name: a, pool: p, version: 1.10}]\n"},
		{"a fraction of a limit", "deployments: [{name: a, pool: p, concurrency_limit: 1.5}]\n"},
		{"an overlap that is none", "deployments: [{name: a, pool: p, schedules: [{cron: '@daily', overlap: maybe}]}]\n"},
		{"a pool of no type", "pools: [{name: a, type: cloud}]\n"},
		{"a project that is a number", "project: 7\n"},
		{"two templates", "pools: [{name: a, template: t.yaml, base_job_template: {}}]\n"},
		{"a boolean for a cause", "deployments: [{name: a, pool: p, retries: {'on': [true]}}]\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := validate(t, schema, []byte(test.text)); err == nil {
				t.Error("the schema takes it")
			}
			if _, err := berthfile.Load("berth.yaml", berthfile.Source{Read: files(map[string]string{"berth.yaml": test.text, "t.yaml": "{}"})}); err == nil {
				t.Error("the checker takes it")
			}
		})
	}
	for _, test := range []struct{ name, text string }{
		{"limits that are taken away", "pools: [{name: a, concurrency_limit: null, queues: [{name: q, concurrency_limit: null}]}]\n"},
		{"empty sections", "pools:\nvariables:\ndeployments:\n"},
		{"a place for anchors", "x-common: &common {pool: p}\ndeployments: [{name: a, <<: *common}]\n"},
		{"all causes", "deployments: [{name: a, pool: p, retries: {max: 1, 'on': [137, app], oom: {max: 1, variable: memory, max_value: 4Gi}}}]\n"},
		{"any variables", "variables: {a: null, b: [1], c: {d: e}}\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := validate(t, schema, []byte(test.text)); err != nil {
				t.Errorf("the schema refuses it: %v", err)
			}
			if _, err := berthfile.Load("berth.yaml", berthfile.Source{Read: files(map[string]string{"berth.yaml": test.text})}); err != nil {
				t.Errorf("the checker refuses it: %v", err)
			}
		})
	}
}

func TestTheSchemaSaysNothingThatIsOnlyOfOpenAPI(t *testing.T) {
	made, err := berthfile.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(made, &document); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{`"nullable"`, `"x-go-type"`, `"#/components`, `"example":`} {
		if bytes.Contains(made, []byte(word)) {
			t.Errorf("the schema has %s", word)
		}
	}
}
