package templating_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/templating"
)

// many makes a list.
func many(n int, item func(i int) any) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = item(i)
	}
	return list
}

// TestHostileValuesAreJudgedInTime holds that the work of judging values goes with their size, not with its
// square: whoever may start a run can send megabytes of them.
func TestHostileValuesAreJudgedInTime(t *testing.T) {
	const plain = `{variables: {properties: {env: {type: object}, a: {default: x}}}, job_configuration: {env: "{{ env }}", a: "{{ a }}"}}`
	named := func(i int) any { return map[string]any{"name": fmt.Sprint("n", i), "value": "x"} }
	dotted := map[string]any{"env": many(30_000, named)}
	unknown := map[string]any{}
	for i := range 100_000 {
		unknown[fmt.Sprint("u", i)] = int64(1)
		dotted[fmt.Sprint("env.d", i)] = "x"
	}
	frozen := map[string]any{"env": many(50_000, named)}
	var thousands strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&thousands, "p%d: {}, ", i)
	}
	var numbers strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&numbers, "%d, ", i)
	}
	schema := func(properties string) string {
		return "{variables: {properties: {" + properties + "}}, job_configuration: {a: '{{ a }}'}}"
	}
	for _, test := range []struct {
		name, template string
		layers         templating.Layers
		problems       int // what is wrong, of which no more is said than anybody reads
		warnings       int
	}{
		{name: "items of env that are none", template: plain, layers: templating.Layers{Run: map[string]any{"env": many(150_000, func(int) any { return int64(1) })}}, problems: 100},
		{name: "entries of env that are none", template: plain, layers: templating.Layers{Run: map[string]any{"env": entries(150_000, []any{})}}, problems: 100},
		{name: "very many items of env", template: plain, layers: templating.Layers{Deployment: map[string]any{"env": many(70_000, named)}, Run: map[string]any{"env": many(70_000, named)}}},
		{name: "very many dotted items of env", template: plain, layers: templating.Layers{Run: dotted}},
		{name: "very many frozen items of env", template: plain, layers: templating.Layers{Run: map[string]any{"env": many(50_000, named)}, DeploymentFrozen: frozen}},
		{name: "very many unknown variables", template: plain, layers: templating.Layers{Run: unknown}, warnings: 100},
		{name: "very many unknown variables beside many known", template: "{variables: {properties: {" + thousands.String() + "}}, job_configuration: {}}", layers: templating.Layers{Run: unknown}, warnings: 100},
		{name: "a pattern on a huge text", template: schema("a: {pattern: '(a?){300}b'}"), layers: templating.Layers{Run: map[string]any{"a": strings.Repeat("a", 4<<20)}}, problems: 1},
		{name: "a huge text that is to be a pattern", template: `{variables: {$schema: "http://json-schema.org/draft-07/schema#", properties: {a: {format: regex}}}, job_configuration: {a: '{{ a }}'}}`,
			layers: templating.Layers{Run: map[string]any{"a": strings.Repeat("a", 4<<20)}}, problems: 1},
		{name: "patterns on very many names", template: schema("a: {patternProperties: {'(a?){300}b': {}}}"), layers: templating.Layers{Run: map[string]any{"a": entries(100_000, "x")}}, problems: 1},
		{name: "a pattern of very many names", template: schema("a: {propertyNames: {pattern: '(a?){300}b'}}"), layers: templating.Layers{Run: map[string]any{"a": entries(100_000, "x")}}, problems: 1},
		{name: "very many items of very many alternatives", template: schema("a: {items: {enum: [" + numbers.String() + "]}}"), layers: templating.Layers{Run: map[string]any{"a": many(90_000, func(int) any { return "x" })}}, problems: 1},
		{name: "very many items of very many properties", template: schema("a: {items: {properties: {" + thousands.String() + "}}}"), layers: templating.Layers{Run: map[string]any{"a": many(90_000, func(int) any { return map[string]any{} })}}, problems: 1},
		{name: "very many items that are all different", template: schema("a: {uniqueItems: true}"), layers: templating.Layers{Run: map[string]any{"a": many(90_000, named)}}},
		{name: "a key that is nested without end", template: plain, layers: templating.Layers{Run: map[string]any{"a" + strings.Repeat(".a", 1_000_000): int64(1)}}, problems: 1},
		{name: "a nested key of a nested value", template: plain, layers: templating.Layers{Run: map[string]any{"a" + strings.Repeat(".a", 90): nested(90)}}, problems: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := compiled(t, test.template)
			var warnings []templating.Problem
			var err error
			guard(t, func() { warnings, err = c.ValidateRun(test.layers, nil) })
			if got := len(templating.AsProblems(err)); got != test.problems ||
				len(warnings) != test.warnings {
				t.Errorf("%d problems and %d warnings, want %d and %d: %.300v", got, len(warnings),
					test.problems, test.warnings, err)
			}
		})
	}
}

// entries makes an object of n entries.
func entries(n int, v any) map[string]any {
	object := make(map[string]any, n)
	for i := range n {
		object[fmt.Sprint("e", i)] = v
	}
	return object
}

// nested makes an object n levels deep.
func nested(n int) any {
	var v any = int64(1)
	for range n {
		v = map[string]any{"a": v}
	}
	return v
}

// guard ends a test that hangs.
func guard(t *testing.T, work func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	select {
	case <-done:
	case <-time.After(watchdog):
		t.Fatal("it hangs")
	}
}
