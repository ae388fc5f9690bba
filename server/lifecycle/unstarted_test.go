package lifecycle

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStartsThatFailWaitLongerAndAreBounded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		outcome Outcome
		policy  RetryPolicy
	}{
		"evicted":    {outcome: Outcome{Category: Evicted}},
		"image pull": {outcome: Outcome{Category: ImagePull}, policy: RetryPolicy{InfrastructureMax: 1000}},
		"quota":      {outcome: Outcome{Category: Quota, Message: "exceeded"}, policy: RetryPolicy{InfrastructureMax: 1000}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			current := CurrentState{Run: Pending, Policy: test.policy}
			var delays []time.Duration
			for range MaxUnstarted - 1 {
				d := DecideOutcome(current, test.outcome)
				if !d.Retry {
					t.Fatalf("no retry after %d starts: %+v", len(delays), d.State)
				}
				delays = append(delays, d.RetryAfter)
				current.RetriesUsed = d.RetriesUsed
			}
			if !slices.IsSorted(delays) || delays[0] != 5*time.Second || slices.Max(delays) != 5*time.Minute {
				t.Errorf("the delays are %v", delays)
			}
			last := DecideOutcome(current, test.outcome)
			if last.Retry || last.State.Type != Crashed ||
				!strings.HasPrefix(last.State.Message, "100 attempts ended before the container started, the last one so: ") ||
				!strings.Contains(last.State.Message, test.outcome.describe()) {
				t.Errorf("after %d starts: %+v", MaxUnstarted, last)
			}
		})
	}
}

func TestAnAttemptThatRanCountsOnlyAgainstItsBudget(t *testing.T) {
	t.Parallel()
	for name, current := range map[string]CurrentState{
		"it was seen running":    {Run: Running, Started: true},
		"its exit code was seen": {Run: Pending},
	} {
		code := int32(137)
		outcome := Outcome{Category: Evicted}
		if !current.Started {
			outcome.ExitCode = &code
		}
		if d := DecideOutcome(current, outcome); !d.Retry || d.RetriesUsed != (RetriesUsed{Infrastructure: 1}) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestAHandBackIsFreeOnceAndThenWaits(t *testing.T) {
	t.Parallel()
	current := CurrentState{Run: Pending, Phase: PhaseClaimed}
	want := []time.Duration{0, 5 * time.Second, 10 * time.Second, 20 * time.Second}
	for n, delay := range want {
		d := Decide(current, Report{Kind: ReportHandedBack})
		if !d.HandedBack || d.RetryAfter != delay || d.State.Type != Scheduled {
			t.Fatalf("hand-back %d: %+v, want a delay of %s", n+1, d, delay)
		}
		current.RetriesUsed = d.RetriesUsed
	}
	current.RetriesUsed.Unstarted = MaxUnstarted - 1
	d := Decide(current, Report{Kind: ReportHandedBack})
	if d.HandedBack || d.State.Type != Crashed || d.Outcome == nil {
		t.Errorf("the last hand-back: %+v", d)
	}
	// The worker repeats its report.
	after := CurrentState{Run: Crashed, Phase: PhaseEnded, Outcome: d.Outcome.Outcome}
	if d := Decide(after, Report{Kind: ReportHandedBack}); d.Status != ReportAccepted || d.Changed {
		t.Errorf("its repetition: %+v", d)
	}
}

func TestATakeoverCountsOnlyWhileNoJobIsKnown(t *testing.T) {
	t.Parallel()
	last := RetriesUsed{Unstarted: MaxUnstarted - 1}
	tests := map[string]struct {
		current CurrentState
		counts  bool
		cancels bool
	}{
		"claimed":                    {current: CurrentState{Phase: PhaseClaimed}, counts: true},
		"claimed, for the last time": {CurrentState{Phase: PhaseClaimed, RetriesUsed: last}, true, true},
		"its manifest is known, for the last time": {
			CurrentState{Phase: PhaseSubmitting, RetriesUsed: last}, true, true,
		},
		"its Job is known": {current: CurrentState{Phase: PhasePending, JobUID: "uid", RetriesUsed: last}},
		"it has started":   {current: CurrentState{Phase: PhaseRunning, Started: true, RetriesUsed: last}},
		"it is being cancelled": {
			current: CurrentState{Run: Cancelling, Phase: PhaseClaimed, RetriesUsed: last},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := DecideTakeover(test.current)
			counted := d.RetriesUsed.Unstarted > test.current.RetriesUsed.Unstarted
			if counted != test.counts || (d.Cancel == CancelUnstarted) != test.cancels {
				t.Errorf("got %+v", d)
			}
		})
	}
	cancelled := CurrentState{Run: Cancelling, CancelReason: CancelUnstarted, Phase: PhaseSubmitting}
	if d := DecideOutcome(cancelled, Outcome{Category: CancelledEnd}); d.State.Type != Crashed {
		t.Errorf("the run ends as %+v", d.State)
	}
	if d := DecideOutcome(cancelled, Outcome{Succeeded: true}); d.State.Type != Completed {
		t.Errorf("a Job that was there and succeeded ends its run as %+v", d.State)
	}
}
