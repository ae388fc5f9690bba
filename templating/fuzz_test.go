package templating_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
)

// FuzzParse: whatever is parsed has a stored form that parses to the same template and compiles without a
// panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte(everythingTemplate))
	f.Add(
		[]byte(
			`{"variables": {"properties": {"a": {"default": 2.0}}}, "job_configuration": {"k": "{{ a }}"}}`),
	)
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("job_configuration: {<<: {a: 1}, b: !!str x}"))
	f.Add([]byte("variables: {$ref: 'x', properties: {p: {pattern: '(a{9}){9}'}}}\njob_configuration: {}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer inTime(t, time.Now())
		first, err := templating.Parse(data)
		if err != nil {
			return
		}
		stored, err := first.JSON()
		if err != nil {
			t.Fatalf("no stored form: %v", err)
		}
		second, err := templating.Parse(stored)
		if err != nil {
			t.Fatalf("the stored form does not parse: %v\n%s", err, stored)
		}
		if again, err := second.JSON(); err != nil || !bytes.Equal(stored, again) {
			t.Fatalf("the stored form is not canonical (%v):\n%s\n%s", err, stored, again)
		}
		_, err = templating.DefaultRegistry().Compile(second)
		for _, p := range templating.AsProblems(err) {
			if p.Message == "" {
				t.Errorf("a problem without a message: %+v", p)
			}
		}
	})
}

// FuzzRender: a leaf renders or fails, the same way twice, within its bounds, without changing its values.
func FuzzRender(f *testing.F) {
	for _, h := range hostiles() {
		if h.leaf != "" && len(h.leaf) < 1000 {
			f.Add(h.leaf)
		}
	}
	for _, leaf := range []string{"{{ image }}", "{{{image}}}", "${{ object.a.b }}", "{{ $x := .list }}{{ range $i, $v := $x }}{{ $i }}{{ end }}", "{{- /* c */ -}} x", `{{ printf "%05.2f|%-8q" 1.5 .image }}`, `{{ quantity "1.5Gi" "-" "1Mi" }}`} {
		f.Add(leaf)
	}
	f.Fuzz(func(t *testing.T, leaf string) { fuzzTree(t, map[string]any{"k": leaf}) })
}

// FuzzTextManifest is FuzzRender for manifests that are one text.
func FuzzTextManifest(f *testing.F) {
	for _, h := range hostiles() {
		if h.text != "" && len(h.text) < 1000 {
			f.Add(h.text)
		}
	}
	f.Add(
		"a: {{ .image }}\nb: {{ toYaml .object | nindent 2 }}\n{{ define \"x\" }}{{ . }}{{ end }}c: {{ include \"x\" .tag }}")
	f.Fuzz(func(t *testing.T, text string) { fuzzTree(t, map[string]any{"job_manifest": text}) })
}

// inTime fails an input that takes much longer than its bounds allow.
func inTime(t *testing.T, start time.Time) {
	if took := time.Since(start); took > watchdog/4 {
		t.Errorf("it took %v", took)
	}
}

func fuzzTree(t *testing.T, tree map[string]any) {
	defer inTime(t, time.Now())
	for _, engine := range []templating.Engine{templating.GoTemplateEngine(), templating.PlaceholderEngine()} {
		program, err := engine.Compile(tree, templating.Declarations{Variables: []string{"image"}})
		if program == nil {
			if err == nil {
				t.Fatal("neither a program nor an error")
			}
			continue
		}
		given := values()
		given.Limits = templating.Limits{Fuel: 20_000, Alloc: 1 << 20, Output: 64 << 10}
		want := *given
		first, firstErr := program.Render(context.Background(), given)
		second, secondErr := program.Render(context.Background(), given)
		if (firstErr == nil) != (secondErr == nil) ||
			firstErr != nil && firstErr.Error() != secondErr.Error() {
			t.Fatalf("first %v, then %v", firstErr, secondErr)
		}
		if diff := cmp.Diff(values().Variables, want.Variables); diff != "" {
			t.Fatalf("the values changed:\n%s", diff)
		}
		if firstErr != nil {
			if !errors.Is(firstErr, templating.ErrNoValue) &&
				strings.Contains(firstErr.Error(), "internal error") {
				t.Fatal(firstErr)
			}
			continue
		}
		a, err := templating.EncodeJSON(first)
		if err != nil {
			t.Fatalf("the result is no value: %v", err)
		}
		if b, err := templating.EncodeJSON(second); err != nil || !bytes.Equal(a, b) {
			t.Fatalf("first %s, then %s (%v)", a, b, err)
		}
	}
}
