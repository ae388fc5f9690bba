package function_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating/internal/action"
	"github.com/berth-dev/berth/templating/internal/value"
)

// TestRegexFunctionsMatchAsGoDoes holds that searching in batches finds the same matches as searching
// once, for texts with more matches than a batch.
func TestRegexFunctionsMatchAsGoDoes(t *testing.T) {
	text := strings.Repeat("ab-c  ", 100)
	for _, pattern := range []string{"[^a-z]+", "a|b", "", `\s+$|\s`, "c.*?a", "(b.*c)?", "nowhere"} {
		for _, n := range []int{-1, 0, 1, 16, 17, 1000} {
			re := regexp.MustCompile(pattern)
			check(t, pattern, "regexFindAll", text, n, re.FindAllString(text, n))
			check(t, pattern, "regexSplit", text, n, re.Split(text, n))
		}
	}
}

func check(t *testing.T, pattern, function, text string, n int, want []string) {
	t.Helper()
	template, issues := action.Compile("{{ "+function+" .pattern .text .n }}", action.Options{})
	if len(issues) > 0 {
		t.Fatal(issues)
	}
	v, err := template.Value(&action.Env{
		Variables: map[string]any{"pattern": pattern, "text": text, "n": int64(n)},
		Budget:    value.NewBudget(context.Background(), value.Limits{Fuel: 50_000_000, Alloc: 1 << 30}),
	})
	if err != nil {
		t.Fatalf("%s %q %d: %v", function, pattern, n, err)
	}
	list, _ := v.([]any)
	got := make([]string, 0, len(list))
	for _, item := range list {
		s, _ := item.(string)
		got = append(got, s)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s %q %d gave %q, want %q", function, pattern, n, got, want)
	}
}

func TestACommonPatternIsAffordableOnALongText(t *testing.T) {
	template, issues := action.Compile(`{{ regexReplaceAll "[^a-z0-9]+" .text "_" }}`, action.Options{})
	if len(issues) > 0 {
		t.Fatal(issues)
	}
	v, err := template.Value(&action.Env{
		Variables: map[string]any{
			"text": strings.Repeat("a-", 10_000),
		}, Budget: value.NewBudget(context.Background(), value.Limits{}),
	})
	if want := strings.Repeat("a_", 10_000); err != nil || v != want {
		t.Errorf("%.20v (%v)", v, err)
	}
}

func TestRegexFunctions(t *testing.T) {
	world{}.run(t, []evaluation{
		{name: "regexMatch", source: `{{ regexMatch "^a+$" "aaa" }}`, want: true},
		{name: "regexMatch of another text", source: `{{ regexMatch "^a+$" "aab" }}`, want: false},
		{name: "regexFind returns the first match", source: `{{ regexFind "[0-9]+" "a12b34" }}`, want: "12"},
		{name: "regexFind without a match is empty", source: `{{ regexFind "[0-9]+" "abc" }}`, want: ""},
		{
			name: "regexFindAll with a count", source: `{{ regexFindAll "[0-9]" "1a2b3" 2 }}`,
			want: list("1", "2"),
		},
		{
			name: "regexFindAll of all", source: `{{ regexFindAll "[0-9]" "1a2b3" -1 }}`,
			want: list("1", "2", "3"),
		},
		{name: "regexFindAll of none", source: `{{ regexFindAll "[0-9]" "1a2b3" 0 }}`, want: list()},
		{
			name:   "regexReplaceAll expands groups",
			source: `{{ regexReplaceAll "(a)(b)" "ab-ab" "${2}${1}" }}`, want: "ba-ba",
		},
		{
			name:   "regexReplaceAllLiteral does not",
			source: `{{ regexReplaceAllLiteral "(a)b" "ab" "${1}" }}`, want: "${1}",
		},
		{name: "regexSplit", source: `{{ regexSplit ", *" "a, b,c" -1 }}`, want: list("a", "b", "c")},
		{name: "regexSplit with a count", source: `{{ regexSplit "," "a,b,c" 2 }}`, want: list("a", "b,c")},
		{name: "regexQuoteMeta", source: `{{ regexQuoteMeta "a.b*" }}`, want: `a\.b\*`},
		{
			name: "an invalid pattern names what is wrong", source: `{{ regexMatch "a(b" "x" }}`,
			err: `regexMatch: invalid regular expression: missing closing ) in "a(b"`,
		},
		{
			name: "a lookahead, which RE2 does not have", source: `{{ regexMatch "a(?=b)" "x" }}`,
			err: "regexMatch: invalid regular expression: invalid or unsupported Perl syntax",
		},
		{
			name: "a pattern that is too long", source: `{{ regexMatch (repeat 1001 "a") "x" }}`,
			err: "regexMatch: the regular expression has 1001 characters; the limit is 1000",
		},
		{
			name: "a pattern with huge repetitions", source: `{{ regexMatch "((a{50}){50}){50}" "x" }}`,
			err: "regexMatch: ",
		},
		{
			name: "a pattern that is not text", source: `{{ regexMatch 5 "x" }}`,
			err: "regexMatch: argument 1 must be a string, not an integer",
		},
	})
}

func TestMatchingIsPaidForBeforeItStarts(t *testing.T) {
	w := world{
		variables: object{"text": strings.Repeat("a", 500_000), "lines": strings.Repeat("ab\n", 100_000)},
	}
	for name, source := range map[string]string{
		"a large pattern on a long text":         `{{ regexMatch "(a|b|c){200}x" .text }}`,
		"a search that restarts at every byte":   `{{ regexFindAll ".*b|a" .text -1 }}`,
		"a replacement that multiplies":          `{{ regexReplaceAll "(a)" .text (repeat 1000 "${1}") }}`,
		"a literal replacement that multiplies":  `{{ regexReplaceAllLiteral "a" .text (repeat 1000 "x") }}`,
		"a split into very many parts":           `{{ regexSplit "" .text -1 }}`,
		"many groups of one match in the result": `{{ regexReplaceAll "(.+)" .lines (repeat 20000 "$1") }}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.evaluate(t, source)
			if limit := limitOf(err); limit != "fuel" && limit != "alloc" {
				t.Errorf("got %v, want a limit", err)
			}
		})
	}
}
