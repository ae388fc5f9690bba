package function_test

import (
	"context"
	"strings"
	"testing"
	texttemplate "text/template"
	"time"

	"github.com/Masterminds/sprig/v3"

	"github.com/berth-dev/berth/templating/internal/action"
	"github.com/berth-dev/berth/templating/internal/function"
	"github.com/berth-dev/berth/templating/internal/value"
)

func variables() map[string]any {
	return map[string]any{
		"s": "Hello, Wörld of  Templates", "path": "/a/b/../c.tar.gz", "n": int64(7), "f": 2.5, "t": true, "empty": "", "zero": int64(0),
		"l": []any{
			"b", "a", "c", "a",
		}, "ints": []any{int64(3), int64(1)}, "o": map[string]any{"k": "v", "in": map[string]any{"x": int64(1)}},
	}
}

func execute(t *testing.T, source string) (string, error) {
	t.Helper()
	template, issues := action.Compile(source, action.Options{Text: true})
	if len(issues) > 0 {
		t.Fatalf("%s: %+v", source, issues)
	}
	return template.Text(&action.Env{
		Variables: variables(), Budget: value.NewBudget(context.Background(), value.Limits{}), Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	})
}

// TestWhatSprigHasDoesWhatSprigDoes runs the same actions through text/template with sprig and through ours.
func TestWhatSprigHasDoesWhatSprigDoes(t *testing.T) {
	for _, source := range []string{
		`{{ .s | upper }}{{ .s | lower }}{{ .s | title }}{{ .s | untitle }}{{ .s | swapcase }}`,
		`{{ .s | nospace }}|{{ .s | initials }}|{{ "some_snake" | camelcase }}|{{ "SomeCamel" | snakecase }}|{{ "SomeKebab" | kebabcase }}`,
		`{{ trim "  x  " }}|{{ trimAll "-" "--x--" }}|{{ trimPrefix "a" "ab" }}|{{ trimSuffix "b" "ab" }}`,
		`{{ trunc 5 "abcdefgh" }}|{{ trunc -3 "abcdefgh" }}|{{ substr 1 4 "abcdefgh" }}|{{ abbrev 8 "a long sentence" }}|{{ abbrevboth 5 10 "1234 5678 9123" }}`,
		`{{ contains "ell" .s }}{{ hasPrefix "He" .s }}{{ hasSuffix "x" .s }}`,
		`{{ replace " " "-" .s }}|{{ repeat 3 "ab" }}|{{ indent 2 "a\nb" }}|{{ nindent 2 "a\nb" }}`,
		`{{ quote .s .n }}|{{ squote "a" "b" }}|{{ cat "a" .n "c" }}|{{ plural "one" "many" 1 }}{{ plural "one" "many" 2 }}`,
		`{{ wrap 6 "aaa bbb ccc" }}|{{ wrapWith 5 "\t" "aaa bbb" }}`,
		`{{ join "," .l }}|{{ splitList "," "a,b,c" | join "-" }}|{{ (split "," "x,y")._1 }}|{{ (splitn "," 2 "x,y,z")._1 }}|{{ sortAlpha .l | join "" }}`,
		`{{ add 1 2 3 }} {{ add1 4 }} {{ sub 5 2 }} {{ mul 2 3 4 }} {{ div 7 2 }} {{ mod 7 3 }} {{ max 1 9 3 }} {{ min 4 2 }}`,
		`{{ floor 2.7 }} {{ ceil 2.1 }} {{ round 2.345 2 }} {{ addf 1.5 2.25 }} {{ subf 5.5 1.25 }} {{ mulf 1.5 3.5 }} {{ divf 7 2 }} {{ maxf 1.5 2.5 }}`,
		`{{ int "12" }} {{ int64 3.9 }} {{ float64 "1.5" }} {{ atoi "42" }} {{ toDecimal 777 }} {{ int true }}`,
		`{{ until 4 | join "" }} {{ untilStep 0 10 3 | join "," }} {{ seq 3 }} {{ seq 2 5 }} {{ seq 0 2 6 }} {{ seq 3 1 }} {{ seq }}`,
		`{{ default "d" .empty }}{{ default "d" .s }}{{ coalesce .empty .zero "c" }}{{ ternary "a" "b" .t }}{{ empty .zero }}{{ all .t .s }}{{ any .empty .zero }}`,
		`{{ first .l }}{{ last .l }}{{ rest .l | join "" }}{{ initial .l | join "" }}{{ append .l "z" | join "" }}{{ prepend .l "z" | join "" }}`,
		`{{ concat .l (list "x") | join "" }}{{ reverse .l | join "" }}{{ uniq .l | join "" }}{{ without .l "a" | join "" }}{{ has "a" .l }}{{ compact (list "a" "" "b") | join "" }}`,
		`{{ slice .l 1 3 | join "" }}{{ chunk 3 .l | len }}{{ index .l 1 }}{{ index .o "in" "x" }}{{ len .l }}{{ len .s }}{{ toStrings .ints | join "," }}`,
		`{{ get .o "k" }}{{ get .o "none" }}{{ hasKey .o "k" }}{{ keys .o | sortAlpha | join "," }}{{ pluck "k" .o (dict "k" "w") | join "" }}{{ dig "in" "x" 0 .o }}{{ dig "in" "y" 9 .o }}`,
		`{{ pick .o "k" | toJson }}{{ omit .o "k" | toJson }}{{ dict "a" 1 "b" "x" | toJson }}{{ set (dict "a" 1) "b" 2 | toJson }}{{ unset (dict "a" 1) "a" | toJson }}`,
		`{{ merge (dict "a" 1) (dict "a" 2 "b" 3) | toJson }}{{ mergeOverwrite (dict "a" 1) (dict "a" 2 "b" 3) | toJson }}`,
		`{{ merge (dict "o" (dict "p" 1)) (dict "o" (dict "p" 2 "q" 3)) | toJson }}`,
		`{{ b64enc .s }}{{ b64enc .s | b64dec }}{{ b32enc "x" }}{{ b32enc "x" | b32dec }}{{ sha256sum .s }}{{ sha1sum .s }}{{ sha512sum .s }}{{ adler32sum .s }}`,
		`{{ (fromJson "{\"a\": [1, \"x\"]}").a | last }}{{ toJson .o }}{{ toPrettyJson .o }}`,
		`{{ regexMatch "^H.*s$" .s }}{{ regexFind "[a-z]+" .s }}{{ regexFindAll "[a-z]+" .s 2 | join "," }}{{ regexReplaceAll "(l+)" .s "<${1}>" }}{{ regexReplaceAllLiteral "l" .s "$" }}{{ regexSplit "o" .s -1 | join "|" }}{{ regexQuoteMeta "a.b" }}`,
		`{{ base .path }}|{{ dir .path }}|{{ ext .path }}|{{ clean .path }}|{{ isAbs .path }}`,
		`{{ semverCompare ">=1.2.0" "1.3.0" }}{{ semverCompare "^2" "1.3.0" }}`,
		`{{ duration "95" }}|{{ durationRound "2h10m5s" }}|{{ kindOf .s }}{{ kindIs "map" .o }}{{ kindOf .n }}{{ kindOf .l }}`,
		`{{ eq .n 7 }}{{ ne .s "x" }}{{ lt 1 2 }}{{ le 2 2 }}{{ gt 1 2 }}{{ ge 2 1 }}{{ eq "a" "b" "a" }}{{ and .t .s }}{{ or .empty "x" }}{{ not .t }}{{ deepEqual .l .l }}`,
		`{{ if and .t (gt .n 5) }}yes{{ else if .empty }}maybe{{ else }}no{{ end }}{{ with .o.in }}{{ .x }}{{ end }}{{ with .empty }}x{{ else }}y{{ end }}`,
		`{{ range $i, $v := .l }}{{ $i }}{{ $v }}{{ end }}{{ range .o }}{{ if kindIs "string" . }}{{ . }}{{ end }}{{ end }}{{ range $k, $v := .o.in }}{{ $k }}{{ $v }}{{ end }}`,
		`{{ $x := 1 }}{{ if .t }}{{ $x = 2 }}{{ end }}{{ $x }}{{ range $i := until 3 }}{{ $x = add $x $i }}{{ end }}{{ $x }}`,
		`{{ define "d" }}[{{ .k }}{{ $.k }}]{{ end }}{{ template "d" .o }}{{ block "e" .n }}<{{ . }}>{{ end }}`,
		`{{- /* comment */ -}}  a  {{- .n -}}  b  {{ "}}" }}{{ 'x' }}{{ 0x10 }}{{ 1e3 }}{{ "é" | len }}`,
		`{{ printf "%d|%5d|%-5d|%05d|%x|%s|%q|%v|%t|%.2f|%8.3f|%%|%c" 1 2 3 4 255 "s" "q" "v" true 1.234 1.5 65 }}`,
		`{{ print "a" 1 2 "b" }}{{ println "a" 1 }}`,
		`{{ date "2006" (toDate "2006-01-02" "2026-05-06") }}`,
	} {
		stock, err := texttemplate.New("x").Funcs(sprig.TxtFuncMap()).Parse(source)
		if err != nil {
			t.Errorf("%s: stock: %v", source, err)
			continue
		}
		var want strings.Builder
		if err := stock.Execute(&want, variables()); err != nil {
			t.Errorf("%s: stock: %v", source, err)
			continue
		}
		got, err := execute(t, source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got != want.String() {
			t.Errorf("%s\n got %q\nwant %q", source, got, want.String())
		}
	}
}

// TestEveryFunctionOfSprigIsHereOrLeftOutForAReason keeps the list honest when sprig grows.
func TestEveryFunctionOfSprigIsHereOrLeftOutForAReason(t *testing.T) {
	for name := range sprig.TxtFuncMap() {
		_, issues := action.Compile("{{ "+name+" }}", action.Options{})
		if len(issues) > 0 && strings.Contains(issues[0].Message, "unknown function") {
			t.Errorf("%s is neither here nor left out", name)
		}
	}
	for _, f := range function.All() {
		if f.Usage == "" || f.Doc == "" || f.Group == "" {
			t.Errorf("%s is not documented", f.Name)
		}
	}
}

// TestEveryFunctionThatPeopleKnowIsThereOrLeftOutForAReason holds the list of what is left out complete: an
// unknown name is taken for a misspelt one.
func TestEveryFunctionThatPeopleKnowIsThereOrLeftOutForAReason(t *testing.T) {
	known := []string{
		"and", "call", "html", "index", "slice", "js", "len", "not", "or", "print", "printf", "println",
		"urlquery", "eq", "ge", "gt", "le", "lt", "ne",
	}
	for name := range sprig.GenericFuncMap() {
		known = append(known, name)
	}
	for _, name := range append(known, "tpl", "lookup", "include", "required", "toYaml", "fromYaml") {
		if _, excluded := function.Excluded()[name]; excluded == (function.Lookup(name) != nil) {
			t.Errorf("%s: excluded is %t, and so is known", name, excluded)
		}
	}
}
