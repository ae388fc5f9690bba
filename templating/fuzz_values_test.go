package templating_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
)

// FuzzValues: values of three levels are judged and merged the same way twice, within bounds and without
// being changed, whatever the schema says.
func FuzzValues(f *testing.F) {
	for _, seed := range [][4]string{
		{`properties: {a: {type: integer, default: 1}, env: {type: object}}`, `{a: 2, env.X: y}`, `{env: [{name: X, value: null}]}`, `{a: 2}`},
		{`{properties: {a: {$ref: "#/$defs/x"}}, $defs: {x: {anyOf: [{type: string}, {items: {$ref: "#/$defs/x"}}]}}, required: [a]}`, `{a: [[b]]}`, `{a.b.c: 1}`, `{}`},
		{`{patternProperties: {"^x": {pattern: "(a+)+b"}}, additionalProperties: false, examples: [{xa: aab}]}`, `{xa: aaaa}`, `{y: 1}`, `{env.A: "{{ berth.variables.v }}"}`},
		{`{properties: {env: {type: array, items: {required: [name]}}}, minProperties: 1, not: {required: [z]}}`, `{env: {A: {valueFrom: {secretKeyRef: {name: s, key: k}}}}}`, `{env: {A: null}}`, `{env.B: "{{ prefect.blocks.b }}"}`},
		{`{properties: {o: {unevaluatedProperties: false, properties: {p: {const: 2.0}}}}, if: {required: [o]}, then: {required: [q]}}`, `{o: {p: 2}}`, `{o.p: 2.0, o: {}}`, `{o: 5}`},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, schema, deployment, run, frozen string) {
		defer inTime(t, time.Now())
		var objects [4]map[string]any
		for i, text := range []string{schema, deployment, run, frozen} {
			v, err := templating.DecodeYAML([]byte(text))
			if err != nil {
				return
			}
			objects[i], _ = v.(map[string]any) // what is none says nothing
		}
		source := &templating.Template{
			Variables: objects[0], Frozen: objects[3],
			JobConfiguration: map[string]any{"env": "{{ env }}", "all": "{{ toJson . }}"},
		}
		report := templating.Lint(templating.DefaultRegistry(), source,
			func(*templating.Rendered) []templating.Problem { return nil })
		if diff := cmp.Diff(report, templating.Lint(templating.DefaultRegistry(), source, func(*templating.Rendered) []templating.Problem { return nil })); diff != "" {
			t.Errorf("another report the second time:\n%s", diff)
		}
		c, _ := templating.DefaultRegistry().Compile(source) // what is wrong with it is in the report
		if c == nil {
			return
		}
		layers := templating.Layers{Deployment: objects[1], Run: objects[2], DeploymentFrozen: objects[3]}
		before, err := templating.EncodeJSON(
			map[string]any{"d": objects[1], "r": objects[2], "f": objects[3], "s": objects[0]})
		if err != nil {
			t.Fatal(err)
		}
		first, second := outcomeOf(c, layers), outcomeOf(c, layers)
		if first != second {
			t.Errorf("first\n%s\nthen\n%s", first, second)
		}
		after, err := templating.EncodeJSON(
			map[string]any{"d": objects[1], "r": objects[2], "f": objects[3], "s": objects[0]})
		if err != nil || string(before) != string(after) {
			t.Errorf("changed from\n%s\nto\n%s (%v)", before, after, err)
		}
	})
}

// outcomeOf is all that is said of values, and what they render to.
func outcomeOf(c *templating.Compiled, layers templating.Layers) string {
	text := ""
	stored := map[string]any{"v": int64(1)}
	say := func(warnings []templating.Problem, err error) {
		for _, p := range append(warnings, templating.AsProblems(err)...) {
			text += p.String() + "\n"
		}
	}
	say(c.ValidateDeployment(layers.Deployment))
	say(c.ValidateRun(layers, stored))
	rendered, err := c.Render(
		context.Background(),
		templating.Input{
			Layers: layers, Stored: stored,
			Limits: templating.Limits{Fuel: 50_000, Alloc: 1 << 20, Output: 64 << 10},
		},
	)
	say(nil, err)
	if rendered != nil {
		document, err := templating.EncodeJSON(rendered.Configuration)
		say(nil, err)
		text += string(document)
	}
	return text
}
