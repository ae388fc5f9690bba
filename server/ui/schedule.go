package ui

import (
	"time"

	"github.com/berth-dev/berth/server/api"
)

// scheduleView is a schedule with its next slots in its own zone.
type scheduleView struct {
	api.Schedule
	Zone  string
	Slots []zonedTime
}

// zonedTime is a slot as the clocks of its schedule and those of UTC show it.
type zonedTime struct {
	At         time.Time
	Local, UTC string
}

func scheduleViews(schedules []api.Schedule) []scheduleView {
	all := make([]scheduleView, len(schedules))
	for i, one := range schedules {
		all[i] = newScheduleView(one)
	}
	return all
}

func newScheduleView(one api.Schedule) scheduleView {
	made := scheduleView{Schedule: one, Zone: valueOf(one.Spec.Timezone)}
	if made.Zone == "" {
		made.Zone = "UTC"
	}
	zone, err := time.LoadLocation(made.Zone)
	if err != nil { // the API has checked it, with the same database
		zone = time.UTC
	}
	for _, at := range one.Next {
		made.Slots = append(made.Slots, zoned(at, zone))
	}
	return made
}

// zoned shows a time by the name of its zone: on the day on which clocks change, two slots may have the same hour, and
// differ in its abbreviation alone.
func zoned(at time.Time, zone *time.Location) zonedTime {
	z := zonedTime{At: at, UTC: at.UTC().Format("Mon 2006-01-02 15:04 UTC")}
	if zone != time.UTC && zone.String() != "UTC" {
		z.Local = at.In(zone).Format("Mon 2006-01-02 15:04 MST")
	}
	return z
}

// IsPaused reports whether its slots pass without a run.
func (s scheduleView) IsPaused() bool { return !s.Active || valueOf(s.DeploymentPaused) }

// Fails reports whether its newest slot made no run though it should have.
func (s scheduleView) Fails() bool { return valueOf(s.Failing) }

// Missed says what becomes of slots that pass during a pause.
func (s scheduleView) Missed() string { return misfireText(s.Spec.Misfire) }
