package action_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating/internal/action"
)

// bareName finds `{{ name }}` with a name of letters, dots and dollars, as the placeholders of the language.
func bareName(s string, start int) (action.Span, bool) {
	end := strings.Index(s[start:], "}}")
	if end < 0 {
		return action.Span{}, false
	}
	name := strings.TrimSpace(s[start+2 : start+end])
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz.$") != "" {
		return action.Span{}, false
	}
	return action.Span{Start: start, End: start + end + 2, Name: name}, true
}

func TestScanTellsPlaceholdersFromActions(t *testing.T) {
	tests := map[string]struct {
		leaf         string
		placeholders []string
		actions      bool
	}{
		"text without braces":                    {leaf: "plain"},
		"one placeholder":                        {leaf: "{{ image }}", placeholders: []string{"image"}},
		"placeholders and text":                  {leaf: "{{ a }}-{{ b.c }}", placeholders: []string{"a", "b.c"}},
		"a field is an action":                   {leaf: "{{ .image }}", actions: true},
		"a function with arguments is an action": {leaf: `{{ upper "a" }}`, actions: true},
		"a placeholder beside an action": {
			leaf: "{{ image }}:{{ .tag }}", placeholders: []string{"image"}, actions: true,
		},
		"the words end and else belong to their block": {
			leaf: "{{ if .a }}x{{ else }}y{{ end }}", actions: true,
		},
		"a placeholder inside a block": {
			leaf: "{{ if .a }}{{ image }}{{ end }}", placeholders: []string{"image"},
			actions: true,
		},
		"break and continue belong to their loop": {
			leaf: "{{ range .a }}{{ break }}{{ continue }}{{ end }}", actions: true,
		},
		"a dollar name is the environment":                  {leaf: "{{ $home }}", placeholders: []string{"$home"}},
		"a dollar name that the leaf declares is an action": {leaf: "{{ $x := 1 }}{{ $x }}", actions: true},
		"the root is an action":                             {leaf: "{{ $ }}", actions: true},
		"a field of the root is an action":                  {leaf: "{{ $.image }}", actions: true},
		"a comment is an action":                            {leaf: "{{/* image */}}", actions: true},
		"true is an action":                                 {leaf: "{{ true }}", actions: true},
		"nil is an action":                                  {leaf: "{{ nil }}", actions: true},
		"braces inside quotes do not end an action": {
			leaf: `{{ print "}}" }}{{ image }}`, placeholders: []string{"image"}, actions: true,
		},
		"braces inside a raw string do not end an action": {
			leaf: "{{ print `}}` }}{{ image }}", placeholders: []string{"image"}, actions: true,
		},
		"three braces are a brace and a placeholder": {
			leaf: "{{{ image }}}", placeholders: []string{"image"},
		},
		"a dollar before braces is text": {leaf: "${{ image }}", placeholders: []string{"image"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			leaf := action.Scan(test.leaf, bareName)
			var names []string
			for _, p := range leaf.Placeholders {
				names = append(names, p.Name)
				if got := test.leaf[p.Start:p.End]; !strings.HasPrefix(got, "{{") ||
					!strings.HasSuffix(got, "}}") {
					t.Errorf("%q covers %q", p.Name, got)
				}
			}
			if diff := cmp.Diff(test.placeholders, names); diff != "" {
				t.Errorf("placeholders (-want +got):\n%s", diff)
			}
			if leaf.HasActions != test.actions {
				t.Errorf("has actions: %t, want %t", leaf.HasActions, test.actions)
			}
		})
	}
}

func TestOffsetsOfTheRewrittenSourceMapBackToTheOriginal(t *testing.T) {
	for _, source := range []string{
		"{{ image }}{{ .tag }}", "a {{ image }} b {{ print 1 }} c {{ x }} {{ .y }}", "{{{ image }}} {{ .tag }}", "{{\nimage\n}}\n{{ .tag }}",
	} {
		leaf := action.Scan(source, bareName)
		for from := 0; ; {
			i := strings.Index(leaf.Source[from:], "{{ .")
			if i < 0 {
				break
			}
			at := from + i
			if original := leaf.Original(at); !strings.HasPrefix(source[original:], leaf.Source[at:at+5]) {
				t.Errorf("%q: offset %d of %q maps to %q", source, at, leaf.Source, source[original:])
			}
			from = at + 1
		}
	}
}

func TestPlaceholdersBesideActionsAreEvaluatedInOrder(t *testing.T) {
	leaf := action.Scan("{{ a }}-{{ .tag }}-{{ b }}", bareName)
	p := compiled(t, leaf.Source, action.Options{})
	p.env.Variables = object{"tag": "T"}
	p.env.Placeholder = func(i int) (any, error) { return strings.ToUpper(leaf.Placeholders[i].Name), nil }
	if got, err := p.Text(&p.env); err != nil || got != "A-T-B" {
		t.Errorf("got %q, %v", got, err)
	}
}
