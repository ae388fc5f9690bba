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
		away   time.Duration // since the schedule was last checked
		policy schedule.MisfirePolicy
		want   []string
	}{
		{"within the grace period no slot is missed", 20 * time.Second, time.Minute, schedule.MisfirePolicy{},
			[]string{"11:59:20", "11:59:40", "12:00:00"}},
		{"after the grace period the default is the newest slot", 20 * time.Second, 61 * time.Second, schedule.MisfirePolicy{},
			[]string{"12:00:00"}},
		{"skip keeps only slots on time", 20 * time.Second, time.Hour, schedule.MisfirePolicy{Mode: schedule.Skip},
			[]string{"11:59:00", "11:59:20", "11:59:40", "12:00:00"}},
		{"skip without a slot on time keeps none", 7 * time.Hour, 24 * time.Hour, schedule.MisfirePolicy{Mode: schedule.Skip}, nil},
		{"all keeps every missed slot", 20 * time.Minute, time.Hour, schedule.MisfirePolicy{Mode: schedule.All},
			[]string{"11:20:00", "11:40:00", "12:00:00"}},
		{"all with a cap keeps the newest", 20 * time.Minute, time.Hour, schedule.MisfirePolicy{Mode: schedule.All, Cap: 2},
			[]string{"11:40:00", "12:00:00"}},
		{"cap applies to all only", 20 * time.Second, time.Hour, schedule.MisfirePolicy{Mode: schedule.Skip, Cap: 1},
			[]string{"11:59:00", "11:59:20", "11:59:40", "12:00:00"}},
		{"all drops slots older than the bound", 20 * time.Minute, time.Hour,
			schedule.MisfirePolicy{Mode: schedule.All, Oldest: 20 * time.Minute},
			[]string{"11:40:00", "12:00:00"}},
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
	own := schedule.LiveRun{ID: "own", Slot: slot}
	newer := schedule.LiveRun{ID: "newer", Slot: slot.Add(time.Hour)}
	create := schedule.Decision{Action: schedule.Create}
	drop := schedule.Decision{Action: schedule.Drop}
	wait := schedule.Decision{Action: schedule.Wait}
	for _, tc := range []struct {
		name                          string
		live                          []schedule.LiveRun
		allow, forbid, replace, queue schedule.Decision
	}{
		{"no live run", nil, create, create, create, create},
		{"older run is live", []schedule.LiveRun{ending, older}, create, drop,
			schedule.Decision{Action: schedule.Create, Cancel: []string{"older"}}, wait},
		{"run of the slot exists", []schedule.LiveRun{ending, own}, create, create, create, create},
		{"run of the slot exists and the run it replaces is live", []schedule.LiveRun{older, own}, create, create,
			schedule.Decision{Action: schedule.Create, Cancel: []string{"older"}}, create},
		{"run of a newer slot exists", []schedule.LiveRun{older, newer}, create, drop, drop, drop},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for policy, want := range map[schedule.OverlapPolicy]schedule.Decision{
				schedule.Allow: tc.allow, schedule.Forbid: tc.forbid, schedule.Replace: tc.replace,
				schedule.Queue: tc.queue,
			} {
				if diff := cmp.Diff(want, policy.Decide(slot, tc.live)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", policy, diff)
				}
			}
		})
	}
}
