package schedule_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/server/schedule"
)

func TestDue(t *testing.T) {
	const now = "2024-05-01T12:00:00Z"
	for _, tc := range []struct {
		name   string
		every  time.Duration
		away   time.Duration // since the schedule was looked at last
		policy schedule.Misfire
		want   []string
	}{
		{"nobody was away, so nothing was missed", 20 * time.Second, time.Minute, schedule.Misfire{}, []string{"11:59:20", "11:59:40", "12:00:00"}},
		{"after that the newest is left", 20 * time.Second, 61 * time.Second, schedule.Misfire{}, []string{"12:00:00"}},
		{"or what is on time", 20 * time.Second, time.Hour, schedule.Misfire{Mode: schedule.Skip}, []string{"11:59:00", "11:59:20", "11:59:40", "12:00:00"}},
		{"or nothing, where nothing is", 7 * time.Hour, 24 * time.Hour, schedule.Misfire{Mode: schedule.Skip}, nil},
		{"or all", 20 * time.Minute, time.Hour, schedule.Misfire{Mode: schedule.All}, []string{"11:20:00", "11:40:00", "12:00:00"}},
		{"or the newest of all", 20 * time.Minute, time.Hour, schedule.Misfire{Mode: schedule.All, Cap: 2}, []string{"11:40:00", "12:00:00"}},
		{"a cap is of all only", 20 * time.Second, time.Hour, schedule.Misfire{Mode: schedule.Skip, Cap: 1}, []string{"11:59:00", "11:59:20", "11:59:40", "12:00:00"}},
		{"nothing older than said", 20 * time.Minute, time.Hour, schedule.Misfire{Mode: schedule.All, Oldest: 20 * time.Minute}, []string{"11:40:00", "12:00:00"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := parse(t, schedule.Spec{Every: tc.every, Anchor: at(t, "2024-05-01T00:00:00Z")})
			var got []string
			for _, slot := range s.Due(at(t, now).Add(-tc.away), at(t, now), tc.policy) {
				got = append(got, slot.Format(time.TimeOnly))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("slots (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	slot := at(t, "2024-05-01T12:00:00Z")
	older := schedule.LiveRun{ID: "older", Slot: slot.Add(-time.Hour)}
	ending := schedule.LiveRun{ID: "ending", Slot: slot.Add(-2 * time.Hour), Cancelling: true}
	own, newer := schedule.LiveRun{ID: "own", Slot: slot}, schedule.LiveRun{ID: "newer", Slot: slot.Add(time.Hour)}
	create, drop, wait := schedule.Decision{Action: schedule.Create}, schedule.Decision{Action: schedule.Drop}, schedule.Decision{Action: schedule.Wait}
	for _, tc := range []struct {
		name                          string
		live                          []schedule.LiveRun
		allow, forbid, replace, queue schedule.Decision
	}{
		{"nothing is live", nil, create, create, create, create},
		{"an older run is", []schedule.LiveRun{ending, older}, create, drop, schedule.Decision{Action: schedule.Create, Cancel: []string{"older"}}, wait},
		{"the slot has its run", []schedule.LiveRun{ending, own}, create, create, create, create},
		{"the slot has its run, and the one that it replaces goes on", []schedule.LiveRun{older, own}, create, create,
			schedule.Decision{Action: schedule.Create, Cancel: []string{"older"}}, create},
		{"a newer slot has its run", []schedule.LiveRun{older, newer}, create, drop, drop, drop},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for policy, want := range map[schedule.Overlap]schedule.Decision{
				schedule.Allow: tc.allow, schedule.Forbid: tc.forbid, schedule.Replace: tc.replace, schedule.Queue: tc.queue,
			} {
				if diff := cmp.Diff(want, policy.Decide(slot, tc.live)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", policy, diff)
				}
			}
		})
	}
}
