package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
)

// TestEachCategoryUsesItsBudget is the table of category × budgets left, for an attempt that had started.
func TestEachCategoryUsesItsBudget(t *testing.T) {
	t.Parallel()
	const none, retries, infrastructure, oom = "", "retries", "infrastructure", "oom"
	full := lifecycle.RetryPolicy{Max: 1, InfrastructureMax: 1,
		OOM: &lifecycle.OOMPolicy{Max: 1, Variable: "memory"}}
	empty := lifecycle.RetryPolicy{InfrastructureSet: true}
	listed := full
	listed.On.Categories = []lifecycle.Category{lifecycle.Deadline}
	tests := []struct {
		category                   lifecycle.Category
		full, listed, oomUsed, end string // budget used; end is the state without any budget
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
	decide := func(
		c lifecycle.Category, p lifecycle.RetryPolicy, used lifecycle.RetriesUsed,
	) lifecycle.OutcomeDecision {
		return lifecycle.DecideOutcome(lifecycle.CurrentState{
			Run: lifecycle.Running, Started: true, Policy: p, RetriesUsed: used,
			MemoryRaise: &lifecycle.MemoryRaise{Variable: "memory", From: "1Gi", To: "2Gi"},
		}, failed(c))
	}
	budgetUsed := func(e lifecycle.OutcomeDecision, used lifecycle.RetriesUsed) string {
		switch {
		case e.RetriesUsed.App > used.App:
			return retries
		case e.RetriesUsed.Infrastructure > used.Infrastructure:
			return infrastructure
		case e.RetriesUsed.OOM > used.OOM:
			return oom
		}
		return none
	}
	for _, test := range tests {
		t.Run(string(test.category), func(t *testing.T) {
			t.Parallel()
			for name, budgets := range map[string]struct {
				policy lifecycle.RetryPolicy
				used   lifecycle.RetriesUsed
				want   string
			}{
				"every budget":             {full, lifecycle.RetriesUsed{}, test.full},
				"no budget":                {empty, lifecycle.RetriesUsed{}, none},
				"retries on deadline only": {listed, lifecycle.RetriesUsed{}, test.listed},
				"memory raised before":     {full, lifecycle.RetriesUsed{OOM: 1}, test.oomUsed},
				"all budgets used":         {full, lifecycle.RetriesUsed{App: 1, OOM: 1, Infrastructure: 1}, none},
			} {
				e := decide(test.category, budgets.policy, budgets.used)
				if got := budgetUsed(e, budgets.used); got != budgets.want ||
					e.Retry != (budgets.want != none) || e.MemoryRaised != (budgets.want == oom) {
					t.Errorf("%s: used budget %q, retry %t, memory raised %t; want budget %q", name, got,
						e.Retry, e.MemoryRaised, budgets.want)
				}
				state := string(e.State.Type) + " " + e.State.Name
				if budgets.want == none && state != test.end {
					t.Errorf("%s: state %s, want %s", name, state, test.end)
				}
			}
		})
	}
}

func TestRetryOnSelectsFailures(t *testing.T) {
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
		{"empty list retries any exit code", lifecycle.RetryOn{}, app(3), true},
		{"listed exit code is retried", lifecycle.RetryOn{ExitCodes: []int32{3, 75}}, app(75), true},
		{"unlisted exit code is not retried", lifecycle.RetryOn{ExitCodes: []int32{3}}, app(4), false},
		{
			"category app retries any exit code",
			lifecycle.RetryOn{ExitCodes: []int32{3}, Categories: []lifecycle.Category{lifecycle.App}}, app(4),
			true,
		},
		{
			"category deadline alone retries no exit code",
			lifecycle.RetryOn{Categories: []lifecycle.Category{lifecycle.Deadline}}, app(3), false,
		},
		{"empty list retries out of memory", lifecycle.RetryOn{}, oom, true},
		{
			"list of other exit codes does not retry out of memory", lifecycle.RetryOn{ExitCodes: []int32{3}},
			oom, false,
		},
		{
			"category oom retries out of memory",
			lifecycle.RetryOn{Categories: []lifecycle.Category{lifecycle.OOM}}, oom, true,
		},
		{"empty list does not retry a deadline", lifecycle.RetryOn{}, failed(lifecycle.Deadline), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := lifecycle.DecideOutcome(lifecycle.CurrentState{Run: lifecycle.Running,
				Policy: lifecycle.RetryPolicy{Max: 1, On: test.on}}, test.outcome)
			if e.Retry != test.want {
				t.Errorf("retry = %t (%s)", e.Retry, e.State.Message)
			}
		})
	}
}

func TestBackoffGrowsUpToItsMaximum(t *testing.T) {
	t.Parallel()
	b := lifecycle.Backoff{Initial: 10 * time.Second, Factor: 3, Max: time.Minute}
	delay := func(b lifecycle.Backoff, used int, random float64) time.Duration {
		return lifecycle.DecideOutcome(lifecycle.CurrentState{
			Run: lifecycle.Running, Policy: lifecycle.RetryPolicy{Max: 1 << 20,
				Backoff: &b}, RetriesUsed: lifecycle.RetriesUsed{App: used}, Random: random,
		}, failed(lifecycle.App)).RetryAfter
	}
	for used, want := range map[int]time.Duration{0: 10 * time.Second, 1: 30 * time.Second, 2: time.Minute,
		100_000: time.Minute} {
		if got := delay(b, used, 0.5); got != want {
			t.Errorf("delay before retry %d = %s, want %s", used+1, got, want)
		}
	}
	b.Jitter = 0.5
	for random, want := range map[float64]time.Duration{0: 5 * time.Second, 0.5: 10 * time.Second,
		1: 15 * time.Second} {
		if got := delay(b, 0, random); got != want {
			t.Errorf("delay at random %.1f = %s, want %s", random, got, want)
		}
	}
	if got := delay(b, 9, 1); got != time.Minute {
		t.Errorf("jitter exceeds the maximum: %s", got)
	}
}

func TestMemoryRaiseMessageNamesOldAndNewValue(t *testing.T) {
	t.Parallel()
	s := lifecycle.CurrentState{Run: lifecycle.Running,
		Policy: lifecycle.RetryPolicy{OOM: &lifecycle.OOMPolicy{Max: 2}}}
	if e := lifecycle.DecideOutcome(s, failed(lifecycle.OOM)); e.Retry {
		t.Error("retried although no variable can be raised")
	}
	s.MemoryRaise = &lifecycle.MemoryRaise{Variable: "memory", From: "1Gi", To: "2Gi"}
	e := lifecycle.DecideOutcome(s, failed(lifecycle.OOM))
	if !strings.Contains(e.State.Message, "out-of-memory retry 1 of 2 with memory raised from 1Gi to 2Gi") {
		t.Errorf("message = %q", e.State.Message)
	}
}

func TestInfrastructureBudgetComesFromDeploymentThenTemplateThenDefault(t *testing.T) {
	zero, two := 0, 2
	for _, test := range []struct {
		name     string
		policy   lifecycle.RetryPolicy
		template *int
		category lifecycle.Category
		want     int
	}{
		{"no setting: eviction has default retries", lifecycle.RetryPolicy{}, nil, lifecycle.Evicted, lifecycle.DefaultDisruptionRetries},
		{"no setting: lost node has default retries", lifecycle.RetryPolicy{}, nil, lifecycle.NodeLost, lifecycle.DefaultDisruptionRetries},
		{"no setting: image pull has no retries", lifecycle.RetryPolicy{}, nil, lifecycle.ImagePull, 0},
		{"deployment's 0 wins over the template", lifecycle.RetryPolicy{InfrastructureSet: true}, &two, lifecycle.Evicted, 0},
		{"deployment's 1 wins over the template", lifecycle.RetryPolicy{InfrastructureMax: 1, InfrastructureSet: true}, &two,
			lifecycle.ImagePull, 1},
		{"template's 2 applies without a deployment setting", lifecycle.RetryPolicy{}, &two, lifecycle.ImagePull, 2},
		{"template's 0 applies without a deployment setting", lifecycle.RetryPolicy{}, &zero, lifecycle.Evicted, 0},
	} {
		if got := test.policy.WithTemplateDefault(test.template).InfrastructureMaxFor(test.category); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestFinalOutcomeIsNotRetried(t *testing.T) {
	for _, category := range []lifecycle.Category{lifecycle.Evicted, lifecycle.NodeLost, lifecycle.App} {
		o := lifecycle.Outcome{Category: category, Final: true}
		current := lifecycle.CurrentState{Run: lifecycle.Running, Started: true,
			Policy: lifecycle.RetryPolicy{Max: 5, InfrastructureMax: 5}}
		if e := lifecycle.DecideOutcome(current, o); e.Retry || !e.State.Type.Terminal() ||
			e.RetriesUsed != (lifecycle.RetriesUsed{}) {
			t.Errorf("%s: %+v", o.Category, e)
		}
		o.Final = false
		if e := lifecycle.DecideOutcome(current, o); !e.Retry && o.Category != lifecycle.App {
			t.Errorf("%s, not final: %+v", o.Category, e)
		}
	}

	notStarted := lifecycle.CurrentState{Run: lifecycle.Running,
		Policy: lifecycle.RetryPolicy{InfrastructureMax: 5}}
	evicted := lifecycle.Outcome{Category: lifecycle.Evicted, Final: true}
	if e := lifecycle.DecideOutcome(notStarted, evicted); e.Retry {
		t.Errorf("evicted before it started: %+v", e)
	}
}
