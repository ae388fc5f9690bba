package templating_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating"
)

// values are what most cases render with.
func values() *templating.Values {
	return &templating.Values{
		Variables: map[string]any{
			"image": "busybox", "tag": int64(5), "memory": int64(128), "gpu": true, "off": false, "ratio": 2.0, "none": nil,
			"list": []any{
				"a", "b",
			}, "object": map[string]any{"a": map[string]any{"b": int64(1)}, "z": "last"},
			"build-image": "dashed", "text": "{{ image }}",
		},
		Context: map[string]any{"run": map[string]any{"id": "r1", "attempt": int64(2)}},
		Stored:  map[string]any{"region": "eu", "sizes": map[string]any{"big": int64(9)}},
		Env:     map[string]string{"HTTP_PROXY": "http://proxy"},
		Now:     time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Seed:    uuid.MustParse("0197b8f0-1234-7abc-9def-0123456789ab"),
	}
}

// noValue is what a case wants where the key would be gone.
type noValue struct{}

func TestGoTemplateLeaves(t *testing.T) {
	for _, c := range []struct {
		name, leaf string
		want       any
	}{
		{"a whole placeholder keeps its type", "{{ tag }}", int64(5)},
		{"a placeholder in text is text", "v{{ tag }}", "v5"},
		{"a float prints as a float", "x{{ ratio }}", "x2.0"},
		{"a dotted placeholder walks", "{{ object.a.b }}", int64(1)},
		{"a dashed name is a placeholder", "{{ build-image }}", "dashed"},
		{"three braces hold a placeholder", "{{{image}}}", "{busybox}"},
		{"three braces beside an action", "{{{image}}}{{ .tag }}", "{busybox}5"},
		{"a dollar before a placeholder is text", "${{ image }}", "$busybox"},
		{"ctx is a placeholder", "{{ ctx.run.attempt }}", int64(2)},
		{"a stored variable is a placeholder", "{{ berth.variables.sizes.big }}", int64(9)},
		{"the old spelling of a stored variable", "{{ prefect.variables.region }}", "eu"},
		{"the worker's environment is text", "{{ $HTTP_PROXY }}", "http://proxy"},
		{"values are not expanded again", "{{ text }}", "{{ image }}"},
		{"a single action keeps its type", "{{ .tag }}", int64(5)},
		{"a single action with a function keeps its type", `{{ list "a" .tag }}`, []any{"a", int64(5)}},
		{"a single action with trim markers keeps its type", "{{- .list -}}", []any{"a", "b"}},
		{"an action with text is text", "{{ .tag }}!", "5!"},
		{"two actions are text", "{{ .tag }}{{ .tag }}", "55"},
		{"a trailing new line makes it text", "{{ .tag }}\n", "5\n"},
		{"a placeholder beside an action", "{{ image }}:{{ .tag | add 1 }}", "busybox:6"},
		{"an if is text", "{{ if .gpu }}{{ tag }}{{ else }}no{{ end }}", "5"},
		{"a missing value prints as nothing", "x{{ .missing }}y", "xy"},
		{"null prints as nothing", "x{{ .none }}y", "xy"},
		{"a missing value alone is no value", "{{ .missing }}", noValue{}},
		{"null alone is null", "{{ .none }}", nil},
		{"absent is no value", "{{ absent }}", noValue{}},
		{"ternary passes absent on", `{{ ternary (dict "gpu" "true") absent .off }}`, noValue{}},
		{"ternary passes the value on", `{{ ternary (dict "gpu" "true") absent .gpu }}`, map[string]any{"gpu": "true"}},
		{"nothing is appended and prepended to a list", `{{ prepend (append .list absent) .missing }}`, []any{"a", "b"}},
		{"something is appended and prepended to a list", `{{ prepend (append .list nil) .tag }}`, []any{int64(5), "a", "b", nil}},
		{"an entry that is set to nothing is gone", `{{ set (set (dict "a" 1 "b" 2) "a" absent) "b" nil }}`, map[string]any{"b": nil}},
		{"dig passes absent on", `{{ dig "x" "y" absent .object }}`, noValue{}},
		{"a query of a URL", `{{ urlquery "a b&c" }}`, "a+b%26c"},
		{"absent leaves lists and objects", `{{ list 1 absent (dict "a" absent "b" 2) }}`, []any{int64(1), map[string]any{"b": int64(2)}}},
		{"the root is an action", "{{ $.tag }}", int64(5)},
		{"a declared variable is an action", "{{ $x := .tag }}{{ $x }}", "5"},
		{"a declared variable has any letters", "{{ $größe := .tag }}{{ $größe }}", "5"},
		{"range over a list", "{{ range $i, $v := .list }}{{ $i }}{{ $v }},{{ end }}", "0a,1b,"},
		{"range over an object goes by its keys", "{{ range $k, $v := .object }}{{ $k }}{{ end }}", "az"},
		{"range over an integer", "{{ range 3 }}{{ . }}{{ end }}", "012"},
		{"range with else", "{{ range .missing }}x{{ else }}none{{ end }}", "none"},
		{"break and continue", "{{ range until 9 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if gt . 4 }}{{ break }}{{ end }}{{ . }}{{ end }}", "0134"},
		{"with changes dot", "{{ with .object.a }}{{ .b }}{{ end }}", "1"},
		{"braces inside a string", `{{ printf "%s" "}} {{ image }}" }}`, "}} {{ image }}"},
		{"and and or stop early", `{{ or .gpu (fail "never") }}{{ and .off (fail "never") }}`, "truefalse"},
		{"sprig's default", `{{ .missing | default "x" }}`, "x"},
		{"now is the scheduled time", `{{ now | date "2006-01-02" }}`, "2026-01-02"},
		{"a function without an argument", "{{ (now) }}", "2026-01-02T03:04:05Z"},
		{"uuidv4 is derived", "{{ uuidv4 | len }}", int64(36)},
		{"quantities add", `{{ quantity "1Gi" "+" "512Mi" }}`, "1536Mi"},
		{"quantities scale", `{{ quantity "500m" "*" 3 }}`, "1500m"},
		{"half is rounded away from zero", `{{ round 2.5 0 }} {{ round -2.5 0 }} {{ round -2.4 0 }} {{ round 3.14159 2 }} {{ round 1e300 15 }}`, "3 -3 -2 3.14 1e+300"},
		{"slug", `{{ slug "Hello, World" }}`, "hello-world"},
		{"toYaml in text", "{{ toYaml .object }}!", "a:\n  b: 1\nz: last!"},
		{"set works on a copy", `{{ $_ := set .object "n" 2 }}{{ len .object }}`, "3"},
		{"comments are nothing", "{{/* {{ image }} */}}x", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			program, err := templating.GoTemplateEngine().
				Compile(map[string]any{"k": c.leaf}, templating.Declarations{Variables: []string{"image", "tag"}})
			if err != nil {
				t.Fatal(err)
			}
			given := values()
			got, err := program.Render(context.Background(), given)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{"k": c.want}
			if c.want == (noValue{}) {
				want = map[string]any{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(values(), given, cmp.AllowUnexported(templating.Values{})); diff != "" {
				t.Errorf("the render changed its values (-before +after):\n%s", diff)
			}
		})
	}
}

func TestGoTemplateTextManifest(t *testing.T) {
	source := `
{{- define "labels" }}
app: {{ .image }}
{{- end }}
kind: Job
metadata:
  labels: {{- include "labels" . | nindent 4 }}
{{- if .gpu }}
spec: {gpu: {{ .tag }}}
{{- end }}
`
	program, err := templating.GoTemplateEngine().
		Compile(map[string]any{"job_manifest": source}, templating.Declarations{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := program.Render(context.Background(), values())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"job_manifest": map[string]any{
		"kind": "Job", "metadata": map[string]any{"labels": map[string]any{"app": "busybox"}}, "spec": map[string]any{"gpu": int64(5)},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}

func TestGoTemplateErrorsNameTheirPlace(t *testing.T) {
	for _, c := range []struct {
		name, key, leaf     string
		code                string
		line, column        int
		message, suggestion string
	}{
		{"an unknown function", "k", "a\n b {{ upperr .image }}", templating.CodeFunction, 2, 7, `unknown function "upperr"`, `did you mean "upper"?`},
		{"a function that reaches outside", "k", `{{ env "HOME" }}`, templating.CodeFunction, 1, 4, `function "env" is not allowed: it reads the process that renders`, ""},
		{"a bare name in an action", "k", "{{ upper image }}", templating.CodeFunction, 1, 10, `"image" is a variable, not a function`, "write .image"},
		{"a bare name in a text manifest", "job_manifest", "x: {{ image }}", templating.CodeFunction, 1, 7, `"image" is a variable, not a function`, "write .image"},
		{"a bare dotted name in a text manifest", "job_manifest", "x: {{ image.tag }}", templating.CodeFunction, 1, 7, `"image.tag" is a variable, not a function`, "write .image.tag"},
		{"an action that is not closed", "k", "a\n{{ .image", templating.CodeSyntax, 2, 1, "missing closing }} of an action", ""},
		{"a place after a placeholder", "k", "{{ image }} {{ div 1 0 }}", templating.CodeRender, 1, 16, "div: division by zero", ""},
		{"a syntax error after a placeholder of several lines", "k", "{{\nimage\n}}\n {{ .tag ) }}", templating.CodeSyntax, 4, 2, "unexpected )", ""},
		{"a place after a placeholder of several lines", "k", "{{\nimage\n}}\n {{ div 1 0 }}", templating.CodeRender, 4, 5, "div: division by zero", ""},
		{"a number that is no integer", "k", "{{ repeat 9223372036854775808.0 .image }}", templating.CodeRender, 1, 4, "repeat: argument 1 must be an integer, not a number", ""},
		{"a field of a string", "k", "{{ .image.x }}", templating.CodeRender, 1, 10, `a string has no field "x"`, ""},
		{"an object in text", "k", "x{{ .object }}", templating.CodeRender, 1, 5, "an object cannot be printed as text; convert it with toYaml or toJson", ""},
		{"a list in a partial placeholder", "k", "x{{ list }}", templating.CodeType, 1, 2, "list is a list and cannot be part of a longer string", "make the placeholder the whole value, without text around it"},
		{"define outside of a text", "k", `{{ define "x" }}{{ end }}`, templating.CodeSyntax, 1, 17, "define and block are only allowed in a job_manifest written as one string", ""},
		{"a template that nothing defines, where it is never invoked", "job_manifest", "{{ if false }}\n{{ template \"labels\" . }}{{ end }}", templating.CodeSyntax, 2, 13, `template "labels" is not defined`, ""},
		{"an include of what nothing defines", "job_manifest", `{{ define "label" }}{{ end }}{{ include "labels" . }}`, templating.CodeSyntax, 1, 41, `template "labels" is not defined`, ""},
		{"rendered YAML that is not strict", "job_manifest", "a: 1\na: 2", templating.CodeSyntax, 0, 0, "rendered manifest: line 2, column 1: duplicate key \"a\"\n    1 | a: 1\n>   2 | a: 2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			program, err := templating.GoTemplateEngine().
				Compile(map[string]any{c.key: c.leaf}, templating.Declarations{Variables: []string{"image", "tag"}})
			if err == nil {
				_, err = program.Render(context.Background(), values())
			}
			var problems templating.Problems
			if !errors.As(err, &problems) || len(problems) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			got := problems[0]
			got.Excerpt = ""
			want := templating.Problem{
				Severity: templating.SeverityError, Code: c.code, Pointer: "/" + c.key, Line: c.line, Column: c.column, Message: c.message, Suggestion: c.suggestion,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
		})
	}
}
