// Package enginetest is the suite that every template engine must pass, whatever its syntax: placeholders,
// typing, missing values, determinism, bounds, concurrency and places in errors.
//
//	func TestMyEngine(t *testing.T) { enginetest.Run(t, myengine.New()) }
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating"
)

// Run runs the suite against an engine.
func Run(t *testing.T, engine templating.Engine) {
	t.Helper()
	s := suite{engine: engine}
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"it has a name that a registry takes", s.name},
		{"placeholders keep types and lose keys", s.placeholders},
		{"keys are never templates", s.keys},
		{"a tree that is one placeholder without a value is no value", s.noValue},
		{"values are not expanded again", s.noRescan},
		{"an object inside text is an error with its place", s.objectInText},
		{"all errors come at once, each with its pointer", s.allErrors},
		{"what is referred to is listed with its place", s.references},
		{"the same input gives the same bytes", s.determinism},
		{"a program is shared by goroutines", s.concurrency},
		{"values are not changed and not shared", s.isolation},
		{"the output is bounded", s.output},
		{"text is paid for while it is built", s.building},
		{"work is paid for with fuel", s.fuel},
		{"an ended context ends the render", s.context},
	} {
		t.Run(test.name, test.run)
	}
}

type suite struct{ engine templating.Engine }

func values() *templating.Values {
	return &templating.Values{
		Variables: map[string]any{
			"text": "a", "int": int64(7), "float": 2.0, "yes": true, "null": nil, "empty": "",
			"list": []any{
				"x", int64(1),
			}, "object": map[string]any{"k": map[string]any{"n": int64(3)}}, "template": "{{ text }}",
		},
		Context: map[string]any{"run": map[string]any{"id": "r", "attempt": int64(1)}},
		Stored:  map[string]any{"region": "eu"},
		Env:     map[string]string{"PROXY": "p"},
		Now:     time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Seed:    uuid.MustParse("0197b8f0-1234-7abc-9def-0123456789ab"),
	}
}

func (s suite) compile(t *testing.T, tree any) templating.Program {
	t.Helper()
	program, err := s.engine.Compile(
		tree,
		templating.Declarations{
			Pointer:   "/tree",
			Variables: []string{"float", "int", "list", "null", "object", "text", "yes"},
		},
	)
	for _, p := range templating.AsProblems(err) {
		if p.Severity != templating.SeverityWarning {
			t.Fatalf("compile: %v", err)
		}
	}
	if program == nil {
		t.Fatal("compile: neither a program nor an error")
	}
	return program
}

func (s suite) render(t *testing.T, tree any) any {
	t.Helper()
	v, err := s.compile(t, tree).Render(context.Background(), values())
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	return v
}

func encode(t *testing.T, v any) string {
	t.Helper()
	data, err := templating.EncodeJSON(v)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return string(data)
}

func (s suite) name(t *testing.T) {
	if _, err := templating.NewRegistry(s.engine); err != nil {
		t.Error(err)
	}
	if again := s.engine.Name(); again != s.engine.Name() {
		t.Error("the name changes")
	}
}

func (s suite) placeholders(t *testing.T) {
	for leaf, want := range map[string]string{
		"plain":                        `{"k":"plain"}`,
		"":                             `{"k":""}`,
		"{{ text }}":                   `{"k":"a"}`,
		"{{int}}":                      `{"k":7}`,
		"{{ float }}":                  `{"k":2.0}`,
		"{{ yes }}":                    `{"k":true}`,
		"{{ null }}":                   `{"k":null}`,
		"{{ empty }}":                  `{"k":""}`,
		"{{ list }}":                   `{"k":["x",1]}`,
		"{{ object }}":                 `{"k":{"k":{"n":3}}}`,
		"{{ object.k.n }}":             `{"k":3}`,
		"{{ list[1] }}":                `{"k":1}`,
		"{{ list.0 }}":                 `{"k":"x"}`,
		"{{ missing }}":                `{}`,
		"{{ object.missing }}":         `{}`,
		"{{ list[9] }}":                `{}`,
		"{{ text.x }}":                 `{}`,
		"-{{ int }}-{{ float }}-":      `{"k":"-7-2.0-"}`,
		"{{ int }} ":                   `{"k":"7 "}`,
		"{{ int }}{{ int }}":           `{"k":"77"}`,
		"[{{ missing }}{{ null }}]":    `{"k":"[]"}`,
		"${{ text }}":                  `{"k":"$a"}`,
		"{{{text}}}":                   `{"k":"{a}"}`,
		"{{ ctx.run.attempt }}":        `{"k":1}`,
		"{{ berth.variables.region }}": `{"k":"eu"}`,
		"{{ $PROXY }}":                 `{"k":"p"}`,
	} {
		if got := encode(t, s.render(t, map[string]any{"k": leaf})); got != want {
			t.Errorf("%q rendered to %s, want %s", leaf, got, want)
		}
	}
	got := encode(
		t,
		s.render(
			t,
			[]any{
				"{{ int }}",
				"{{ missing }}",
				map[string]any{"gone": "{{ missing }}"},
				int64(1),
				1.0,
				nil,
				false,
			},
		),
	)
	if want := `[7,{},1,1.0,null,false]`; got != want {
		t.Errorf("a list rendered to %s, want %s", got, want)
	}
}

func (s suite) keys(t *testing.T) {
	if got, want := encode(t, s.render(t, map[string]any{"{{ text }}": "{{ text }}"})), `{"{{ text }}":"a"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func (s suite) noValue(t *testing.T) {
	_, err := s.compile(t, "{{ missing }}").Render(context.Background(), values())
	if !errors.Is(err, templating.ErrNoValue) {
		t.Errorf("got %v, want %v", err, templating.ErrNoValue)
	}
}

func (s suite) noRescan(t *testing.T) {
	if got, want := encode(t, s.render(t, []any{"{{ template }}", "-{{ template }}"})), `["{{ text }}","-{{ text }}"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func (s suite) objectInText(t *testing.T) {
	_, err := s.compile(t, map[string]any{"a": []any{"ok", "x\n y {{ object }}"}}).
		Render(context.Background(), values())
	problems := templating.AsProblems(err)
	if len(problems) != 1 {
		t.Fatalf("got %v, want one problem", err)
	}
	p := problems[0]
	if p.Pointer != "/tree/a/1" || p.Line != 2 || p.Column != 4 || !strings.Contains(p.Message, "object") {
		t.Errorf("got %+v, want /tree/a/1 at line 2, column 4, naming the placeholder", p)
	}
}

func (s suite) allErrors(t *testing.T) {
	tree := map[string]any{
		"a/b": "{{ berth.variables.nowhere }}",
		"c":   map[string]any{"d": "{{ $NOWHERE }}"},
		"e":   "{{ text }}",
	}
	_, err := s.compile(t, tree).Render(context.Background(), values())
	pointers := map[string]bool{}
	for _, p := range templating.AsProblems(err) {
		pointers[p.Pointer] = true
	}
	if len(pointers) != 2 || !pointers["/tree/a~1b"] || !pointers["/tree/c/d"] {
		t.Errorf("got %v, want problems at /tree/a~1b and /tree/c/d", err)
	}
}

func (s suite) references(t *testing.T) {
	references := s.compile(t, map[string]any{"a": "{{ text }}\n{{ object.k }}", "b": []any{"{{ ctx.run.id }}"}}).
		References()
	got := map[string]bool{}
	for _, r := range references {
		line, column := r.Position()
		got[fmt.Sprintf("%s %s %s %d:%d", r.Kind, r.Name, r.Pointer, line, column)] = true
	}
	for _, want := range []string{"variable text /tree/a 1:1", "variable object.k /tree/a 2:1", "context ctx.run.id /tree/b/0 1:1"} {
		if !got[want] {
			t.Errorf("%q is not listed in %v", want, got)
		}
	}
}

// everything is a tree with some of all that engines share.
func everything() map[string]any {
	return map[string]any{
		"typed": "{{ object }}", "text": "{{ text }}-{{ int }}", "gone": "{{ missing }}", "literal": []any{"x", int64(1), nil},
		"nested": map[string]any{"a": []any{"{{ list }}", "{{ ctx.run.id }}"}}, "env": "{{ $PROXY }}",
	}
}

func (s suite) determinism(t *testing.T) {
	first := encode(t, s.render(t, everything()))
	for range 20 {
		if again := encode(t, s.render(t, everything())); again != first {
			t.Fatalf("first %s, then %s", first, again)
		}
	}
}

func (s suite) concurrency(t *testing.T) {
	program := s.compile(t, everything())
	shared := values()
	want := []byte(encode(t, s.render(t, everything())))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				v, err := program.Render(context.Background(), shared)
				if err != nil {
					t.Errorf("render: %v", err)
					return
				}
				if got, err := templating.EncodeJSON(v); err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %s (%v), want %s", got, err, want)
					return
				}
			}
		})
	}
	group.Wait()
}

func (s suite) isolation(t *testing.T) {
	program, given := s.compile(t, everything()), values()
	v, err := program.Render(context.Background(), given)
	if err != nil {
		t.Fatal(err)
	}
	root, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("an object rendered to %T", v)
	}
	for _, key := range []string{"typed", "nested"} {
		if inner, ok := root[key].(map[string]any); ok {
			inner["changed"] = true
		}
	}
	if literal, ok := root["literal"].([]any); ok {
		literal[0] = "changed"
	}
	if got, want := encode(t, given.Variables), encode(t, values().Variables); got != want {
		t.Errorf("changing the result changed the values: %s", got)
	}
	again, err := program.Render(context.Background(), values())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(encode(t, again), "changed") {
		t.Errorf("changing a result changed the program: %s", encode(t, again))
	}
}

func (s suite) output(t *testing.T) {
	given := values()
	given.Variables["text"] = strings.Repeat("x", 1000)
	given.Limits = templating.Limits{Output: 5000}
	_, err := s.compile(t, map[string]any{"k": strings.Repeat("-{{ text }}", 10)}).
		Render(context.Background(), given)
	problems := templating.AsProblems(err)
	if len(problems) == 0 || problems[0].Code != templating.CodeLimit {
		t.Errorf("got %v, want a problem with the code %q", err, templating.CodeLimit)
	}
}

// building a text stops at its bound, not when all of it is in memory.
func (s suite) building(t *testing.T) {
	given := values()
	given.Variables["text"] = strings.Repeat("x", 100_000)
	program := s.compile(t, map[string]any{"k": strings.Repeat("{{ text }}|", 2000)})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := program.Render(context.Background(), given)
	runtime.ReadMemStats(&after)
	problems := templating.AsProblems(err)
	if len(problems) == 0 || problems[0].Code != templating.CodeLimit {
		t.Errorf("got %v, want a problem with the code %q", err, templating.CodeLimit)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 {
		t.Errorf("%d MiB were taken before it was refused", taken>>20)
	}
}

// fuel is spent on what values hold, however little of it is written in the template.
func (s suite) fuel(t *testing.T) {
	given := values()
	many := make([]any, 1000)
	for i := range many {
		many[i] = int64(i)
	}
	given.Variables["list"] = many
	tree := make([]any, 100)
	for i := range tree {
		tree[i] = "{{ list }}"
	}
	budget := templating.NewBudget(context.Background(), templating.Limits{Fuel: 50_000})
	_, err := s.compile(t, tree).Render(context.Background(), given.Charge(budget))
	problems := templating.AsProblems(err)
	if len(problems) == 0 || problems[0].Code != templating.CodeLimit {
		t.Errorf("got %v, want a problem with the code %q", err, templating.CodeLimit)
	}
	if used := budget.Used().Fuel; used != 50_000 {
		t.Errorf("%d of 50000 steps were charged", used)
	}
}

func (s suite) context(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.compile(t, everything()).Render(ctx, values()); err == nil {
		t.Error("it rendered under a context that had ended")
	}
}
