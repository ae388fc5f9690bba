package run

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func TestAnExplanationSaysWhenARunStartsAndNamesTheHoldersThatItsSentenceDoesNot(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	app := &cli.App{Now: func() time.Time { return now }}
	usual := 8400.0
	var holders []api.SlotHolder
	for i := range 4 {
		holders = append(holders, api.SlotHolder{Name: fmt.Sprintf("gull-%d", i), Deployment: "etl", Since: now.Add(-time.Hour)})
	}
	holders[0].UsualSeconds = &usual
	for name, c := range map[string]struct {
		e    api.RunExplanation
		want []string
	}{
		"nothing is known": {api.RunExplanation{}, nil},
		"a range": {
			api.RunExplanation{Eta: &api.StartForecast{From: 8820, To: 15600}},
			[]string{"it is likely to start in about 2h27m to 4h20m"},
		},
		"one time": {
			api.RunExplanation{Eta: &api.StartForecast{From: 5400, To: 5400}},
			[]string{"it is likely to start in about 1h30m"},
		},
		"the sentence names all": {api.RunExplanation{Holders: holders[:3], HoldersTotal: 3}, nil},
		"more hold slots": {
			api.RunExplanation{Holders: holders, HoldersTotal: 9},
			[]string{
				"a slot is held by gull-0 (etl) for 1h, usually 2h20m", "a slot is held by gull-1 (etl) for 1h",
				"a slot is held by gull-2 (etl) for 1h", "a slot is held by gull-3 (etl) for 1h",
			},
		},
	} {
		if got := queueLines(app, c.e); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
