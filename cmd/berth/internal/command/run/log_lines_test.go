package run

import "testing"

func TestRangesOfLinesAreRead(t *testing.T) {
	for text, want := range map[string]lineRange{
		"120-130": {120, 130}, "7": {7, 7}, "120-": {120, 0}, "-50": {-50, 0}, "3-3": {3, 3},
		"": {}, "0": {}, "-0": {}, "5-4": {}, "a-b": {}, "1-2-3": {}, "-": {}, "--5": {}, "1-x": {},
	} {
		var got lineRange
		err := got.Set(text)
		if got != want || (err == nil) != (want != lineRange{}) {
			t.Errorf("%q is read as %+v, %v", text, got, err)
		}
	}
}
