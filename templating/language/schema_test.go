package language_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/templating/language"
	"github.com/berth-dev/berth/templating/manifest"
)

// editor is the schema as an editor reads it.
func editor(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := language.Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("template.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("template.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	converted, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(converted))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(document)
}

func TestEveryTemplateOfTheRepositoryIsValidInAnEditor(t *testing.T) {
	schema := editor(t)
	templates := map[string][]byte{}
	for _, pattern := range []string{
		"../../examples/*/template.yaml", "../../server/catalog/*.yaml", "../testdata/lint/good.yaml", "../../cmd/berth/testdata/lint/good.yaml",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s finds %v, %v", pattern, paths, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			templates[path] = text
		}
	}

	// And each whole template of the documentation.
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, found := range block.FindAllSubmatch(text, -1) {
			if bytes.HasPrefix(found[1], []byte("variables:\n")) {
				templates[page+"#"+string(rune('0'+i))] = found[1]
			}
		}
	}
	if len(templates) < 9 {
		t.Errorf("only %d templates were found", len(templates))
	}
	for path, text := range templates {
		if err := validate(t, schema, text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAnEditorMarksWhatIsWrong(t *testing.T) {
	schema := editor(t)
	pod := func(text string) string {
		return "job_configuration:\n  job_manifest:\n    spec:\n      template:\n        spec:\n          " + text + "\n"
	}
	for name, tc := range map[string]struct {
		text string
		ok   bool
	}{
		"a key that no template has":            {"job_configuration: {}\nvariable: {}\n", false},
		"a place for anchors":                   {"job_configuration: {}\nx-common: {}\n", true},
		"no job_configuration":                  {"variables: {}\n", false},
		"a field that Kubernetes does not know": {pod("restartPolcy: Never"), false},
		"a value that Kubernetes does not know": {pod("restartPolicy: Sometimes"), false},
		"a placeholder for an enumeration":      {pod("restartPolicy: '{{ policy }}'"), true},
		"a text for a number":                   {pod("terminationGracePeriodSeconds: ten"), false},
		"a placeholder for a number":            {pod("terminationGracePeriodSeconds: '{{ grace }}'"), true},
		"a placeholder for a list":              {pod("tolerations: '{{ tolerations }}'"), true},
		"a placeholder for an item":             {pod("containers: ['{{ container }}', {name: job}]"), true},
		"an object for a list":                  {pod("containers: {name: job}"), false},
		"a quantity that is a number":           {pod("containers: [{name: job, resources: {limits: {cpu: 2, memory: 1Gi}}}]"), true},
		"a text manifest":                       {"job_configuration: {job_manifest: 'kind: Job'}\n", true},
		"a word of the policy":                  {"job_configuration: {policy: {eviction: fail}}\n", true},
		"a wrong word of the policy":            {"job_configuration: {policy: {eviction: never}}\n", false},
		"an unknown cause to wait for":          {"job_configuration: {policy: {wait_seconds: {images: 5}}}\n", false},
		"a wrong type of a variable":            {"job_configuration: {}\nvariables: {properties: {a: {type: text}}}\n", false},
		"types of a variable":                   {"job_configuration: {}\nvariables: {properties: {a: {type: [string, 'null'], format: date}}}\n", true},
	} {
		if err := validate(t, schema, []byte(tc.text)); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllKeysOfATemplateAreDocumented(t *testing.T) {
	var vocabulary language.Language
	content, err := language.JSON()
	if err == nil {
		err = json.Unmarshal(content, &vocabulary)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range manifest.ConfigurationKeys() {
		if !slices.ContainsFunc(vocabulary.Keys, func(k language.Key) bool { return k.Path == "job_configuration."+key && k.Doc != "" }) {
			t.Errorf("job_configuration.%s is not documented", key)
		}
	}
	text, err := language.Schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range vocabulary.Keys {
		encoded, err := json.Marshal(key.Doc)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), string(encoded)) {
			t.Errorf("the schema does not have the documentation of %s", key.Path)
		}
	}
}

func TestTheVocabularyHasEveryFunctionOnce(t *testing.T) {
	content, err := language.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var vocabulary language.Language
	if err := json.Unmarshal(content, &vocabulary); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/template-functions.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range vocabulary.Functions {
		if names[f.Name] || f.Doc == "" || f.Usage == "" || f.Group == "" || f.Aliases == nil {
			t.Errorf("%+v is there twice, or is not documented", f)
		}
		names[f.Name] = true
		if !bytes.Contains(page, []byte("| `"+f.Usage+"` |")) {
			t.Errorf("%s is not on the page of functions", f.Usage)
		}
	}
	if len(names) < 150 || len(vocabulary.Excluded) == 0 || len(vocabulary.Context) < 15 {
		t.Errorf("%d functions, %d left out, %d members of ctx", len(names), len(vocabulary.Excluded), len(vocabulary.Context))
	}
	if _, ok := vocabulary.Kubernetes.Types[vocabulary.Kubernetes.Root]; !ok {
		t.Error("the type of a Job is not described")
	}
	const most = 256 << 10
	if len(content) > most {
		t.Errorf("the vocabulary has %d bytes", len(content))
	}
	t.Logf("%d functions, %d types, %d bytes", len(names), len(vocabulary.Kubernetes.Types), len(content))
}
