package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/store"
)

const (
	// DefaultSchedule is the name of a schedule that is declared without one.
	DefaultSchedule = "default"
	// SlotsShown is how many of the next slots of a schedule are shown.
	SlotsShown = 5
)

// Schedule converts a schedule, with its next slots after now.
func Schedule(s store.Schedule, now time.Time) (api.Schedule, error) {
	spec, err := ReadStoredSchedule(s.Spec)
	if err != nil {
		return api.Schedule{}, err
	}
	converted := api.Schedule{
		ID:          s.ID,
		Deployment:  s.Deployment,
		Pool:        s.Pool,
		Name:        s.Name,
		Spec:        spec,
		Active:      s.Active,
		Description: schedule.Describe(ReadScheduleSpec(spec)),
		Next:        []time.Time{},
		LastSlot:    TimePtr(s.LastSlot),
		LastError:   OrNil(s.LastError),
		LastErrorAt: TimePtr(s.LastErrorAt),
		Failing:     OrNil(s.Failing),

		DeploymentPaused: OrNil(s.DeploymentPaused),
		Pause:            Pause(s.Pause),
	}
	if n := len(s.Waiting); n > 0 {
		converted.Waiting, converted.WaitingSince = OrNil(int32(n)), TimePtr(&s.Waiting[0])
	}

	// A schedule that was saved may no longer parse: its time zone can be gone from the zone database. It
	// then has no next slots.
	parsed, err := schedule.Parse(ReadScheduleSpec(spec))
	if err == nil && s.Active {
		converted.Next = NextSlots(parsed, now, SlotsShown)
	}
	return converted, nil
}

// NextSlots returns up to limit slots after an instant.
func NextSlots(s *schedule.Schedule, after time.Time, limit int) []time.Time {
	end := time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)
	return NonNil(s.Between(after, end, limit))
}

// Schedules converts the schedules of a list.
func Schedules(schedules []store.Schedule, now time.Time) ([]api.Schedule, error) {
	items := make([]api.Schedule, 0, len(schedules))
	for _, s := range schedules {
		item, err := Schedule(s, now)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// ReadStoredSchedule reads the specification of a schedule as it is stored.
func ReadStoredSchedule(document json.RawMessage) (api.ScheduleSpec, error) {
	var spec api.ScheduleSpec
	if err := json.Unmarshal(document, &spec); err != nil {
		return spec, fmt.Errorf("read a stored schedule: %w", err)
	}
	return spec, nil
}

// ReadScheduleSpec reads when a schedule comes.
func ReadScheduleSpec(s api.ScheduleSpec) schedule.Spec {
	return schedule.Spec{
		Cron:     Or(s.Cron, ""),
		Every:    Or(readSeconds(s.IntervalSeconds), 0),
		RRule:    Or(s.Rrule, ""),
		Anchor:   Or(s.Anchor, time.Time{}),
		Timezone: Or(s.Timezone, ""),
		Start:    Or(s.Start, time.Time{}),
		End:      Or(s.End, time.Time{}),
		Jitter:   time.Duration(Or(s.JitterSeconds, 0)) * time.Second,
	}
}

// ReadMisfire reads the policy for missed slots.
func ReadMisfire(s api.ScheduleSpec) schedule.MisfirePolicy {
	if s.Misfire == nil {
		return schedule.MisfirePolicy{Mode: schedule.Latest}
	}
	return schedule.MisfirePolicy{
		Mode:   schedule.MisfireMode(Or(s.Misfire.Mode, api.MisfirePolicyMode(schedule.Latest))),
		Cap:    int(Or(s.Misfire.Cap, 0)),
		Oldest: Or(readSeconds(s.Misfire.OldestSeconds), 0),
	}
}

// ReadOverlap reads the policy for a slot that comes while an earlier run is live.
func ReadOverlap(s api.ScheduleSpec) schedule.OverlapPolicy {
	return schedule.OverlapPolicy(Or(s.Overlap, api.ScheduleSpecOverlap(schedule.Allow)))
}

// ReadBusy reads the policy for a slot that comes while any run of the deployment is live.
func ReadBusy(s api.ScheduleSpec) schedule.BusyPolicy {
	return schedule.BusyPolicy(Or(s.Busy, api.ScheduleSpecBusy(schedule.BusyAllow)))
}

// ParseSchedule parses a schedule that was sent. What is wrong with it is added to findings, below at; the
// schedule is then nil.
func ParseSchedule(findings *finding.List, at string, spec api.ScheduleSpec) *schedule.Schedule {
	parsed, err := schedule.Parse(ReadScheduleSpec(spec))
	if err == nil {
		return parsed
	}

	var invalid *schedule.Error
	switch {
	case !errors.As(err, &invalid):
		findings.Addf(problem.InvalidBody, at, "%v", err)
	case invalid.Err != nil:
		findings.Addf(
			problem.InvalidBody,
			at+"/"+scheduleField(invalid.Field),
			"want %s: %v",
			invalid.Expected,
			invalid.Err,
		)
	default:
		findings.Addf(problem.InvalidBody, at+"/"+scheduleField(invalid.Field), "want %s", invalid.Expected)
	}
	return nil
}

// scheduleField is the API's name of a field of schedule.Spec.
func scheduleField(field string) string {
	switch field {
	case "every":
		return "interval_seconds"
	case "jitter":
		return "jitter_seconds"
	}
	return field
}
