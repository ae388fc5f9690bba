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

// TestRegexFunctionsMatchAsGoDoes holds that matches which are looked for in batches are those that are found
// at once, for texts with more matches than a batch.
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
		Variables: map[string]any{"text": strings.Repeat("a-", 10_000)}, Budget: value.NewBudget(context.Background(), value.Limits{}),
	})
	if want := strings.Repeat("a_", 10_000); err != nil || v != want {
		t.Errorf("%.20v (%v)", v, err)
	}
}
