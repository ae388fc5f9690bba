package function_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	texttemplate "text/template"

	"github.com/Masterminds/sprig/v3"

	"github.com/berth-dev/berth/templating/internal/function"
)

// TestDifferencesFromSprig lists where a function of sprig, or of text/template, behaves differently here,
// with the reason. Both sides are executed, so a new release of sprig that changes one shows up.
func TestDifferencesFromSprig(t *testing.T) {
	const failed = "error"
	tests := []struct{ reason, source, sprig, ours string }{
		{
			"a wrapped sum would go unnoticed", `{{ add 9223372036854775807 1 }}`, "-9223372036854775808",
			failed,
		},
		{"a text that is not a number is a mistake, not zero", `{{ add 1 "x" }}`, "1", failed},
		{"a fraction must not get lost", `{{ add 1 1.9 }}`, "2", failed},
		{"division by zero is an error with a place, not a panic", `{{ div 1 0 }}`, failed, failed},
		{"an integral decimal prints as an integer, which a manifest needs", `{{ round 3.999 1 }}`, "4", "4"},
		{"keys have an order", `{{ keys (dict "b" 1 "a" 2) | join "," | len }}`, "3", "3"},
		{"a list is not text", `{{ list 1 2 }}`, "[1 2]", failed},
		{"an object is not text", `{{ dict "a" 1 }}`, "map[a:1]", failed},
		{"no value prints as nothing", `{{ .missing }}`, "<no value>", ""},
		{"null prints as nothing", `{{ get (dict "a" nil) "a" }}`, "<no value>", ""},
		{
			"toJson keeps < > & readable, because a manifest is not HTML", `{{ toJson "<" }}`, `"\u003c"`,
			`"<"`,
		},
		{
			"an invalid encoding is an error, not its message as text", `{{ b64dec "!" }}`,
			"illegal base64 data at input byte 0", failed,
		},
		{"invalid JSON is an error, not null", `{{ fromJson "{" }}`, "<no value>", failed},
		{
			"a text that is not a date is an error, not the year 1", `{{ toDate "2006" "x" }}`,
			"0001-01-01 00:00:00 +0000 UTC", failed,
		},
		{"a substring ends at the end of the text", `{{ substr 0 9 "abc" }}`, "abc", "abc"},
		{"characters are not cut", `{{ trunc 1 "é" }}`, "\xc3", "é"},
		{"an index out of range is an error with the length", `{{ index (list 1) 5 }}`, failed, failed},
		{
			"a verb that does not fit is an error, not noise in a manifest", `{{ printf "%d" "x" }}`,
			"%!d(string=x)", failed,
		},
		{"an integer and a float compare", `{{ eq 1 1.5 }}`, failed, "false"},
		{"numbers and text are not equal, and asking is a mistake", `{{ eq 1 "1" }}`, failed, failed},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			stock, err := texttemplate.New("").Funcs(sprig.TxtFuncMap()).Parse(test.source)
			if err != nil {
				t.Fatal(err)
			}
			var written strings.Builder
			got := failed
			if err := stock.Execute(&written, map[string]any{}); err == nil {
				got = written.String()
			}
			if got != test.sprig {
				t.Errorf("%s gives %q in sprig, the table says %q", test.source, got, test.sprig)
			}

			ours, err := world{}.text(t, test.source)
			if err != nil {
				ours = failed
			}
			if ours != test.ours {
				t.Errorf("%s gives %q (%v), want %q", test.source, ours, err, test.ours)
			}
		})
	}
}

// TestEveryFunctionIsTested holds that an action of some test in this folder calls each function.
func TestEveryFunctionIsTested(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(data)
	}
	called := map[string]bool{}
	for _, action := range regexp.MustCompile(`(?s)\{\{.*?\}\}`).FindAllString(sources.String(), -1) {
		for _, word := range regexp.MustCompile(`[a-zA-Z_][a-zA-Z_0-9]*`).FindAllString(action, -1) {
			called[word] = true
		}
	}
	for _, f := range function.All() {
		if !f.Alias && !called[f.Name] && f.Name != "include" { // include needs a text: see package action
			t.Errorf("no test calls %s", f.Name)
		}
	}
}

func TestArity(t *testing.T) {
	tests := map[string]string{
		"now": "no arguments", "upper": "1 argument", "sub": "2 arguments", "slice": "1 to 3 arguments",
		"max": "at least 1 argument", "eq": "at least 2 arguments",
	}
	for name, want := range tests {
		f := function.Lookup(name)
		if got := f.Arity(); got != want {
			t.Errorf("%s takes %q, want %q", name, got, want)
		}
		if f.Accepts(f.Min-1) || !f.Accepts(f.Min) || f.Max >= 0 && f.Accepts(f.Max+1) {
			t.Errorf("%s accepts the wrong number of arguments", name)
		}
	}
}
