package scheduler_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/scheduler"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
	"github.com/berth-dev/berth/templating"
)

// world is a scheduler on a database whose clock can be moved.
type world struct {
	*storetest.Store
	scheduler *scheduler.Scheduler
	t         *testing.T
	start     time.Time
}

const (
	actor   = "ada"
	command = `{"job_configuration":{"command":"{{ command }}",` + storetest.Manifest + `},"variables":{"properties":{"command":{"type":"string","default":"true"}}}}`
)

// onEach runs a test on every database, with one deployment named etl.
func onEach(t *testing.T, test func(s *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *storetest.Store) {
		pool := store.NewPool{
			Name: "local", Type: "process",
			Template: store.TemplateDocument{Document: json.RawMessage(command)},
		}
		if _, err := db.CreatePool(t.Context(), pool, actor); err != nil {
			t.Fatal(err)
		}
		s := &world{
			Store: db, scheduler: newScheduler(t, db), t: t,
			start: db.Now().UTC().Truncate(time.Second),
		}
		s.deploy("etl")
		test(s)
	})
}

func newScheduler(t *testing.T, db *storetest.Store) *scheduler.Scheduler {
	rules, err := rulebook.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	runs := newrun.NewCreator(newrun.CreatorOptions{
		Store: db.Store, Templates: catalog.New(templating.DefaultRegistry()), Rules: rules, Now: db.Now,
	})
	return scheduler.New(db.Store, runs, func(string, time.Duration) {}, slog.New(slog.NewTextHandler(t.Output(), nil)))
}

func (s *world) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *world) deploy(name string, change ...func(*store.Deployment)) {
	s.t.Helper()
	d := store.Deployment{Name: name, Pool: "local"}
	for _, c := range change {
		c(&d)
	}
	_, _, err := s.UpsertDeployment(s.t.Context(), d, actor)
	s.check(err)
}

// hourly gives a deployment a schedule whose slots are half an hour away from now on either side.
func (s *world) hourly(deployment, more string) {
	s.t.Helper()
	first := s.start.Add(30 * time.Minute)
	spec := fmt.Sprintf(`{"interval_seconds":3600,"anchor":%q%s}`, first.Format(time.RFC3339), more)
	s.check(
		s.UpdateSchedules(s.t.Context(), deployment,
			[]store.NewSchedule{{Name: "default", Spec: json.RawMessage(spec), Active: true, Next: &first}},
			actor),
	)
}

// passes moves the clock and then runs the scheduler.
func (s *world) passes(d time.Duration) {
	s.t.Helper()
	s.Advance(d)
	s.check(s.scheduler.RunDue(s.t.Context()))
}

func (s *world) runs(deployment string, states ...lifecycle.StateType) []store.Run {
	s.t.Helper()
	runs, _, err := s.ListRuns(s.t.Context(),
		store.RunFilter{Deployment: deployment, States: states, Sort: store.OldestFirst},
		store.Page{Limit: 200})
	s.check(err)
	return runs
}

// slots are the hours after the start at which runs are due, as in 0.5.
func (s *world) slots(deployment string) []float64 {
	s.t.Helper()
	slots := []float64{}
	for _, r := range s.runs(deployment) {
		slots = append(slots, r.ScheduledTime.Sub(s.start).Hours())
	}
	slices.Sort(slots)
	return slots
}

func (s *world) schedule(deployment string) store.Schedule {
	s.t.Helper()
	schedules, err := s.ListDeploymentSchedules(s.t.Context(), deployment)
	s.check(err)
	if len(schedules) != 1 {
		s.t.Fatalf("deployment %s has %d schedules", deployment, len(schedules))
	}
	return schedules[0]
}

// failing counts the schedules that cannot create their runs, as the metrics do.
func (s *world) failing() (failing []store.ScheduleStats) {
	s.t.Helper()
	stats, err := s.GetStats(s.t.Context())
	s.check(err)
	for _, one := range stats.Schedules {
		if one.State == store.ScheduleFailing {
			failing = append(failing, one)
		}
	}
	return failing
}

func TestMissedSlotsFollowTheMisfirePolicy(t *testing.T) {
	tests := []struct {
		name, more string
		want       []float64
	}{
		{"by default, only the newest slot runs", "", []float64{9.5}},
		{"skip runs none", `,"misfire":{"mode":"skip"}`, []float64{}},
		{
			"all runs every slot", `,"misfire":{"mode":"all"}`,
			[]float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5},
		},
		{"cap 3 runs the newest three", `,"misfire":{"mode":"all","cap":3}`, []float64{7.5, 8.5, 9.5}},
		{
			"all with an age limit runs the recent ones", `,"misfire":{"mode":"all","oldest_seconds":6300}`,
			[]float64{8.5, 9.5},
		},
		{
			"latest with an age limit runs none that is too old",
			`,"misfire":{"mode":"latest","oldest_seconds":600}`, []float64{},
		},
	}
	onEach(t, func(s *world) {
		for i, test := range tests {
			s.deploy(fmt.Sprintf("d%d", i))
			s.hourly(fmt.Sprintf("d%d", i), test.more)
		}
		s.passes(10 * time.Hour)
		for i, test := range tests {
			if got := s.slots(fmt.Sprintf("d%d", i)); !slices.Equal(got, test.want) {
				s.t.Errorf("%s: got runs at the hours %v, want %v", test.name, got, test.want)
			}
		}
		// The next slot is on time for each of them.
		s.passes(30*time.Minute + time.Second)
		for i, test := range tests {
			if got, want := s.slots(fmt.Sprintf("d%d", i)), append(test.want, 10.5); !slices.Equal(
				got, want,
			) {
				s.t.Errorf("%s: then got runs at the hours %v, want %v", test.name, got, want)
			}
		}
	})
}

func TestSlotsInAPauseFollowTheMisfirePolicy(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", `,"misfire":{"mode":"all"}`)
		s.deploy("resting")
		s.hourly("resting", "")
		_, err := s.UpdateSchedulePaused(s.t.Context(), "etl", "default", store.PauseChange{Paused: true}, actor)
		s.check(err)
		_, err = s.UpdateDeploymentPaused(s.t.Context(), "resting", true, actor)
		s.check(err)
		s.passes(3 * time.Hour)
		if got := append(s.slots("etl"), s.slots("resting")...); len(got) != 0 {
			s.t.Errorf("what is paused has runs at %v", got)
		}
		_, err = s.UpdateSchedulePaused(s.t.Context(), "etl", "default", store.PauseChange{}, actor)
		s.check(err)
		_, err = s.UpdateDeploymentPaused(s.t.Context(), "resting", false, actor)
		s.check(err)
		s.passes(0)
		if got := s.slots("etl"); !slices.Equal(got, []float64{0.5, 1.5, 2.5}) {
			s.t.Errorf("resumed: got %v", got)
		}
		if got := s.slots("resting"); !slices.Equal(got, []float64{2.5}) {
			s.t.Errorf("deployment resumed: got %v", got)
		}
	})
}

func TestOverlapPolicies(t *testing.T) {
	onEach(t, func(s *world) {
		for _, policy := range []string{"allow", "forbid", "replace", "queue"} {
			s.deploy(policy)
			s.hourly(policy, `,"overlap":"`+policy+`"`)
		}
		for range 3 {
			s.passes(time.Hour)
		}
		for policy, want := range map[string][]float64{"allow": {0.5, 1.5, 2.5}, "forbid": {0.5}, "replace": {0.5, 1.5, 2.5}, "queue": {0.5}} {
			if got := s.slots(policy); !slices.Equal(got, want) {
				s.t.Errorf("%s: got runs at the hours %v, want %v", policy, got, want)
			}
		}
		if live := s.runs("replace", lifecycle.Scheduled); len(live) != 1 ||
			live[0].ScheduledTime.Sub(s.start) != 150*time.Minute {
			s.t.Errorf("replace leaves %d runs", len(live))
		}
		if got := s.schedule("forbid"); got.Failing || len(s.failing()) > 0 {
			s.t.Errorf("a slot that its policy leaves out counts as a failure: %+v", got)
		}
		if got := s.schedule("forbid").LastError; !strings.Contains(got, "overlap is forbid") {
			s.t.Errorf("forbid says %q", got)
		}
		facts, err := s.GetRunFacts(s.t.Context(), s.runs("queue")[0].ID)
		s.check(err)
		if len(facts.Waiting) != 2 {
			s.t.Errorf("behind the run of queue wait %v", facts.Waiting)
		}
		// Each waiting slot runs after the one before it, however late: it was not missed.
		for _, want := range [][]float64{{0.5, 1.5}, {0.5, 1.5, 2.5}} {
			s.endAll("queue")
			s.passes(10 * time.Second)
			if got := s.slots("queue"); !slices.Equal(got, want) {
				s.t.Errorf("queue: got %v, want %v", got, want)
			}
		}
	})
}

func TestABusyDeploymentSkipsItsSlots(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", `,"busy":"skip"`)
		run, _, err := s.CreateRun(s.t.Context(), store.NewRun{Deployment: "etl"}, "by hand")
		s.check(err)
		s.passes(time.Hour)
		if got := s.schedule("etl").LastError; len(s.runs("etl")) != 1 || !strings.Contains(got, "busy is skip") {
			s.t.Errorf("%d runs beside the one by hand, %q", len(s.runs("etl"))-1, got)
		}
		_, err = s.CancelRun(s.t.Context(), run.ID, actor)
		s.check(err)
		s.passes(time.Hour)
		if got := s.runs("etl", lifecycle.Scheduled); len(got) != 1 {
			s.t.Errorf("%d runs once it has ended, want 1", len(got))
		}
	})
}

func TestSlotsThatWaitAreCountedAndCanBeDropped(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", `,"overlap":"queue"`)
		for range 4 {
			s.passes(time.Hour)
		}
		if got := s.schedule("etl").Waiting; len(got) != 3 || got[0].Sub(s.start) != 90*time.Minute {
			s.t.Errorf("waiting: %v", got)
		}
		s.check(s.InTx(s.t.Context(), func(tx *store.Tx) error {
			return tx.DropWaitingSlots(s.t.Context(), "etl", s.schedule("etl").Name, actor)
		}))
		s.endAll("etl")
		s.passes(time.Minute)
		if got := s.runs("etl", lifecycle.Scheduled); len(got) != 0 || len(s.schedule("etl").Waiting) != 0 {
			s.t.Errorf("%d runs of slots that were dropped", len(got))
		}
		s.passes(time.Hour)
		if got := s.runs("etl", lifecycle.Scheduled); len(got) != 1 {
			s.t.Errorf("%d runs of the next slot, want 1", len(got))
		}
	})
}

func (s *world) endAll(deployment string) {
	s.t.Helper()
	for _, r := range s.runs(deployment, lifecycle.Scheduled) {
		_, err := s.CancelRun(s.t.Context(), r.ID, actor)
		s.check(err)
	}
}

func TestManyServersCreateOneRunPerSlot(t *testing.T) {
	onEach(t, func(s *world) {
		const schedules, rounds = 30, 6
		for i := range schedules {
			name := fmt.Sprintf("d%02d", i)
			s.deploy(name)
			s.hourly(name, "")
		}
		servers := []*scheduler.Scheduler{s.scheduler, s.scheduler}
		if s.Postgres {
			servers = append(servers, newScheduler(s.t, s.OpenAgain(s.t)),
				newScheduler(s.t, s.OpenAgain(s.t)))
		}
		for range rounds {
			s.Advance(time.Hour)
			var group errgroup.Group
			for _, server := range servers {
				group.Go(func() error { return server.RunDue(s.t.Context()) })
			}
			s.check(group.Wait())
		}
		for i := range schedules {
			if got := len(s.runs(fmt.Sprintf("d%02d", i))); got != rounds {
				s.t.Errorf("schedule %d has %d runs of %d slots", i, got, rounds)
			}
		}
		lag, err := s.GetStats(s.t.Context())
		s.check(err)
		if lag.ScheduleLag != 0 {
			s.t.Errorf("the lag is %s", lag.ScheduleLag)
		}
		s.Advance(90 * time.Minute)
		if lag, err = s.GetStats(s.t.Context()); err != nil || lag.ScheduleLag < 59*time.Minute ||
			lag.ScheduleLag > 80*time.Minute {
			s.t.Errorf("the lag is %s, %v", lag.ScheduleLag, err)
		}
	})
}

// A server that dies after it created a run and before it stored its progress leaves the slot to another
// server, which creates no second run.
func TestASlotWithoutStoredProgressHasNoSecondRun(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", "")
		before := s.schedule("etl")
		s.passes(time.Hour)
		after := s.schedule("etl")
		s.check(s.UpdateScheduleProgress(s.t.Context(), store.ScheduleProgress{
			ID: after.ID, DecidedBefore: after.DecidedUntil, DecidedUntil: before.DecidedUntil, NextDue: before.NextDue,
		}))
		s.passes(time.Minute)
		if got := s.slots("etl"); !slices.Equal(got, []float64{0.5}) {
			s.t.Errorf("got runs at the hours %v", got)
		}
		// Progress from an earlier state is ignored.
		s.check(
			s.UpdateScheduleProgress(
				s.t.Context(),
				store.ScheduleProgress{
					ID: after.ID, DecidedBefore: before.DecidedUntil,
					DecidedUntil: before.DecidedUntil, NextDue: before.NextDue,
				},
			),
		)
		if got := s.schedule("etl").DecidedUntil; !got.After(after.DecidedUntil) {
			s.t.Errorf("decided until %s", got)
		}
	})
}

func TestARefusedRunIsExplainedAndTheNextSlotIsTried(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", `,"job_variables":{"command":5}`)
		s.deploy("fine")
		s.hourly("fine", "")
		s.passes(time.Hour)
		if got := s.failing(); len(got) != 1 || !s.schedule("etl").Failing {
			s.t.Errorf("failing are %+v", got)
		}
		if got := s.schedule("etl").LastError; !strings.Contains(got, "/job_variables/command") ||
			s.schedule("etl").LastErrorAt == nil {
			s.t.Errorf("the error is %q", got)
		}
		if got := s.slots("fine"); !slices.Equal(got, []float64{0.5}) {
			s.t.Errorf("another one has runs at %v", got)
		}
		wider := strings.NewReplacer(`"type":"string",`, "", "{{ command }}", "run {{ command }}").Replace(command)
		_, err := s.UpdateTemplate(s.t.Context(), "local",
			store.TemplateDocument{Document: json.RawMessage(wider)}, nil, actor)
		s.check(err)
		s.passes(time.Hour)
		kept := s.schedule("etl")
		if got := s.slots("etl"); !slices.Equal(got, []float64{1.5}) || kept.LastError != "" ||
			kept.LastErrorAt != nil || kept.Failing || len(s.failing()) > 0 {
			s.t.Errorf("got runs at %v, and %+v", got, kept)
		}
	})
}

func TestRunsOfASchedule(t *testing.T) {
	onEach(t, func(s *world) {
		s.deploy("etl",
			func(d *store.Deployment) { d.Parameters = json.RawMessage(`{"rows":1,"day":"monday"}`) })
		s.hourly("etl",
			`,"parameters":{"day":"friday"},"job_variables":{"command":"date"},"jitter_seconds":600`)
		s.passes(time.Hour)
		run, err := s.GetRun(s.t.Context(), s.runs("etl")[0].ID)
		s.check(err)
		if string(run.Parameters) != `{"day":"friday","rows":1}` ||
			string(run.JobVariables) != `{"command":"date"}` ||
			run.CreatedBy != "schedule:default" {
			s.t.Errorf("got %s, %s by %s", run.Parameters, run.JobVariables, run.CreatedBy)
		}
		slot := s.start.Add(30 * time.Minute)
		if !run.ScheduledTime.Equal(slot) {
			s.t.Errorf("the scheduled time is %s, want the slot %s", run.ScheduledTime, slot)
		}
		if late := run.DueAt.Sub(slot); late <= 0 || late >= 10*time.Minute {
			s.t.Errorf("the jitter is %s", late)
		}
		if last := s.schedule("etl").LastSlot; last == nil || !last.Equal(slot) {
			s.t.Errorf("the last slot is %v", last)
		}
	})
}

func TestAScheduleWithNewTimesStartsAgain(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", "")
		kept := s.schedule("etl")
		s.Advance(time.Hour)
		spec := strings.Replace(string(kept.Spec), "{", `{"parameters":{"a":1},`, 1)
		put := func(s *world, spec string, continues bool) {
			next := s.start.Add(150 * time.Minute)
			s.check(
				s.UpdateSchedules(
					s.t.Context(),
					"etl",
					[]store.NewSchedule{
						{
							Name: "default", Spec: json.RawMessage(spec), Active: true,
							Next: &next, Continues: continues,
						},
					},
					actor,
				),
			)
		}
		put(s, spec, true)
		s.passes(0)
		if got := s.slots("etl"); !slices.Equal(got, []float64{0.5}) {
			s.t.Errorf("with other parameters it has runs at %v", got)
		}
		s.Advance(time.Hour)
		put(s, strings.Replace(spec, "3600", "7200", 1), false)
		s.passes(0)
		if got := s.slots("etl"); !slices.Equal(got, []float64{0.5}) {
			s.t.Errorf("with other slots it has runs at %v, before it was there", got)
		}
		s.passes(time.Hour)
		if got := s.slots("etl"); !slices.Equal(got, []float64{0.5, 2.5}) {
			s.t.Errorf("then it has runs at %v", got)
		}
		s.check(s.UpdateSchedules(s.t.Context(), "etl", nil, actor))
		s.passes(5 * time.Hour)
		if got := s.slots("etl"); len(got) != 2 {
			s.t.Errorf("without a schedule it has runs at %v", got)
		}
	})
}
