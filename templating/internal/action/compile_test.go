package action_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating/internal/action"
)

func TestIssuesNameTheirPlace(t *testing.T) {
	variables := []string{"image", "tag", "my-name"}
	tests := map[string]struct {
		source     string
		text       bool
		code       action.IssueCode
		at         string // the source from the offset on; or the line, as "line 2"
		message    string
		suggestion string
	}{
		"an unknown function": {
			source: `a {{ upperr .x }}`, code: action.IssueFunction, at: "upperr .x }}",
			message: `unknown function "upperr"`,
		},
		"an unknown function in parentheses": {
			source: `{{ upper (lowerr .x) }}`, code: action.IssueFunction, at: "lowerr .x) }}",
			message: `unknown function "lowerr"`,
		},
		"a function of sprig that is excluded": {
			source: `{{ randAlpha 5 }}`, code: action.IssueFunction, at: "randAlpha 5 }}",
			message: `function "randAlpha" is not allowed: it gives a different result each time; uuidv4 is derived from the run`,
		},
		"a variable used as a function": {
			source: `{{ upper image }}`, code: action.IssueFunction, at: "image }}",
			message: `"image" is a variable, not a function`, suggestion: "write .image",
		},
		"a dotted variable used as a function": {
			source: `{{ upper image.tag }}`, code: action.IssueFunction, at: "image.tag }}",
			message: `"image.tag" is a variable, not a function`, suggestion: "write .image.tag",
		},
		"the internal function for placeholders": {
			source: `{{ berthPlaceholder "x" }}`, code: action.IssueFunction, at: "berthPlaceholder",
			message: `unknown function "berthPlaceholder"`,
		},
		"too few arguments": {
			source: `{{ sub 1 }}`, at: "sub 1 }}", message: "sub takes 2 arguments, got 1",
		},
		"too many arguments": {
			source: `{{ upper "a" "b" }}`, at: `upper "a" "b" }}`,
			message: "upper takes 1 argument, got 2",
		},
		"a piped value counts as an argument": {
			source: `{{ "a" | upper "b" }}`, at: `upper "b" }}`,
			message: "upper takes 1 argument, got 2",
		},
		"too few of any number": {
			source: `{{ eq 1 }}`, at: "eq 1 }}", message: "eq takes at least 2 arguments, got 1",
		},
		"and without arguments": {
			source: `{{ (and) }}`, at: "and) }}", message: "and takes at least 1 argument, got 0",
		},
		"a value that is called": {
			source: `{{ "a" 1 }}`, at: `"a" 1 }}`,
			message: `"a" is not a function and takes no arguments`,
		},
		"a value that is piped into": {
			source: `{{ 1 | .x }}`, at: `.x }}`, message: ".x is not a function and takes no arguments",
		},
		"an integer beyond 64 bits": {
			source: `{{ print 99999999999999999999 }}`, at: "line 1",
			message: "integer 99999999999999999999 does not fit into 64 bits",
		},
		"an imaginary number": {
			source: `{{ print 1i }}`, at: "1i }}", message: "number 1i is out of range",
		},
		"a name with a dash": {
			source: `{{ .my-name }}`, at: "line 1", message: "unexpected character '-'",
			suggestion: `write a name that has a dash with index, as in: index . "my-name"`,
		},
		"a parenthesis that was not opened": {
			source: `{{ print 1) }}`, at: "line 1", message: "unexpected )",
		},
		"an operator of other languages": {
			source: `{{ if .a == .b }}{{ end }}`, at: "line 1", message: `unexpected "="`,
			suggestion: "compare with eq, as in: eq .a .b",
		},
		"arithmetic of other languages": {
			source: `{{ 1 + 2 }}`, at: "line 1", message: `unexpected "+"`,
			suggestion: "calculate with add, sub, mul and div, as in: add .a 1",
		},
		"a second else": {
			source: `{{ if .a }}{{ else }}{{ else }}{{ end }}`, at: "line 1",
			message: "second {{ else }} in one block",
		},
		"text in single quotes": {
			source: `{{ print 'ab' }}`, at: "line 1", message: "'ab' is not one character",
			suggestion: "write text in double quotes",
		},
		"three variables of a range": {
			source: `{{ range $a, $b, $c := .x }}{{ end }}`, at: "line 1",
			message: "range declares at most two variables",
		},
		"a comment that is not closed": {
			source: `{{/* x }}`, at: "line 1", message: "missing closing */ of a comment",
		},
		"a parenthesis that is not closed": {
			source: `{{ (print 1 }}`, at: "line 1", message: "missing closing )",
		},
		"a number with letters": {
			source: `{{ print 01x }}`, at: "line 1", message: `invalid number "01x"`,
		},
		"a field without a name": {source: `{{ .a.b. }}`, at: "line 1", message: `unexpected "."`},
		"an escape that does not exist": {
			source: `{{ print "\z" }}`, at: "line 1", message: "invalid escape sequence in a string",
		},
		"an empty action": {source: `{{ }}`, at: "line 1", message: "missing value in an action"},
		"a condition without a value": {
			source: `{{ if }}{{ end }}`, at: "line 1", message: "missing value after if",
		},
		"define in a single value": {
			source: `{{ define "a" }}{{ end }}`, at: "{{ end }}",
			message: "define and block are only allowed in a job_manifest written as one string",
		},
		"template in a single value": {
			source: `{{ template "a" }}`, at: `"a" }}`,
			message: "template is only allowed in a job_manifest written as one string",
		},
		"include in a single value": {
			source: `{{ include "a" . }}`, at: `include "a" . }}`,
			message: "include is only allowed in a job_manifest written as one string",
		},
		"a template that is not defined": {
			source: `{{ template "a" }}`, text: true, at: `"a" }}`,
			message: `template "a" is not defined`,
		},
		"an include that is not defined": {
			source: `{{ include "a" . }}`, text: true, at: `"a" . }}`,
			message: `template "a" is not defined`,
		},
		"the main text cannot be invoked": {
			source: `{{ template "template" }}`, text: true, at: `"template" }}`,
			message: `template "template" is not defined`,
		},
		"a variable declared inside parentheses": {
			source: `{{ print ($x := 1) }}`, at: "$x := 1) }}",
			message: "a variable cannot be declared inside parentheses",
		},
		"an action that is not closed": {
			source: "a\n{{ .image", at: "line 2", message: "missing closing }} of an action",
		},
		"a block that is not closed": {
			source: "{{ if .a }}\nx", at: "line 2",
			message: "missing {{ end }} of an if, range, with, define or block",
		},
		"an end without a block": {
			source: "x\n{{ end }}", at: "line 2",
			message: "{{ end }} without an open if, range, with, define or block",
		},
		"an else without a block": {
			source: "{{ else }}", at: "line 1", message: "{{ else }} without an open if, range or with",
		},
		"a string that is not closed": {
			source: "{{ print \"a }}", at: "line 1", message: "missing closing quote of a string",
		},
		"a raw string that is not closed": {
			source: "{{ print `a }}", at: "line 1", message: "missing closing quote of a string",
		},
		"break outside of a loop": {
			source: "{{ break }}", at: "line 1", message: "{{break}} outside {{range}}",
		},
		"a variable that is not declared": {
			source: "{{ print $x }}", at: "line 1", message: `undefined variable "$x"`,
		},
		"a variable beyond its block": {
			source: "{{ if .a }}{{ $x := 1 }}{{ end }}{{ print $x }}", at: "line 1",
			message: `undefined variable "$x"`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, issues := action.Compile(test.source, action.Options{Text: test.text, Variables: variables})
			if len(issues) != 1 {
				t.Fatalf("%s: got %+v, want one issue", test.source, issues)
			}
			got := issues[0]
			at := test.source[min(got.Offset, len(test.source)):]
			if got.Line > 0 {
				at = "line " + string(rune('0'+got.Line))
			}
			if got.Code != test.code || got.Message != test.message || got.Suggestion != test.suggestion ||
				!strings.HasPrefix(at, test.at) {
				t.Errorf("%s\n got %d %q (%s) at %q\nwant %d %q (%s) at %q", test.source, got.Code,
					got.Message, got.Suggestion, at, test.code, test.message, test.suggestion, test.at)
			}
		})
	}
}

func TestAllIssuesAreFoundAtOnce(t *testing.T) {
	_, issues := action.Compile(
		`{{ upperr .a }}{{ if lowerr .b }}{{ sub 1 }}{{ end }}{{ range (nope) }}{{ env "HOME" }}{{ end }}`,
		action.Options{})
	var messages []string
	for _, issue := range issues {
		messages = append(messages, issue.Message)
	}
	want := []string{
		`unknown function "upperr"`, `unknown function "lowerr"`, "sub takes 2 arguments, got 1", `unknown function "nope"`,
		`function "env" is not allowed: it reads the process that renders`,
	}
	if diff := cmp.Diff(want, messages); diff != "" {
		t.Errorf("issues (-want +got):\n%s", diff)
	}
}

func TestBoundsOnTheSource(t *testing.T) {
	tests := map[string]struct {
		source  string
		message string
	}{
		"its size": {strings.Repeat("a", 512<<10+1), "the template has 524289 bytes; the limit is 524288"},
		"its actions": {
			strings.Repeat("{{.a}}", 20_001), "the template has 20001 actions; the limit is 20000",
		},
		"its parentheses": {
			"{{ " + strings.Repeat("(", 201) + "1" + strings.Repeat(")", 201) + " }}",
			"parentheses are nested 201 levels deep; the limit is 200",
		},
		"its blocks": {
			strings.Repeat("{{ if .a }}", 250) + strings.Repeat("{{ end }}", 250),
			"nested deeper than 200 levels",
		},
		"its blocks through else": {
			strings.Repeat("{{ if .a }}{{ else }}{{ with .b }}", 150) + strings.Repeat("{{ end }}", 300),
			"nested deeper than 200 levels",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			template, issues := action.Compile(test.source, action.Options{})
			if template != nil || len(issues) == 0 || issues[0].Code != action.IssueLimit ||
				issues[0].Message != test.message {
				t.Errorf("got %v, %+v; want the limit %q", template, issues, test.message)
			}
		})
	}
	if _, issues := action.Compile(strings.Repeat("{{ nope }}", 200), action.Options{}); len(issues) != 100 {
		t.Errorf("reports %d issues, want at most 100", len(issues))
	}
}

func TestParenthesesInsideStringsAreCountedButActionsStartAnew(t *testing.T) {
	source := strings.Repeat(`{{ print "(((((((((((((((((((" }}`, 100)
	if _, issues := action.Compile(source, action.Options{}); len(issues) > 0 {
		t.Errorf("got %+v", issues)
	}
}

func TestFieldsThatASourceRefersTo(t *testing.T) {
	tests := map[string]struct {
		source string
		text   bool
		want   []string // paths, "." for the whole root
	}{
		"a field":               {source: `{{ .image }}`, want: []string{"image"}},
		"a nested field":        {source: `{{ .a.b.c }}`, want: []string{"a.b.c"}},
		"a field of the dollar": {source: `{{ $.image }}`, want: []string{"image"}},
		"the whole root":        {source: `{{ toJson . }}`, want: []string{"."}},
		"a field in a condition and in its branches": {
			source: `{{ if .a }}{{ .b }}{{ else }}{{ .c }}{{ end }}`, want: []string{"a", "b", "c"},
		},
		"a field inside with is of another dot": {
			source: `{{ with .a }}{{ .b }}{{ end }}`, want: []string{"a"},
		},
		"the else of with keeps the root": {
			source: `{{ with .a }}{{ else }}{{ .b }}{{ end }}`, want: []string{"a", "b"},
		},
		"a field inside range is of another dot": {
			source: `{{ range .a }}{{ .b }}{{ $.c }}{{ end }}`, want: []string{"a", "c"},
		},
		"index with a constant key": {source: `{{ index . "my-name" }}`, want: []string{"my-name"}},
		"get and hasKey with a constant key": {
			source: `{{ get . "a" }}{{ hasKey $ "b" }}`, want: []string{"a", "b"},
		},
		"index with a computed key is the whole root": {
			source: `{{ index . .key }}`, want: []string{".", "key"},
		},
		"a field in parentheses": {source: `{{ (print .a) }}`, want: []string{"a"}},
		"a template invoked with the root": {
			source: `{{ define "t" }}{{ .a }}{{ end }}{{ template "t" . }}`, text: true,
			want: []string{"a"},
		},
		"a template invoked with something else": {
			source: `{{ define "t" }}{{ .a }}{{ end }}{{ template "t" .b }}`, text: true,
			want: []string{"b"},
		},
		"a template that is never invoked": {source: `{{ define "t" }}{{ .a }}{{ end }}`, text: true},
		"an include with the root": {
			source: `{{ define "t" }}{{ $.a }}{{ end }}{{ include "t" $ }}`, text: true,
			want: []string{"a"},
		},
		"a template that invokes itself": {
			source: `{{ define "t" }}{{ .a }}{{ template "t" . }}{{ end }}{{ template "t" . }}`, text: true,
			want: []string{"a"},
		},
		"nothing": {source: `{{ print 1 }}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			template, issues := action.Compile(test.source, action.Options{Text: test.text})
			if len(issues) > 0 {
				t.Fatalf("%+v", issues)
			}
			var got []string
			for _, field := range template.Fields() {
				path := strings.Join(field.Path, ".")
				if path == "" {
					path = "."
				}
				got = append(got, path)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.source, diff)
			}
		})
	}
}
