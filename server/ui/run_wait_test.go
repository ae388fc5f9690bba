package ui

import (
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestTheStartOfARunAsAReaderSaysIt(t *testing.T) {
	for want, f := range map[string]*api.StartForecast{
		"":                                                  nil,
		"likely to start any moment":                        {From: 0, To: 4},
		"likely to start within about 12 min":               {From: 2, To: 720},
		"likely to start in about 1 h 30 min":               {From: 5400, To: 5400},
		"likely to start in about 40–70 min":                {From: 2400, To: 4199},
		"likely to start in about 30 s to 3 h":              {From: 30, To: 3 * 3600},
		"likely to start in about 2 h 27 min to 4 h 20 min": {From: 8820, To: 15600},
	} {
		if got := startText(f); got != want {
			t.Errorf("%+v is %q, want %q", f, got, want)
		}
	}
}
