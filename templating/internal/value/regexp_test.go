package value_test

import (
	"testing"

	"github.com/berth-dev/berth/templating/internal/value"
)

func TestHowFarASearchMayLookBeyondItsMatch(t *testing.T) {
	const all = -1
	for pattern, want := range map[string]int{
		"abc": 3, "a|bc": 2, "a{3}": 3, "(ab?){2,4}": 8, "": 0, "^$": 0,
		"[^a-z0-9]+": 1, `v\d+`: 2, `(?:ab|c)x*`: 3, "x{3,}": 3, `a|b\s+`: 2, `(a[0-9]*)`: 2, "x*?": 1,
		".*b": all, ".*b|a": all, "(.*b)?": all, `\s+$|\s`: all, "(ab)*": all, "(a*)*": all, "a*b*": all, "(a*){2}": all,
	} {
		got, err := value.MeasureRegexp(pattern)
		if err != nil || got.Beyond != want {
			t.Errorf("%q looks %d beyond its match (%v), want %d", pattern, got.Beyond, err, want)
		}
	}
}
