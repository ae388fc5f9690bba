package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
)

// TestEachCategoryDrawsOnItsBudget is the table of category × what is left, for an attempt that had started.
func TestEachCategoryDrawsOnItsBudget(t *testing.T) {
	t.Parallel()
	const none, retries, infrastructure, oom = "", "retries", "infrastructure", "oom"
	full := lifecycle.RetryPolicy{Max: 1, InfrastructureMax: 1, OOM: &lifecycle.OOMPolicy{Max: 1, Variable: "memory"}}
	empty := lifecycle.RetryPolicy{InfrastructureSet: true}
	listed := full
	listed.On.Categories = []lifecycle.Category{lifecycle.Deadline}
	tests := []struct {
		category                    lifecycle.Category
		full, listed, spentOOM, end string // what is drawn on; end is the state without any budget
	}{
		{lifecycle.App, retries, none, retries, "FAILED Failed"},
		{lifecycle.Deadline, none, retries, none, "FAILED TimedOut"},
		{lifecycle.OOM, oom, oom, retries, "FAILED OutOfMemory"},
		{lifecycle.Evicted, infrastructure, infrastructure, infrastructure, "CRASHED Crashed"},
		{lifecycle.Preempted, infrastructure, infrastructure, infrastructure, "CRASHED Crashed"},
		{lifecycle.NodeLost, infrastructure, infrastructure, infrastructure, "CRASHED Crashed"},
		{lifecycle.ImagePull, infrastructure, infrastructure, infrastructure, "CRASHED Crashed"},
		{lifecycle.Unschedulable, infrastructure, infrastructure, infrastructure, "CRASHED Crashed"},
		{lifecycle.Quota, infrastructure, infrastructure, infrastructure, "CRASHED Crashed"},
		{lifecycle.Unknown, infrastructure, infrastructure, infrastructure, "CRASHED Crashed"},
		{lifecycle.Config, none, none, none, "CRASHED Crashed"},
		{lifecycle.Invalid, none, none, none, "CRASHED Crashed"},
		{lifecycle.Template, none, none, none, "CRASHED Crashed"},
		{lifecycle.Deleted, none, none, none, "CRASHED Crashed"},
		{lifecycle.CancelledEnd, none, none, none, "CANCELLED Cancelled"},
	}
	decide := func(c lifecycle.Category, p lifecycle.RetryPolicy, spent lifecycle.RetriesUsed) lifecycle.OutcomeDecision {
		return lifecycle.DecideOutcome(lifecycle.CurrentState{
			Run: lifecycle.Running, Started: true, Policy: p, RetriesUsed: spent, MemoryRaise: &lifecycle.MemoryRaise{Variable: "memory", From: "1Gi", To: "2Gi"},
		}, fails(c))
	}
	drawn := func(e lifecycle.OutcomeDecision, spent lifecycle.RetriesUsed) string {
		switch {
		case e.RetriesUsed.App > spent.App:
			return retries
		case e.RetriesUsed.Infrastructure > spent.Infrastructure:
			return infrastructure
		case e.RetriesUsed.OOM > spent.OOM:
			return oom
		}
		return none
	}
	for _, test := range tests {
		t.Run(string(test.category), func(t *testing.T) {
			t.Parallel()
			for name, one := range map[string]struct {
				policy lifecycle.RetryPolicy
				spent  lifecycle.RetriesUsed
				want   string
			}{
				"every budget": {full, lifecycle.RetriesUsed{}, test.full}, "retries on deadline only": {listed, lifecycle.RetriesUsed{}, test.listed},
				"memory raised before": {full, lifecycle.RetriesUsed{OOM: 1}, test.spentOOM}, "no budget": {empty, lifecycle.RetriesUsed{}, none},
				"all spent": {full, lifecycle.RetriesUsed{App: 1, OOM: 1, Infrastructure: 1}, none},
			} {
				e := decide(test.category, one.policy, one.spent)
				if got := drawn(e, one.spent); got != one.want || e.Retry != (one.want != none) || e.MemoryRaised != (one.want == oom) {
					t.Errorf("%s: drew on %q, retry %t, raised %t; want %q", name, got, e.Retry, e.MemoryRaised, one.want)
				}
				if state := string(e.State.Type) + " " + e.State.Name; one.want == none && state != test.end {
					t.Errorf("%s: ends as %s, want %s", name, state, test.end)
				}
			}
		})
	}
}

func TestRetriesOn(t *testing.T) {
	t.Parallel()
	app := func(code int32) lifecycle.Outcome {
		return lifecycle.Outcome{Category: lifecycle.App, ExitCode: exit(code)}
	}
	oom := lifecycle.Outcome{Category: lifecycle.OOM, ExitCode: exit(137)}
	tests := []struct {
		name    string
		on      lifecycle.RetryOn
		outcome lifecycle.Outcome
		want    bool
	}{
		{"any exit code where nothing is listed", lifecycle.RetryOn{}, app(3), true},
		{"a listed exit code", lifecycle.RetryOn{ExitCodes: []int32{3, 75}}, app(75), true},
		{"an exit code that is not listed", lifecycle.RetryOn{ExitCodes: []int32{3}}, app(4), false},
		{"any exit code where app is listed", lifecycle.RetryOn{ExitCodes: []int32{3}, Categories: []lifecycle.Category{lifecycle.App}}, app(4), true},
		{"no exit code where only deadline is listed", lifecycle.RetryOn{Categories: []lifecycle.Category{lifecycle.Deadline}}, app(3), false},
		{"out of memory where nothing is listed", lifecycle.RetryOn{}, oom, true},
		{"out of memory where other codes are listed", lifecycle.RetryOn{ExitCodes: []int32{3}}, oom, false},
		{"out of memory where it is listed", lifecycle.RetryOn{Categories: []lifecycle.Category{lifecycle.OOM}}, oom, true},
		{"a deadline where nothing is listed", lifecycle.RetryOn{}, fails(lifecycle.Deadline), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := lifecycle.DecideOutcome(lifecycle.CurrentState{Run: lifecycle.Running, Policy: lifecycle.RetryPolicy{Max: 1, On: test.on}}, test.outcome)
			if e.Retry != test.want {
				t.Errorf("retry is %t (%s)", e.Retry, e.State.Message)
			}
		})
	}
}

func TestBackoffGrowsWithinItsBounds(t *testing.T) {
	t.Parallel()
	b := lifecycle.Backoff{Initial: 10 * time.Second, Factor: 3, Max: time.Minute}
	wait := func(b lifecycle.Backoff, spent int, random float64) time.Duration {
		return lifecycle.DecideOutcome(lifecycle.CurrentState{
			Run: lifecycle.Running, Policy: lifecycle.RetryPolicy{Max: 1 << 20, Backoff: &b}, RetriesUsed: lifecycle.RetriesUsed{App: spent}, Random: random,
		}, fails(lifecycle.App)).RetryAfter
	}
	for spent, want := range map[int]time.Duration{0: 10 * time.Second, 1: 30 * time.Second, 2: time.Minute, 100_000: time.Minute} {
		if got := wait(b, spent, 0.5); got != want {
			t.Errorf("retry %d waits %s, want %s", spent+1, got, want)
		}
	}
	b.Jitter = 0.5
	for random, want := range map[float64]time.Duration{0: 5 * time.Second, 0.5: 10 * time.Second, 1: 15 * time.Second} {
		if got := wait(b, 0, random); got != want {
			t.Errorf("at %.1f it waits %s, want %s", random, got, want)
		}
	}
	if got := wait(b, 9, 1); got != time.Minute {
		t.Errorf("jitter goes beyond the most: %s", got)
	}
}

func TestARaiseSaysFromWhatToWhat(t *testing.T) {
	t.Parallel()
	s := lifecycle.CurrentState{Run: lifecycle.Running, Policy: lifecycle.RetryPolicy{OOM: &lifecycle.OOMPolicy{Max: 2}}}
	if e := lifecycle.DecideOutcome(s, fails(lifecycle.OOM)); e.Retry {
		t.Error("there is nothing to raise, but it is tried again")
	}
	s.MemoryRaise = &lifecycle.MemoryRaise{Variable: "memory", From: "1Gi", To: "2Gi"}
	e := lifecycle.DecideOutcome(s, fails(lifecycle.OOM))
	if !strings.Contains(e.State.Message, "out-of-memory retry 1 of 2 with memory raised from 1Gi to 2Gi") {
		t.Errorf("says %q", e.State.Message)
	}
}

func TestWhatWasTakenAwayIsRunAgainWhereNobodySays(t *testing.T) {
	zero, two := 0, 2
	for _, test := range []struct {
		name     string
		policy   lifecycle.RetryPolicy
		template *int
		category lifecycle.Category
		want     int
	}{
		{"nobody says, it was evicted", lifecycle.RetryPolicy{}, nil, lifecycle.Evicted, lifecycle.DefaultDisruptionRetries},
		{"nobody says, its node was lost", lifecycle.RetryPolicy{}, nil, lifecycle.NodeLost, lifecycle.DefaultDisruptionRetries},
		{"nobody says, its image can not be had", lifecycle.RetryPolicy{}, nil, lifecycle.ImagePull, 0},
		{"the deployment says never", lifecycle.RetryPolicy{InfrastructureSet: true}, &two, lifecycle.Evicted, 0},
		{"the deployment says once", lifecycle.RetryPolicy{InfrastructureMax: 1, InfrastructureSet: true}, &two, lifecycle.ImagePull, 1},
		{"the template says twice", lifecycle.RetryPolicy{}, &two, lifecycle.ImagePull, 2},
		{"the template says never", lifecycle.RetryPolicy{}, &zero, lifecycle.Evicted, 0},
	} {
		if got := test.policy.WithTemplateDefault(test.template).InfrastructureMaxFor(test.category); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestAFinalEndIsFollowedByNoOtherAttempt(t *testing.T) {
	for _, o := range []lifecycle.Outcome{{Category: lifecycle.Evicted, Final: true}, {Category: lifecycle.NodeLost, Final: true}, {Category: lifecycle.App, Final: true}} {
		standing := lifecycle.CurrentState{Run: lifecycle.Running, Started: true, Policy: lifecycle.RetryPolicy{Max: 5, InfrastructureMax: 5}}
		if e := lifecycle.DecideOutcome(standing, o); e.Retry || !e.State.Type.Terminal() || e.RetriesUsed != (lifecycle.RetriesUsed{}) {
			t.Errorf("%s: %+v", o.Category, e)
		}
		o.Final = false
		if e := lifecycle.DecideOutcome(standing, o); !e.Retry && o.Category != lifecycle.App {
			t.Errorf("%s without it: %+v", o.Category, e)
		}
	}
	if e := lifecycle.DecideOutcome(lifecycle.CurrentState{Run: lifecycle.Running, Policy: lifecycle.RetryPolicy{InfrastructureMax: 5}}, lifecycle.Outcome{Category: lifecycle.Evicted, Final: true}); e.Retry {
		t.Errorf("before it started: %+v", e)
	}
}
