package templating_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
)

// yaml decodes what a case writes as YAML.
func yaml(t *testing.T, text string) map[string]any {
	t.Helper()
	v, err := templating.DecodeYAML([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return objectNode(v)
}

// compiled compiles a template that has nothing wrong.
func compiled(t *testing.T, source string) *templating.Compiled {
	t.Helper()
	parsed, err := templating.Parse([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	c, err := templating.DefaultRegistry().Compile(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLaterLevelsWin(t *testing.T) {
	for _, c := range []struct {
		name, template, deployment, run, frozen, want string
	}{
		{name: "run beats deployment beats default", template: "a: {default: 1}\nb: {default: 1}\nc: {default: 1}", deployment: "{b: 2, c: 2}", run: "{c: 3}", want: "{a: 1, b: 2, c: 3}"},
		{name: "a value replaces its default whole", template: "a: {default: {x: 1, y: 1}}", run: "{a: {x: 2}}", want: "{a: {x: 2}}"},
		{name: "a dotted key makes its own level's value", template: "a: {default: {x: 1, y: 1}}", deployment: "{a: {y: 5}}", run: "{a.x: 2}", want: "{a: {x: 2}}"},
		{name: "two dotted keys of a level go together", template: "a: {}", run: "{a.x.p: 1, a.x.q: 2}", want: "{a: {x: {p: 1, q: 2}}}"},
		{name: "what is written out beats what is dotted", template: "a: {}", run: "{a.x: 1, a: {x: 2, y: 3}}", want: "{a: {x: 2, y: 3}}"},
		{name: "null is a value", template: "a: {default: 1}", run: "{a: null}", want: "{a: null}"},
		{name: "a null default is none", template: "a: {default: null}", want: "{}"},
		{name: "a frozen value is there without anybody setting it", template: "a: {default: 1}\n---frozen\na: 9", want: "{a: 9}"},
		{name: "saying a frozen value again is no override", template: "a: {default: 1}\n---frozen\na: 9", run: "{a: 9}", want: "{a: 9}"},
		{name: "a deployment's frozen value is there", template: "a: {default: 1}", frozen: "{a: 7}", want: "{a: 7}"},
		{name: "env merges key by key", template: "env: {default: {A: d, B: d, C: d}}", deployment: "{env: {B: dep, C: dep}}", run: "{env: {C: run}}", want: "{env: {A: d, B: dep, C: run}}"},
		{name: "null unsets", template: "env: {default: {A: d, B: d}}", run: "{env: {A: null}}", want: "{env: {B: d}}"},
		{name: "a dotted env key of the run beats the deployment's", template: "env: {}", deployment: "{env: {FOO: dep}}", run: "{env.FOO: run}", want: "{env: {FOO: run}}"},
		{name: "names of the environment may hold dots", template: "env: {}", run: "{env.a.b: x}", want: "{env: {a.b: x}}"},
		{name: "a list at one level makes it a list", template: "env: {default: {A: d}}", run: "{env: [{name: B, value: r}]}", want: "{env: [{name: A, value: d}, {name: B, value: r}]}"},
		{name: "an override keeps its place in the order", template: "env: {default: [{name: Z, value: 1}, {name: A, value: $(Z)}]}", run: "{env: {Z: 2}}", want: "{env: [{name: Z, value: 2}, {name: A, value: $(Z)}]}"},
		{name: "valueFrom is a value", template: "env: {default: {A: d}}", run: "{env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]}", want: "{env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]}"},
		{name: "a dotted key joins a list", template: "env: {}", run: "{env: [{name: A, value: a}], env.B: b, env.A: no}", want: "{env: [{name: A, value: a}, {name: B, value: b}]}"},
		{name: "an empty environment stays", template: "env: {}", run: "{env: {}}", want: "{env: {}}"},
		{name: "a frozen entry of env leaves the others free", template: "env: {default: {A: d}}\n---frozen\nenv.P: fixed", run: "{env: {B: r}}", want: "{env: {A: d, B: r, P: fixed}}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := templating.Input{
				Layers: templating.Layers{
					Deployment: yaml(t, c.deployment), Run: yaml(t, c.run),
					DeploymentFrozen: yaml(t, c.frozen),
				},
			}
			rendered, err := levels(t, c.template).Render(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(yaml(t, c.want), rendered.Configuration["values"]); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

// levels compiles a template with these properties that shows every variable under `values`. What follows
// ---frozen is frozen.
func levels(t *testing.T, properties string) *templating.Compiled {
	t.Helper()
	properties, frozen, _ := strings.Cut(properties, "---frozen")
	shown := map[string]any{}
	declared := yaml(t, properties)
	for name := range declared {
		shown[name] = "{{ " + name + " }}"
	}
	c, err := templating.DefaultRegistry().Compile(&templating.Template{
		Variables:        map[string]any{"type": "object", "properties": declared},
		Frozen:           yaml(t, frozen),
		JobConfiguration: map[string]any{"values": shown},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheEnvironmentOfTheConfigurationIsTheLowestLevel(t *testing.T) {
	for _, c := range []struct{ name, configuration, run, want string }{
		{"its entries are there", "env: {A: 1, B: '{{ x }}'}", "{x: v, env: {C: 3}}", "{env: {A: 1, B: v, C: 3}}"},
		{"the variable wins", "env: {A: 1}", "{env: {A: 2}}", "{env: {A: 2}}"},
		{"the variable unsets", "env: {A: 1, B: 2}", "{env: {A: null}}", "{env: {B: 2}}"},
		{"an entry without a value is gone", "env: {A: '{{ x }}', B: 2}", "{}", "{env: {B: 2}}"},
		{"the rest of the configuration sees all of it", "env: {A: 1}\n  seen: '{{ env }}'", "{env: {B: 2}}", "{env: {A: 1, B: 2}, seen: {A: 1, B: 2}}"},
		{"a placeholder takes it over", "env: '{{ env }}'", "{env: {B: 2}}", "{env: {B: 2}}"},
		{"without any it is gone", "env: '{{ env }}'", "{}", "{}"},
		{"a list makes it a list", "env: [{name: A, value: 1}]", "{env: {B: 2}}", "{env: [{name: A, value: 1}, {name: B, value: 2}]}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			program := compiled(t,
				"variables: {properties: {env: {}, x: {}}}\njob_configuration:\n  "+c.configuration+"\n")
			rendered, err := program.Render(context.Background(),
				templating.Input{Layers: templating.Layers{Run: yaml(t, c.run)}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(yaml(t, c.want), rendered.Configuration); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, variables, deployment, run, frozen string
		onlyRun                                  bool
		onlyDeployment                           bool // a deployment may be saved like that
		want                                     []string
	}{
		{name: "a wrong type", variables: "properties: {n: {type: integer}}", deployment: "{n: x}", want: []string{`/n: variable "n" must be an integer, not a string`}},
		{name: "a boolean is no integer", variables: "properties: {n: {type: integer}}", deployment: "{n: true}", want: []string{`/n: variable "n" must be an integer, not a boolean`}},
		{name: "all at once", variables: "properties: {n: {minimum: 5}, s: {enum: [a, b]}}", deployment: "{n: 1, s: c}", want: []string{`/n: variable "n" must be at least 5, not 1`, `/s: variable "s" must be one of "a", "b", not "c"`}},
		{name: "inside a variable", variables: "properties: {o: {$ref: '#/definitions/O'}}\ndefinitions: {O: {properties: {n: {type: integer}}, required: [m]}}", deployment: "{o: {n: x}}", want: []string{`/o: variable "o" is missing "m"`, `/o/n: variable "o" at /n must be an integer, not a string`}},
		{name: "alternatives in one sentence", variables: "properties: {c: {anyOf: [{type: string}, {type: 'null'}]}}", deployment: "{c: 5}", want: []string{`/c: variable "c" must be a string or null, not a number`}},
		{name: "something required", variables: "properties: {n: {type: integer}}\nrequired: [n]", onlyRun: true, want: []string{`/n: variable "n" is required and has no value`}},
		{name: "null for something required", variables: "properties: {n: {type: integer}}\nrequired: [n]", deployment: "{n: null}", want: []string{`/n: variable "n" must be an integer, not null`}},
		{name: "an unknown variable where the schema is closed", variables: "properties: {image: {}}\nadditionalProperties: false", deployment: "{imgae: x}", want: []string{`/imgae: the template does not declare a variable "imgae" (did you mean "image"?)`}},
		{name: "a reference in a list where the schema wants text", variables: "properties: {env: {type: object, additionalProperties: {type: string}}}", deployment: "{env: [{name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]}", want: []string{`/env/B: variable "env" at /B must be a string, not an object`}},
		{name: "values after dotted keys", variables: "properties: {o: {properties: {n: {type: integer}}}}", deployment: "{o.n: x}", want: []string{`/o/n: variable "o" at /n must be an integer, not a string`}},
		{name: "one of two is required", variables: "properties: {a: {default: 1}, b: {}, env: {}}\nanyOf: [{required: [b]}, {required: [env]}]", deployment: "{a: 2}", onlyRun: true, want: []string{`the set of variables matches none of the alternatives: is missing "b"; or is missing "env"`}},
		{name: "something required where something else is given", variables: "properties: {a: {}, b: {}}\nif: {properties: {a: {const: 1}}, required: [a]}\nthen: {required: [b]}", deployment: "{a: 1}", onlyRun: true, want: []string{`the set of variables is missing "b"`}},
		{name: "something that goes with something else", variables: "properties: {a: {}, b: {}}\ndependentRequired: {a: [b]}\nnot: {required: [b]}", deployment: "{a: 1}", onlyRun: true, want: []string{`the set of variables is missing "b", which is required together with "a"`}},
		{name: "two alternatives at once", variables: "properties: {a: {oneOf: [{type: string}, {minLength: 2}]}}", deployment: "{a: xyz}", want: []string{`/a: variable "a" matches alternatives 1 and 2; exactly one must match`}},
		{name: "a dotted key into a scalar", variables: "properties: {o: {}}", deployment: "{o: 5, o.n: 1}", want: []string{`/o.n: o is set to an integer at the same level, so no entry can be set in it`}},
		{name: "env that is no environment", variables: "properties: {env: {}}", deployment: "{env: [A]}", want: []string{`/env/0: an item of env must be an object with name and value, not a string`}},
		{name: "env of a wrong type", variables: "properties: {env: {additionalProperties: {type: integer}}}", deployment: "{env: {A: x}}", want: []string{`/env/A: variable "env" at /A must be an integer, not a string`}},
		{name: "a number in env is its text", variables: "properties: {env: {additionalProperties: {type: string}}}", deployment: "{env: {A: 5, B: true}}"},
		{name: "an override of a frozen value", variables: "properties: {n: {}}\n---frozen\nn: 1", deployment: "{n: 2}", want: []string{`/n: "n" is frozen by the template and cannot be overridden`}},
		{name: "an override of what the deployment froze", variables: "properties: {n: {}}", frozen: "{n: 1}", run: "{n: 2}", onlyRun: true, want: []string{`/n: "n" is frozen by the deployment and cannot be overridden`}},
		{name: "an override of a frozen entry of env", variables: "properties: {env: {}}\n---frozen\nenv.P: 1", deployment: "{env: {P: 2, Q: 3}}", want: []string{`/env/P: the environment variable "P" is frozen by the template and cannot be overridden`}},
		{name: "a stored variable that is not there", variables: "properties: {n: {}}", deployment: "{n: '{{ berth.variables.nowhere }}'}", onlyRun: true, want: []string{`/n:1:1: stored variable "nowhere" does not exist`}},
		{name: "a block", variables: "properties: {n: {}}", deployment: "{n: 'x{{ prefect.blocks.secret.s }}'}", onlyDeployment: true, want: []string{"/n: prefect.blocks.secret.s: blocks are not supported (use a job variable, a stored variable ({{ berth.variables.NAME }}) or a Kubernetes Secret)"}},
		{name: "a block of the run", variables: "properties: {n: {}}", deployment: "{n: a}", run: "{n: 'x{{ prefect.blocks.secret.s }}'}", onlyRun: true, want: []string{`/n:1:2: prefect.blocks.secret.s: blocks are not supported`}},
		{name: "a block as an object", variables: "properties: {n: {}}", deployment: "{n: {$ref: {block_document_id: '1'}}}", want: []string{"/n: $ref to a block document: blocks are not supported (use a job variable, a stored variable ({{ berth.variables.NAME }}) or a Kubernetes Secret)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			variables, frozen, _ := strings.Cut(c.variables, "---frozen")
			program, err := templating.DefaultRegistry().Compile(&templating.Template{
				Variables: yaml(
					t, variables,
				), Frozen: yaml(t, frozen), JobConfiguration: map[string]any{"k": "{{ toJson . }}"},
			})
			if err != nil {
				t.Fatal(err)
			}
			layers := templating.Layers{
				Deployment: yaml(t, c.deployment), Run: yaml(t, c.run),
				DeploymentFrozen: yaml(t, c.frozen),
			}
			_, err = program.ValidateRun(layers, nil)
			if diff := cmp.Diff(c.want, lines(err)); diff != "" && !c.onlyDeployment {
				t.Errorf("run (-want +got):\n%s", diff)
			}
			want := c.want
			if c.onlyRun {
				want = nil
			}
			_, err = program.ValidateDeployment(yaml(t, c.deployment))
			if diff := cmp.Diff(want, lines(err)); diff != "" {
				t.Errorf("deployment (-want +got):\n%s", diff)
			}
		})
	}
}

func lines(err error) []string {
	var all []string
	for _, p := range templating.AsProblems(err) {
		all = append(all, p.String())
	}
	return all
}

func TestValuesThatAreAccepted(t *testing.T) {
	for _, c := range []struct{ name, variables, run, warning string }{
		{name: "null for what is not required", variables: "properties: {n: {type: integer, default: 5}}", run: "{n: null}"},
		{name: "a default satisfies what is required", variables: "properties: {n: {type: integer, default: 5}}\nrequired: [n]", run: "{}"},
		{name: "env as a list where the schema wants a mapping", variables: "properties: {env: {type: object, additionalProperties: {type: string}}}", run: "{env: [{name: A, value: a}, {name: B, value: b}]}"},
		{name: "unsetting where the schema wants strings", variables: "properties: {env: {type: object, additionalProperties: {type: string}}}", run: "{env: {A: null}}"},
		{name: "one of two is there", variables: "properties: {a: {default: 1}, b: {}, env: {type: object}}\nanyOf: [{required: [b]}, {required: [env]}]\nminProperties: 2", run: "{env: [{name: A, value: a}]}"},
		{name: "an unknown variable is a warning", variables: "properties: {image: {}}", run: "{imgae: x}", warning: `/imgae: the template does not declare a variable "imgae" (did you mean "image"?)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			program, err := templating.DefaultRegistry().Compile(&templating.Template{
				Variables: yaml(t, c.variables), JobConfiguration: map[string]any{"k": "{{ toJson . }}"},
			})
			if err != nil {
				t.Fatal(err)
			}
			warnings, err := program.ValidateRun(templating.Layers{Run: yaml(t, c.run)}, nil)
			if err != nil {
				t.Errorf("run: %v", err)
			}
			got := ""
			for _, w := range warnings {
				got += w.String()
			}
			if got != c.warning {
				t.Errorf("warnings %q, want %q", got, c.warning)
			}
			if _, err := program.ValidateDeployment(yaml(t, c.run)); err != nil {
				t.Errorf("deployment: %v", err)
			}
		})
	}
}

func TestStoredVariablesAreFoundAndResolvedInValues(t *testing.T) {
	program := levels(t, "a: {default: '{{ berth.variables.size }}'}\nb: {}\nc: {}")
	layers := templating.Layers{
		Deployment: map[string]any{"b": "{{ prefect.variables.size }}-{{ other }}"},
		Run:        map[string]any{"c": []any{map[string]any{"d": "{{ berth.variables.region.name }}"}}},
	}
	if diff := cmp.Diff([]string{"size"}, program.StoredReferences()); diff != "" {
		t.Errorf("of the template (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"region", "size"}, templating.StoredReferences(layers.Deployment, layers.Run)); diff != "" {
		t.Errorf("of the values (-want +got):\n%s", diff)
	}
	rendered, err := program.Render(context.Background(), templating.Input{
		Layers: layers, Stored: map[string]any{"size": int64(5), "region": map[string]any{"name": "{{ a }}"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": int64(5), "b": "5-{{ other }}", "c": []any{map[string]any{"d": "{{ a }}"}}}
	if diff := cmp.Diff(want, rendered.Configuration["values"]); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestTheSchemaIsHandedOutWithWhatIsFrozen(t *testing.T) {
	program := levels(t, "a: {type: integer}\nenv: {type: object}\n---frozen\na: 5\nenv.P: x")
	want := yaml(t, `
type: object
properties:
  a: {type: integer, const: 5, readOnly: true}
  env: {type: object, properties: {P: {const: x, readOnly: true}}}
`)
	if diff := cmp.Diff(want, program.VariablesSchema()); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

func TestTheSchemaForRunsOfADeploymentHasItsValues(t *testing.T) {
	program := levels(t,
		"a: {type: integer}\nb: {type: string}\nc: {type: string}\nd: {type: string}\n---frozen\na: 5")
	layers := templating.Layers{
		Deployment:       map[string]any{"a": int64(5), "b": "mine", "c": "kept"},
		DeploymentFrozen: map[string]any{"c": "kept"},
	}
	want := yaml(t, `
type: object
properties:
  a: {type: integer, const: 5, readOnly: true}
  b: {type: string, default: mine}
  c: {type: string, const: kept, readOnly: true}
  d: {type: string}
`)
	if diff := cmp.Diff(want, program.RunSchema(layers)); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

func TestAVariableThatDoesNotFitSaysWhatWasExpected(t *testing.T) {
	for _, test := range []struct{ schema, value, want string }{
		{`{"maxLength": 2}`, `"abc"`, `must have at most 2 characters, not 3`},
		{`{"minLength": 2}`, `"a"`, `must have at least 2 characters, not 1`},
		{`{"maxItems": 1}`, `[1, 2]`, `must have at most 1 items, not 2`},
		{`{"minItems": 1}`, `[]`, `must have at least 1 items, not 0`},
		{`{"minProperties": 1}`, `{}`, `must have at least 1 entries, not 0`},
		{`{"maxProperties": 0}`, `{"a": 1}`, `must have at most 0 entries, not 1`},
		{`{"exclusiveMinimum": 1}`, `1`, `must be more than 1, not 1`},
		{`{"exclusiveMaximum": 1}`, `1`, `must be less than 1, not 1`},
		{`{"multipleOf": 4}`, `6`, `must be a multiple of 4, not 6`},
		{`{"uniqueItems": true}`, `[1, 2, 1]`, `items 0 and 2 are equal; every item must be different`},
		{`{"pattern": "^a"}`, `"b"`, `must match the regular expression "^a" of its schema, not "b"`},
		{`{"const": 1}`, `2`, `must be 1, not 2`},
	} {
		parsed, err := templating.Parse(
			[]byte(`{"variables": {"properties": {"v": ` + test.schema + `}}, "job_configuration": {}}`))
		if err != nil {
			t.Fatal(err)
		}
		compiled, err := templating.DefaultRegistry().Compile(parsed)
		if err != nil {
			t.Fatal(err)
		}
		v, err := templating.DecodeJSON([]byte(test.value))
		if err != nil {
			t.Fatal(err)
		}
		_, err = compiled.ValidateDeployment(map[string]any{"v": v})
		if want := `/v: variable "v" ` + test.want; err == nil || err.Error() != want {
			t.Errorf("%s of %s: got %v, want %s", test.schema, test.value, err, want)
		}
	}
}
