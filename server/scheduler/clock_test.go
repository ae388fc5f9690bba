package scheduler_test

import (
	"strings"
	"testing"
	"time"
)

// TestAClockThatJumpsForwardAndBackSilencesNoSchedule: slots had been decided up to a time that comes two days
// later.
func TestAClockThatJumpsForwardAndBackSilencesNoSchedule(t *testing.T) {
	for name, more := range map[string]func(*world) string{
		"with all of the missed slots": func(*world) string { return `,"misfire":{"mode":"all","cap":100}` },
		"that has ended by the time that the clock showed": func(s *world) string {
			return `,"end":"` + s.start.Add(24*time.Hour).Format(time.RFC3339) + `"`
		},
		"with the newest of the missed slots": func(*world) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(s *world) {
				s.hourly("etl", more(s))
				s.passes(48 * time.Hour)
				s.Advance(-48 * time.Hour)
				corrected, err := s.CorrectClock(s.t.Context(), time.Minute)
				s.check(err)
				if len(corrected.Schedules) != 1 || corrected.Schedules[0].Deployment != "etl" {
					t.Fatalf("corrected %+v, want the schedule", corrected)
				}
				if said := s.schedule("etl").LastError; !strings.Contains(said, "clock went back") {
					t.Errorf("the schedule says %q", said)
				}

				for range 3 {
					s.passes(time.Hour)
				}
				slots := map[float64]int{}
				for _, slot := range s.slots("etl") {
					slots[slot]++
				}
				for _, slot := range []float64{0.5, 1.5, 2.5} {
					if slots[slot] != 1 {
						t.Errorf("slot %v has %d runs, want one; all: %v", slot, slots[slot], s.slots("etl"))
					}
				}
			})
		})
	}
}

func TestTheClockOfAScheduleThatIsAMinuteAheadIsLeftAlone(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", "")
		s.passes(time.Hour)
		s.Advance(-50 * time.Second)
		corrected, err := s.CorrectClock(s.t.Context(), time.Minute)
		s.check(err)
		if corrected.Any() {
			t.Errorf("corrected %+v", corrected)
		}
	})
}
