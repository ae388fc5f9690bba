package function_test

import (
	"strings"
	"testing"
)

// TestWorkCostsWhatItTakes holds that a function pays at least for looking at its input, and no more than a
// generous multiple: a charge that is too low lets a template block a process, one that is too high refuses
// what real templates do.
func TestWorkCostsWhatItTakes(t *testing.T) {
	items := make([]any, 1000)
	entries := object{}
	for i := range items {
		items[i] = strings.Repeat("x", 10) + string(rune('a'+i%26))
		entries[strings.Repeat("k", 1+i)] = int64(i)
	}
	w := world{variables: object{"l": items, "o": entries, "s": strings.Repeat("abcdefgh", 2000)}}
	tests := []struct {
		name, source  string
		least, atMost int64
	}{
		{"a call costs something", `{{ add 1 2 }}`, 5, 20},
		{"going over a list", `{{ reverse .l | len }}`, 1000, 10_000},
		{"sorting a list", `{{ sortAlpha .l | len }}`, 10_000, 40_000},
		{"comparing with every item", `{{ has "none" .l }}`, 1000, 10_000},
		{"joining a list", `{{ join "," .l | len }}`, 1000, 10_000},
		{"the keys of an object", `{{ keys .o | len }}`, 1000, 20_000},
		{"writing YAML", `{{ toYaml .l | len }}`, 15_000, 60_000},
		{"reading text", `{{ upper .s | len }}`, 1000, 5_000},
		{"matching text", `{{ regexMatch "x.y" .s }}`, 5000, 30_000},
		{"copying an object", `{{ deepCopy .o | len }}`, 1000, 10_000},
		{"changing a copy of all variables", `{{ set . "a" 1 | len }}`, 2000, 20_000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, used, err := w.measure(t, test.source)
			if err != nil {
				t.Fatal(err)
			}
			if used.Fuel < test.least || used.Fuel > test.atMost {
				t.Errorf("%s cost %d steps, want %d to %d", test.source, used.Fuel, test.least, test.atMost)
			}
		})
	}
}

func TestMemoryIsChargedForWhatIsBuilt(t *testing.T) {
	w := world{variables: object{"s": strings.Repeat("x", 1000)}}
	for source, least := range map[string]int64{
		`{{ repeat 100 .s | len }}`:             100_000,
		`{{ print .s .s .s | len }}`:            3000,
		`{{ list .s .s | len }}`:                48,
		`{{ until 1000 | len }}`:                24_000,
		`{{ dict "a" .s | len }}`:               64,
		`{{ toJson (list .s .s) | len }}`:       2000,
		`{{ replace "x" "yyy" .s | len }}`:      3000,
		`{{ indent 100 .s | len }}`:             1000,
		`{{ b64enc .s | len }}`:                 1336,
		`{{ splitList "" .s | len }}`:           24_000,
		`{{ regexReplaceAll "x" .s "" | len }}`: 1000,
	} {
		_, used, err := w.measure(t, source)
		if err != nil || used.Alloc < least {
			t.Errorf("%s charged %d bytes (%v), want at least %d", source, used.Alloc, err, least)
		}
	}
}
