package wire

import (
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/timetable"
)

// ParseStored parses a schedule as it is stored. It returns no schedule where its times cannot be read any longer: its
// time zone can be gone from the zone database.
func ParseStored(s store.Schedule) (api.ScheduleSpec, *schedule.Schedule, error) {
	spec, err := ReadStoredSchedule(s.Spec)
	if err != nil {
		return spec, nil, err
	}
	parsed, err := schedule.Parse(ReadScheduleSpec(spec))
	if err != nil {
		return spec, nil, nil //nolint:nilerr // see above
	}
	return spec, parsed, nil
}

// ScheduleSlots shows a schedule, without its slots.
func ScheduleSlots(s store.Schedule, spec api.ScheduleSpec) api.ScheduleSlots {
	return api.ScheduleSlots{
		ID: s.ID, Deployment: s.Deployment, Pool: s.Pool, Name: s.Name, Timezone: Or(spec.Timezone, "UTC"),
		Description: schedule.Describe(ReadScheduleSpec(spec)), Active: s.Active, LastError: OrNil(s.LastError),
		Failing: OrNil(s.Failing), Pause: Pause(s.Pause), Slots: []api.ScheduleSlot{}, Hours: []api.ScheduleHour{},
	}
}

// ScheduleSlot shows what became of a slot.
func ScheduleSlot(s timetable.Slot) api.ScheduleSlot {
	shown := api.ScheduleSlot{At: Time(s.At), Outcome: api.SlotOutcome(s.Outcome), Reason: OrNil(s.Reason)}
	if run := s.Run; run != nil {
		shown.Run = &api.SlotRun{
			ID: run.ID, Name: run.Name, State: api.StateType(run.State), Category: OrNil(api.Category(run.Category)),
		}
	}
	return shown
}

// ScheduleHour shows counts of the slots of an hour.
func ScheduleHour(h timetable.Hour) api.ScheduleHour {
	return api.ScheduleHour{At: Time(h.At), Slots: h.Slots, Runs: h.Runs, Failed: h.Failed, Planned: h.Planned}
}
