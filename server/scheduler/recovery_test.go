package scheduler_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// A server that dies after it created a run and before it stored its progress leaves the slot to another
// server. There, the run of the slot is no earlier run.
func TestTheOwnRunOfASlotDoesNotCountAsOverlap(t *testing.T) {
	onEach(t, func(s *world) {
		for _, policy := range []string{"forbid", "replace", "queue"} {
			s.deploy(policy)
			s.hourly(policy, `,"overlap":"`+policy+`","misfire":{"mode":"all"}`)
		}
		before := map[string]store.Schedule{}
		for _, policy := range []string{"forbid", "replace", "queue"} {
			before[policy] = s.schedule(policy)
		}
		s.passes(2 * time.Hour)
		for policy, was := range before {
			after := s.schedule(policy)
			s.check(s.UpdateScheduleProgress(s.t.Context(), store.ScheduleProgress{
				ID: after.ID, DecidedBefore: after.DecidedUntil, DecidedUntil: was.DecidedUntil, NextDue: was.NextDue,
			}))
		}
		s.passes(time.Second)
		for policy, want := range map[string][]float64{"forbid": {0.5}, "replace": {0.5, 1.5}, "queue": {0.5}} {
			if got := s.slots(policy); !slices.Equal(got, want) {
				s.t.Errorf("%s: got runs at the hours %v, want %v", policy, got, want)
			}
			live := s.runs(policy, lifecycle.Scheduled)
			if len(live) != 1 || live[0].ScheduledTime.Sub(s.start).Hours() != want[len(want)-1] {
				s.t.Errorf("%s: %d runs are live, want the newest", policy, len(live))
			}
		}
	})
}

// Slots that come faster than the scheduler runs are all on time.
func TestSlotsOnTimeAreNotMisfires(t *testing.T) {
	onEach(t, func(s *world) {
		const spec = `{"interval_seconds":1}`
		next := s.start.Add(time.Second)
		s.check(
			s.UpdateSchedules(
				s.t.Context(),
				"etl",
				[]store.NewSchedule{
					{Name: "default", Spec: json.RawMessage(spec), Active: true, Next: &next},
				},
				actor,
			),
		)
		was := s.schedule("etl").DecidedUntil.Unix()
		s.passes(7 * time.Second)
		slots := s.schedule("etl").DecidedUntil.Unix() - was
		if got := int64(len(s.runs("etl"))); slots < 7 || got != slots {
			s.t.Errorf("%d slots made %d runs", slots, got)
		}
	})
}

func TestAnErrorKeepsItsTime(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", `,"overlap":"forbid"`)
		s.passes(time.Hour)
		s.passes(time.Hour)
		first := s.schedule("etl")
		if first.LastError == "" {
			s.t.Fatal("the second slot made a run")
		}
		for _, active := range []bool{false, true} {
			_, err := s.UpdateSchedulePaused(s.t.Context(), "etl", "default", store.PauseChange{Paused: !active}, actor)
			s.check(err)
		}
		s.passes(time.Minute) // nothing is due
		if now := s.schedule("etl"); now.LastError != first.LastError ||
			!now.LastErrorAt.Equal(*first.LastErrorAt) {
			s.t.Errorf("%q of %s became %q of %s", first.LastError, first.LastErrorAt, now.LastError,
				now.LastErrorAt)
		}
	})
}

// A client has used the idempotency key of a slot for another run: that slot has no run, the next ones have.
func TestATakenIdempotencyKeyCostsOneSlot(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", "")
		slot := s.start.Add(30 * time.Minute)
		_, _, err := s.CreateRun(s.t.Context(), store.NewRun{
			Deployment: "etl", ScheduledTime: &s.start, BodyHash: "another",
			IdempotencyKey: fmt.Sprintf("schedule:%s:%s", s.schedule("etl").ID, slot.Format(time.RFC3339)),
		}, actor)
		s.check(err)
		s.passes(time.Hour)
		if got := s.schedule("etl").LastError; !strings.Contains(got, "idempotency key") {
			s.t.Errorf("the error is %q", got)
		}
		s.passes(time.Hour)
		if got := s.slots("etl"); !slices.Equal(got, []float64{0, 1.5}) {
			s.t.Errorf("got runs at the hours %v", got)
		}
	})
}

func TestARefusedRunReplacesNothing(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", `,"overlap":"replace","job_variables":{"command":"date"}`)
		s.passes(time.Hour)
		narrow := strings.Replace(command, `"type":"string",`, `"type":"string","enum":["true"],`, 1)
		_, err := s.UpdateTemplate(s.t.Context(), "local",
			store.TemplateDocument{Document: json.RawMessage(narrow)}, nil, actor)
		s.check(err)
		s.passes(time.Hour)
		if got := s.schedule("etl").LastError; !strings.Contains(got, "no run for slot") {
			s.t.Errorf("the error is %q", got)
		}
		if live := s.runs("etl", lifecycle.Scheduled); len(live) != 1 {
			s.t.Errorf("%d runs are live, want the one that nothing replaces", len(live))
		}
	})
}

// The schedules of a paused deployment are not due, however many there are. Slots that pass meanwhile are
// left to the misfire policy.
func TestThePausedDeploymentsSchedulesAreNotDue(t *testing.T) {
	onEach(t, func(s *world) {
		pause := func(paused bool) {
			s.t.Helper()
			_, err := s.UpdateDeploymentPaused(s.t.Context(), "etl", paused, actor)
			s.check(err)
		}
		notDue := func(when string) {
			s.t.Helper()
			if next := s.schedule("etl").NextDue; next != nil {
				s.t.Errorf("%s, it is due at %s", when, next)
			}
		}
		s.hourly("etl", "")
		pause(true)
		notDue("paused")
		for _, active := range []bool{false, true} {
			_, err := s.UpdateSchedulePaused(s.t.Context(), "etl", "default", store.PauseChange{Paused: !active}, actor)
			s.check(err)
		}
		notDue("resumed while the deployment is paused")
		s.hourly("etl", `,"parameters":{"a":1}`)
		notDue("changed while the deployment is paused")
		s.passes(time.Hour)
		pause(false)
		s.passes(0)
		if got := s.slots("etl"); !slices.Equal(got, []float64{0.5}) {
			s.t.Errorf("got runs at the hours %v", got)
		}
		if next := s.schedule("etl").NextDue; next == nil || !next.Equal(s.start.Add(90*time.Minute)) {
			s.t.Errorf("then it is due at %v", next)
		}
	})
}

// A slot that was missed while another one waited for the end of a run does not wait as well.
func TestSlotsMissedWhileOneWaitsAreLeftToTheMisfirePolicy(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", `,"overlap":"queue"`)
		s.passes(time.Hour)
		s.passes(time.Hour)
		s.passes(10 * time.Hour) // no server runs for so long
		for _, want := range [][]float64{{0.5, 1.5}, {0.5, 1.5, 11.5}, {0.5, 1.5, 11.5}} {
			s.endAll("etl")
			s.passes(10 * time.Second)
			if got := s.slots("etl"); !slices.Equal(got, want) {
				s.t.Errorf("got runs at the hours %v, want %v", got, want)
			}
		}
	})
}
