package action_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating/internal/action"
	"github.com/berth-dev/berth/templating/internal/value"
)

func statementVariables() object {
	return object{
		"yes": true, "no": false, "n": int64(3), "s": "text", "blank": "", "null": nil,
		"l": list("a", "b",
			"c"), "none": list(), "o": object{"k": "v", "a": "w", "in": object{"x": int64(1)}},
	}
}

func TestStatements(t *testing.T) {
	tests := map[string]struct{ source, want string }{
		"if with a true condition":              {`{{ if .yes }}a{{ end }}`, "a"},
		"if with a false condition":             {`{{ if .no }}a{{ end }}`, ""},
		"if with else":                          {`{{ if .no }}a{{ else }}b{{ end }}`, "b"},
		"if with else if":                       {`{{ if .no }}a{{ else if .yes }}b{{ else }}c{{ end }}`, "b"},
		"if takes a missing variable for false": {`{{ if .missing }}a{{ else }}b{{ end }}`, "b"},
		"if keeps dot":                          {`{{ if .o }}{{ .s }}{{ end }}`, "text"},
		"a variable declared in if is visible in else": {
			`{{ if $x := .blank }}a{{ else }}[{{ $x }}]{{ end }}`, "[]",
		},
		"with sets dot": {`{{ with .o.in }}{{ .x }}{{ end }}`, "1"},
		"with of an empty value runs else with dot": {
			`{{ with .blank }}a{{ else }}{{ .s }}{{ end }}`, "text",
		},
		"with else with":                      {`{{ with .blank }}a{{ else with .s }}{{ . }}{{ end }}`, "text"},
		"with restores dot":                   {`{{ with .o }}{{ end }}{{ .s }}`, "text"},
		"with declares a variable":            {`{{ with $x := .o }}{{ $x.k }}{{ .k }}{{ end }}`, "vv"},
		"dollar is the root inside with":      {`{{ with .o }}{{ $.s }}{{ end }}`, "text"},
		"range over a list":                   {`{{ range .l }}[{{ . }}]{{ end }}`, "[a][b][c]"},
		"range with an index":                 {`{{ range $i, $v := .l }}{{ $i }}{{ $v }}{{ end }}`, "0a1b2c"},
		"range with one variable is the item": {`{{ range $v := .l }}{{ $v }}{{ end }}`, "abc"},
		"range over an object is in the order of its keys": {
			`{{ range $k, $v := .o }}{{ $k }} {{ end }}`, "a in k ",
		},
		"range over an integer":                     {`{{ range .n }}{{ . }}{{ end }}`, "012"},
		"range over zero runs else":                 {`{{ range 0 }}a{{ else }}b{{ end }}`, "b"},
		"range over a negative integer runs else":   {`{{ range -1 }}a{{ else }}b{{ end }}`, "b"},
		"range over an empty list runs else":        {`{{ range .none }}a{{ else }}b{{ end }}`, "b"},
		"range over null runs else":                 {`{{ range .null }}a{{ else }}{{ .s }}{{ end }}`, "text"},
		"range over a missing variable runs else":   {`{{ range .missing }}a{{ else }}b{{ end }}`, "b"},
		"range restores dot":                        {`{{ range .l }}{{ end }}{{ .s }}`, "text"},
		"break ends the loop":                       {`{{ range .l }}{{ if eq . "b" }}{{ break }}{{ end }}{{ . }}{{ end }}`, "a"},
		"break at the first item does not run else": {`{{ range .l }}{{ break }}{{ else }}x{{ end }}`, ""},
		"continue goes on with the next item": {
			`{{ range .l }}{{ if eq . "b" }}{{ continue }}{{ end }}{{ . }}{{ end }}`, "ac",
		},
		"break ends the inner loop only": {
			`{{ range .l }}{{ . }}{{ range $.l }}{{ break }}{{ end }}{{ end }}`, "abc",
		},
		"an assignment in a block is seen after it": {
			`{{ $x := 1 }}{{ if .yes }}{{ $x = 2 }}{{ end }}{{ $x }}`, "2",
		},
		"a declaration in a block hides the outer one": {
			`{{ $x := 1 }}{{ if .yes }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}`, "21",
		},
		"range assigns to declared variables": {
			`{{ $k := 0 }}{{ $v := "" }}{{ range $k, $v = .l }}{{ end }}{{ $k }}{{ $v }}`, "2c",
		},
		"an assignment prints nothing":                  {`[{{ $x := 5 }}]`, "[]"},
		"a comment prints nothing":                      {`a{{/* b */}}c`, "ac"},
		"dashes trim white space":                       {"a \n {{- .s -}} \n b", "atextb"},
		"a pipeline passes its value last":              {`{{ .s | trunc 2 | upper | printf "%s-%s" "x" }}`, "x-TE"},
		"parentheses group":                             {`{{ upper (print .s "!") }}`, "TEXT!"},
		"a field of a call in parentheses":              {`{{ (dict "a" (dict "b" 1)).a.b }}`, "1"},
		"a field of a variable":                         {`{{ $x := .o }}{{ $x.in.x }}`, "1"},
		"a missing field of a missing field is nothing": {`[{{ .o.nope.deeper }}]`, "[]"},
		"null prints as nothing":                        {`[{{ .null }}]`, "[]"},
		"numbers print as JSON writes them": {
			`{{ 1e3 }} {{ 0x10 }} {{ 1.5 }} {{ -0.25 }}`, "1000 16 1.5 -0.25",
		},
		"a character is its number, as in Go": {`{{ 'a' }}`, "97"},
		"a raw string":                        {"{{ `a\"b` }}", `a"b`},
		"braces in a string":                  {`{{ "}}" }}`, "}}"},
		"the run at hand":                     {`{{ .ctx.run.name }}`, "nightly"},
		"define and template":                 {`{{ define "t" }}[{{ .k }}]{{ end }}{{ template "t" .o }}`, "[v]"},
		"template without data has a null dot": {
			`{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" }}`, "[]",
		},
		"the dollar of a template is its data": {
			`{{ define "t" }}{{ with "x" }}{{ $.k }}{{ end }}{{ end }}{{ template "t" .o }}`, "v",
		},
		"a template does not see variables of its caller": {
			`{{ $x := 1 }}{{ define "t" }}{{ $x := 2 }}{{ $x }}{{ end }}{{ template "t" . }}{{ $x }}`, "21",
		},
		"block defines and invokes": {`{{ block "b" .o }}{{ .k }}{{ end }}`, "v"},
		"include returns text":      {`{{ define "t" }}a{{ . }}{{ end }}{{ include "t" .s | upper }}`, "ATEXT"},
		"include inside include": {
			`{{ define "a" }}<{{ . }}>{{ end }}{{ define "b" }}{{ include "a" . }}{{ include "a" . }}{{ end }}{{ include "b" .n }}`,
			"<3><3>",
		},
		"a template may invoke itself": {
			`{{ define "t" }}{{ . }}{{ if gt . 0 }}{{ template "t" sub . 1 }}{{ end }}{{ end }}{{ template "t" .n }}`,
			"3210",
		},
		"break does not leave a template": {
			`{{ define "t" }}{{ range .l }}{{ break }}{{ end }}x{{ end }}{{ range .l }}{{ template "t" $ }}{{ end }}`,
			"xxx",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := text(t, test.source, statementVariables())
			if err != nil || got != test.want {
				t.Errorf("%s\n got %q, %v\nwant %q", test.source, got, err, test.want)
			}
		})
	}
}

func TestASingleActionKeepsItsType(t *testing.T) {
	tests := map[string]struct {
		source string
		want   any
	}{
		"an integer":          {`{{ .n }}`, int64(3)},
		"a string":            {`{{ .s }}`, "text"},
		"a boolean":           {`{{ .yes }}`, true},
		"null":                {`{{ .null }}`, nil},
		"a list":              {`{{ .l }}`, list("a", "b", "c")},
		"an object":           {`{{ .o.in }}`, object{"x": int64(1)}},
		"a float":             {`{{ 1.5 }}`, 1.5},
		"no value":            {`{{ .missing }}`, value.Absent{}},
		"the absent function": {`{{ (absent) }}`, value.Absent{}},
		"nil":                 {`{{ and nil 1 }}`, nil},
		"a pipeline":          {`{{ .l | first }}`, "a"},
		"trimmed white space": {" {{- .n -}} ", int64(3)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := single(t, test.source, statementVariables())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.source, diff)
			}
		})
	}
	for name, source := range map[string]string{
		"text around": `a{{ .n }}`, "two actions": `{{ .n }}{{ .n }}`, "if": `{{ if .n }}a{{ end }}`, "range": `{{ range .l }}{{ end }}`,
		"an assignment": `{{ $x := 1 }}`, "nothing": ``, "a space": ` {{ .n }}`,
	} {
		if compiled(t, source, action.Options{}).IsValue() {
			t.Errorf("%s: %q counts as a single action", name, source)
		}
	}
}

func TestErrorsOfAnExecutionNameTheirPlace(t *testing.T) {
	tests := map[string]struct{ source, at, message string }{
		"a field of a string":            {`a {{ .s.x }}`, ".x }}", `a string has no field "x"`},
		"a field of a number in a chain": {`{{ .o.in.x.y }}`, ".in.x.y }}", `an integer has no field "y"`},
		"a field of a list":              {`{{ .l.x }}`, ".x }}", `a list has no field "x"`},
		"a field of a variable":          {`{{ $x := 1 }}{{ $x.y }}`, ".y }}", `an integer has no field "y"`},
		"a call":                         {`x{{ print 1 }}{{ div 1 0 }}`, "div 1 0 }}", "div: division by zero"},
		"the innermost call":             {`{{ upper (print (div 1 0)) }}`, "div 1 0))", "div: division by zero"},
		"a call in a condition":          {`{{ if div 1 0 }}{{ end }}`, "div 1 0 }}", "div: division by zero"},
		"a call in a loop": {
			`{{ range .l }}{{ add . 1 }}{{ end }}`, "add . 1 }}",
			"add: argument 1 must be an integer, not a string",
		},
		"a list that is printed": {
			`{{ .n }} {{ .l }}`, ".l }}",
			"a list cannot be printed as text; convert it with toYaml or toJson",
		},
		"an object that is printed": {
			`{{ .n }} {{ .o }}`, ".o }}",
			"an object cannot be printed as text; convert it with toYaml or toJson",
		},
		"range over a string": {`{{ range .s }}{{ end }}`, ".s }}", "range cannot iterate over a string"},
		"range over a boolean": {
			`{{ range .yes }}{{ end }}`, ".yes }}", "range cannot iterate over a boolean",
		},
		"a call in a template": {
			`{{ define "t" }}{{ div 1 0 }}{{ end }}{{ template "t" . }}`, "div 1 0 }}",
			"div: division by zero",
		},
		"a call in an include": {
			`{{ define "t" }}{{ div 1 0 }}{{ end }}{{ upper (include "t" .) }}`, "div 1 0 }}",
			"div: division by zero",
		},
		"a message of the template": {`{{ fail "no GPU" }}`, `fail "no GPU" }}`, "no GPU"},
		"an include with a computed name": {
			`{{ define "t" }}{{ end }}{{ include .s . }}`, "include .s", `template "text" is not defined`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := text(t, test.source, statementVariables())
			if err == nil || err.Error() != test.message {
				t.Fatalf("%s: got %v, want %q", test.source, err, test.message)
			}
			if offset := offsetOf(err); offset < 0 || !strings.HasPrefix(test.source[offset:], test.at) {
				t.Errorf("%s: the error is at %q, want %q", test.source, test.source[max(offset, 0):],
					test.at)
			}

		})
	}
}
