package scheduler_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/timetable"
	"github.com/berth-dev/berth/server/wire"
)

// tables are the slots of all schedules in a range of hours from the start, as a request reads them.
func (s *world) tables(from, to time.Duration) map[string][]timetable.Slot {
	s.t.Helper()
	ctx := s.t.Context()
	schedules, _, err := s.ListSchedules(ctx, store.ScheduleFilter{}, store.Page{Limit: 500})
	s.check(err)
	span := timetable.Range{From: s.start.Add(from), To: s.start.Add(to), Now: s.Now()}
	facts, err := s.GetSlotFacts(ctx, schedules, nil, span.From, span.To)
	s.check(err)
	tables := map[string][]timetable.Slot{}
	for _, one := range schedules {
		_, parsed, err := wire.ParseStored(one)
		s.check(err)
		tables[one.Deployment] = timetable.New(one, parsed, span).Slots(facts.Runs[one.ID], facts.Gaps[one.ID])
	}
	return tables
}

// outcomes are slots in a line: the hour and what became of it.
func (s *world) outcomes(slots []timetable.Slot) []string {
	var lines []string
	for _, slot := range slots {
		lines = append(lines, fmt.Sprintf("%v %s", slot.At.Sub(s.start).Hours(), slot.Outcome))
	}
	return lines
}

func (s *world) wantOutcomes(what string, slots []timetable.Slot, want ...string) {
	s.t.Helper()
	if got := s.outcomes(slots); !slices.Equal(got, want) {
		s.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestC1SlotsSayWhatBecameOfThemAndC6Why(t *testing.T) {
	onEach(t, func(s *world) {
		ctx := s.t.Context()
		for _, name := range []string{"forbid", "broken", "paused", "resting", "coalesced", "missed", "waits"} {
			s.deploy(name)
		}
		s.hourly("forbid", `,"overlap":"forbid"`)
		s.hourly("broken", `,"job_variables":{"command":7}`)
		s.hourly("paused", `,"misfire":{"mode":"all"}`)
		s.hourly("resting", "")
		s.hourly("coalesced", "")
		s.hourly("missed", `,"misfire":{"mode":"skip"}`)
		s.hourly("waits", `,"overlap":"queue"`)
		_, err := s.UpdateSchedulePaused(ctx, "paused", "default", store.PauseChange{Paused: true, Reason: "a holiday"}, actor)
		s.check(err)

		s.passes(time.Hour)     // 0.5 on time
		s.passes(2 * time.Hour) // 1.5 and 2.5 at once, late
		tables := s.tables(0, 5*time.Hour)
		s.wantOutcomes("forbid", tables["forbid"], "0.5 run", "1.5 coalesced", "2.5 skipped", "3.5 planned", "4.5 planned")
		s.wantOutcomes("broken", tables["broken"], "0.5 failed", "1.5 coalesced", "2.5 failed", "3.5 planned", "4.5 planned")
		s.wantOutcomes("paused", tables["paused"], "0.5 paused", "1.5 paused", "2.5 paused", "3.5 paused", "4.5 paused")
		s.wantOutcomes("coalesced", tables["coalesced"], "0.5 run", "1.5 coalesced", "2.5 run", "3.5 planned", "4.5 planned")
		s.wantOutcomes("missed", tables["missed"], "0.5 missed", "1.5 missed", "2.5 missed", "3.5 planned", "4.5 planned")
		s.wantOutcomes("waits", tables["waits"], "0.5 run", "1.5 coalesced", "2.5 waiting", "3.5 planned", "4.5 planned")
		for deployment, want := range map[string]string{
			"forbid": "an earlier run has not ended, and overlap is forbid", "paused": "paused by ada: a holiday",
		} {
			if got := tables[deployment][2].Reason; got != want {
				t.Errorf("%s: because %q, want %q", deployment, got, want)
			}
		}
		if tables["broken"][2].Reason == "" || tables["forbid"][0].Run == nil || tables["forbid"][0].Run.State != "SCHEDULED" {
			t.Errorf("broken because %q; the run is %+v", tables["broken"][2].Reason, tables["forbid"][0].Run)
		}

		// Resumed, misfire makes up for all that passed, and another pause goes by without a run.
		_, err = s.UpdateSchedulePaused(ctx, "paused", "default", store.PauseChange{}, actor)
		s.check(err)
		_, err = s.UpdateDeploymentPaused(ctx, "resting", true, actor)
		s.check(err)
		s.passes(2 * time.Hour)
		_, err = s.UpdateDeploymentPaused(ctx, "resting", false, actor)
		s.check(err)
		s.passes(0)
		tables = s.tables(0, 6*time.Hour)
		s.wantOutcomes("resumed", tables["paused"], "0.5 run", "1.5 run", "2.5 run", "3.5 run", "4.5 run", "5.5 planned")
		s.wantOutcomes("resting", tables["resting"], "0.5 run", "1.5 coalesced", "2.5 run", "3.5 paused", "4.5 run", "5.5 planned")

		// Retention forgets the reasons with the runs; and a change of the times leaves only slots that made a run.
		s.Advance(100 * time.Hour)
		_, err = s.Expire(ctx, store.Retention{Runs: time.Hour})
		s.check(err)
		s.wantOutcomes("forgotten", s.tables(0, 2*time.Hour)["broken"], "0.5 unknown", "1.5 unknown")
		s.wantOutcomes("kept", s.tables(0, time.Hour)["resting"], "0.5 run") // it is live
		daily := json.RawMessage(`{"cron":"15 6 * * *"}`)
		s.check(s.UpdateSchedules(ctx, "resting", []store.NewSchedule{{Name: "default", Spec: daily, Active: true}}, actor))
		s.wantOutcomes("changed", s.tables(0, 3*time.Hour)["resting"], "0.5 run", "2.5 run")
	})
}

func TestAFailureThatGoesOnIsOneRow(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", `,"job_variables":{"command":7}`)
		for range 6 {
			s.passes(time.Hour)
		}
		schedules, _, err := s.ListSchedules(t.Context(), store.ScheduleFilter{}, store.Page{})
		s.check(err)
		facts, err := s.GetSlotFacts(t.Context(), schedules, nil, s.start, s.Now())
		s.check(err)
		failed := 0
		for _, gap := range facts.Gaps[schedules[0].ID] {
			if gap.Kind == store.GapFailed {
				failed++
			}
		}
		if failed != 1 {
			t.Errorf("%+v", facts.Gaps)
		}
		for _, slot := range s.tables(0, 6*time.Hour)["etl"] {
			if slot.Outcome == timetable.Unknown || slot.Reason == "" {
				t.Errorf("%s: %s, because %q", slot.At, slot.Outcome, slot.Reason)
			}
		}
	})
}
