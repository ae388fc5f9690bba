package ui

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// TestTheTimelineOfAnAttemptSaysHowItEnded: a Job whose containers are gone has no exit code, and has succeeded all the same.
func TestTheTimelineOfAnAttemptSaysHowItEnded(t *testing.T) {
	begin := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	after := func(seconds int) *time.Time {
		at := begin.Add(time.Duration(seconds) * time.Second)
		return &at
	}
	oom := api.Category("oom")
	detail := api.RunDetail{
		Run: api.Run{CreatedAt: begin, ScheduledTime: begin},
		Attempts: []api.Attempt{
			{Number: 1, ClaimedAt: *after(1), RunningAt: after(2), EndedAt: after(5), Category: &oom},
			{Number: 2, ClaimedAt: *after(3600), RunningAt: after(3602), EndedAt: after(3610)},
			{Number: 3, ClaimedAt: *after(3611), RunningAt: after(3612)},
		},
	}
	shown := timeline(detail, 2, begin.Add(3620*time.Second))
	for i, want := range []string{"FAILED", "COMPLETED", "RUNNING"} {
		last := shown[i].Spans[len(shown[i].Spans)-1]
		if last.Class != "running "+want || last.From < 0 || last.From+last.Width > timelineWidth+2 {
			t.Errorf("attempt %d ends with %+v, want %s", i+1, last, want)
		}
	}
	// The hour of waiting is folded, so that what ran can be seen.
	waited, ran := shown[1].Spans[0], shown[1].Spans[len(shown[1].Spans)-1]
	if !strings.HasPrefix(waited.Label, "queued 59 min") || ran.Width < timelineWidth/10 || !shown[1].Chosen {
		t.Errorf("waited %+v, ran %+v", waited, ran)
	}
}

func TestTheNameOfAStateIsShownAsWords(t *testing.T) {
	for name, want := range map[string]string{"AwaitingSlot": "Awaiting slot", "OutOfMemory": "Out of memory", "Late": "Late", "": ""} {
		if got := stateWords(name); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
