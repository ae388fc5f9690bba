package action_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating/internal/action"
	"github.com/berth-dev/berth/templating/internal/value"
)

func TestLimits(t *testing.T) {
	large := make([]any, 100_000)
	entries := make(object, 50_000)
	for i := range large {
		large[i] = "x"
		if i < 50_000 {
			entries[fmt.Sprint(i)] = "x"
		}
	}
	variables := object{"large": large, "entries": entries, "text": strings.Repeat("x", 100_000)}
	tests := map[string]struct {
		source string
		limits value.Limits
		want   string
	}{
		"a loop that prints nothing": {`{{ range 1000000000 }}{{ end }}`, value.Limits{}, "fuel"},
		"nested loops":               {`{{ range 10000 }}{{ range 10000 }}{{ end }}{{ end }}`, value.Limits{}, "fuel"},
		"a loop over a list":         {`{{ range .large }}{{ end }}`, value.Limits{Fuel: 1000}, "fuel"},
		"a loop over an object":      {`{{ range .entries }}{{ end }}`, value.Limits{Fuel: 1000}, "fuel"},
		"a loop with continue":       {`{{ range 1000000000 }}{{ continue }}{{ end }}`, value.Limits{}, "fuel"},
		"a loop of assignments": {
			`{{ $x := 0 }}{{ range 1000000000 }}{{ $x = add $x 1 }}{{ end }}`, value.Limits{}, "fuel",
		},
		"a loop of and":    {`{{ range 1000000000 }}{{ $x := and 1 1 }}{{ end }}`, value.Limits{}, "fuel"},
		"a loop of fields": {`{{ range 1000000000 }}{{ $x := $.a.b.c }}{{ end }}`, value.Limits{}, "fuel"},
		"statements":       {strings.Repeat(`{{ if true }}{{ end }}`, 600), value.Limits{Fuel: 1000}, "fuel"},
		"templates that invoke each other": {
			`{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`,
			value.Limits{}, "calls",
		},
		"a template that invokes itself twice": {
			`{{ define "a" }}{{ if . }}{{ template "a" (sub . 1) }}{{ template "a" (sub . 1) }}{{ end }}{{ end }}{{ template "a" 90 }}`,
			value.Limits{}, "fuel",
		},
		"an include that includes itself": {
			`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`, value.Limits{}, "calls",
		},
		"output":               {`{{ range .large }}{{ $.text }}{{ end }}`, value.Limits{}, "output"},
		"output of text alone": {strings.Repeat("x", 2000), value.Limits{Output: 1000}, "output"},
		"output of numbers":    {`{{ range 1000 }}{{ . }}{{ end }}`, value.Limits{Output: 1000}, "output"},
		"an include counts as memory, not as output": {
			`{{ define "a" }}{{ .text }}{{ end }}{{ range .large }}{{ $x := include "a" $ }}{{ end }}`,
			value.Limits{}, "alloc",
		},
		"includes that double": {
			`{{ define "a" }}{{ . }}{{ . }}{{ end }}{{ $x := .text }}{{ range 30 }}{{ $x = include "a" $x }}{{ end }}`,
			value.Limits{}, "alloc",
		},
		"memory of lists": {
			`{{ $x := list }}{{ range 100000 }}{{ $x = append $x . }}{{ end }}`, value.Limits{}, "fuel",
		},
		"memory of objects": {
			`{{ range 1000 }}{{ $x := deepCopy $.entries }}{{ end }}`, value.Limits{}, "alloc",
		},
		"a copy of all variables for a leaf that changes": {
			`{{ $_ := set . "a" 1 }}`, value.Limits{Alloc: 1000}, "alloc",
		},
		"the root as one object": {`{{ $x := . }}`, value.Limits{Alloc: 100}, "alloc"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := limited(t, test.source, variables, test.limits); limitOf(err) != test.want {
				t.Errorf("got %v, want the limit %q", err, test.want)
			}
		})
	}
}

func TestWorkIsCharged(t *testing.T) {
	variables := object{"l": list("a", "b", "c"), "s": "text", "o": object{"a": object{"b": int64(1)}}}
	tests := map[string]struct {
		source        string
		least, atMost int64
	}{
		"text costs a step":              {"text", 1, 1},
		"an empty iteration":             {`{{ range 100 }}{{ end }}`, 200, 300},
		"a call costs more than a field": {`{{ $x := upper .s }}`, 6, 20},
		"each step of a path":            {`{{ $x := .o.a.b }}`, 3, 10},
		"an invocation":                  {`{{ define "t" }}{{ end }}{{ template "t" }}`, 10, 20},
		"both sides of and":              {`{{ $x := and 1 1 1 }}`, 3, 10},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			used, err := limited(t, test.source, variables, value.Limits{})
			if err != nil || used.Fuel < test.least || used.Fuel > test.atMost {
				t.Errorf("%s used %d steps (%v), want %d to %d", test.source, used.Fuel, err, test.least,
					test.atMost)
			}
		})
	}
	used, err := limited(t, "12345{{ .s }}", variables, value.Limits{})
	if err != nil || used.Output != 9 {
		t.Errorf("charged %d bytes of output (%v), want 9", used.Output, err)
	}
}

func TestAnExecutionStopsWhenItsContextEnds(t *testing.T) {
	stopped := errors.New("the worker stops")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(stopped)
	p := compiled(t, `{{ range 100000 }}{{ end }}`, action.Options{Text: true})
	p.env.Budget = value.NewBudget(ctx, value.Limits{})
	if _, err := p.Text(&p.env); !errors.Is(err, stopped) {
		t.Errorf("got %v, want the cause of the context", err)
	}
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	entries := object{}
	for i := range 50 {
		entries[fmt.Sprintf("key-%02d", i)] = int64(i)
	}
	source := `{{ range $k, $v := .o }}{{ $k }}={{ $v }} {{ end }}{{ keys .o }}{{ values .o | len }}` +
		`{{ toJson .o }}{{ toYaml .o }}{{ (now) }}{{ (uuidv4) }}{{ (uuidv4) }}{{ merge (dict) .o | toJson }}`
	source = strings.Replace(source, "{{ keys .o }}", `{{ keys .o | join "," }}`, 1)
	p := compiled(t, source, action.Options{Text: true})
	want := ""
	for range 20 {
		env := p.env
		env.Variables, env.Budget = object{"o": entries}, value.NewBudget(context.Background(),
			value.Limits{})
		got, err := p.Text(&env)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("two executions differ:\n%s\n%s", want, got)
		}
	}
}

func TestATemplateIsSharedByGoroutines(t *testing.T) {
	p := compiled(t,
		`{{ $x := 0 }}{{ range .n }}{{ $x = add $x . }}{{ end }}{{ $_ := set .o "x" $x }}{{ .o.x }}`,
		action.Options{Text: true})
	shared := object{"n": int64(100), "o": object{}}
	var executions sync.WaitGroup
	for range 20 {
		executions.Go(func() {
			env := p.env
			env.Variables, env.Budget = shared, value.NewBudget(context.Background(), value.Limits{})
			if got, err := p.Text(&env); err != nil || got != "4950" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	executions.Wait()
	if diff := cmp.Diff(object{"n": int64(100), "o": object{}}, shared); diff != "" {
		t.Errorf("the shared variables changed (-before +after):\n%s", diff)
	}
}

func TestAnActionThatChangesWorksOnACopyOfItsOwn(t *testing.T) {
	variables := object{"o": object{"a": int64(1)}}
	got, err := text(t, `{{ $_ := set .o "b" 2 }}{{ keys .o | join "," }}{{ hasKey $.o "b" }}`, variables)
	if err != nil || got != "a,btrue" {
		t.Errorf("the leaf sees %q (%v), want its own change", got, err)
	}
	if again, err := text(t, `{{ keys .o | join "," }}`, variables); err != nil || again != "a" {
		t.Errorf("another leaf sees %q (%v), want no change", again, err)
	}
}
