package cli

import (
	"testing"
	"time"
)

func TestPeriodsAreDaysOrDurations(t *testing.T) {
	for _, test := range []struct {
		text string
		want time.Duration
		back string
	}{
		{"90d", 90 * day, "90d"}, {"0", 0, "0"}, {"0d", 0, "0"}, {"36h", 36 * time.Hour, "36h0m0s"}, {"48h", 2 * day, "2d"},
		{"1h30m", 90 * time.Minute, "1h30m0s"}, {"100000d", 100_000 * day, "100000d"},
		{"1d12h", 36 * time.Hour, "36h0m0s"}, {"2w", 14 * day, "14d"}, {"1w1d", 8 * day, "8d"}, {"15m", 15 * time.Minute, "15m0s"},
	} {
		var p Period
		if err := p.Set(test.text); err != nil || time.Duration(p) != test.want || p.String() != test.back {
			t.Errorf("%s is %s (%v, %v), want %s", test.text, p.String(), time.Duration(p), err, test.back)
		}
	}
	for _, text := range []string{"", "d", "-1d", "1.5d", "100001d", "-1h", "90", "forever", "9999999999999d", "1d-1h", "1dx", "1d1w", "w", "99999d9999h", "20000w"} {
		if p := new(Period); p.Set(text) == nil {
			t.Errorf("%q is %s", text, p)
		}
	}
}
