package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
)

// at is an attempt of a run in the phase, with epoch 2 and the manifest and Job that the phase implies.
func at(run lifecycle.StateType, phase lifecycle.Phase) lifecycle.CurrentState {
	s := lifecycle.CurrentState{Run: run, Phase: phase, Epoch: 2}
	if phase != lifecycle.PhaseClaimed {
		s.Manifest = "hash"
	}
	if phase == lifecycle.PhasePending || phase == lifecycle.PhaseRunning || phase == lifecycle.PhaseEnded {
		s.JobUID = "uid"
	}
	s.Started = phase == lifecycle.PhaseRunning || phase == lifecycle.PhaseEnded
	return s
}

func with(s lifecycle.CurrentState, change func(*lifecycle.CurrentState)) lifecycle.CurrentState {
	change(&s)
	return s
}

func says(kind lifecycle.ReportKind) lifecycle.Report {
	f := lifecycle.Report{Kind: kind, Epoch: 2}
	switch kind {
	case lifecycle.ReportManifest:
		f.Manifest = "hash"
	case lifecycle.ReportSubmitted:
		f.JobUID = "uid"
	case lifecycle.ReportEnded:
		f.Outcome.Succeeded = true
	}
	return f
}

func TestDecide(t *testing.T) {
	t.Parallel()
	const (
		claimed    = lifecycle.PhaseClaimed
		submitting = lifecycle.PhaseSubmitting
		pending    = lifecycle.PhasePending
		running    = lifecycle.PhaseRunning
		ended      = lifecycle.PhaseEnded
	)
	endedApp := with(at(lifecycle.Failed, ended), func(s *lifecycle.CurrentState) {
		s.Outcome = lifecycle.Outcome{Category: lifecycle.App, ExitCode: exit(3)}
	})
	tests := []struct {
		name       string
		standing   lifecycle.CurrentState
		fact       lifecycle.Report
		wantStatus lifecycle.ReportStatus
		wantPhase  lifecycle.Phase // "": unchanged
		wantState  string          // "": unchanged
	}{
		{"a manifest makes it submitting", at(lifecycle.Pending, claimed), says(lifecycle.ReportManifest), "accepted", submitting, "PENDING Submitting"},
		{"a manifest that comes late leaves a running attempt running", with(at(lifecycle.Running, lifecycle.PhaseRunning), func(s *lifecycle.CurrentState) { s.Manifest, s.JobUID = "", "" }),
			says(lifecycle.ReportManifest), "accepted", lifecycle.PhaseRunning, ""},
		{"what has run is not handed back", with(at(lifecycle.Pending, submitting), func(s *lifecycle.CurrentState) { s.Started = true }),
			says(lifecycle.ReportHandedBack), "invalid", "", ""},
		{"the same manifest again changes nothing", at(lifecycle.Pending, submitting), says(lifecycle.ReportManifest), "accepted", "", ""},
		{"another manifest is refused", at(lifecycle.Pending, submitting), lifecycle.Report{Kind: lifecycle.ReportManifest, Epoch: 2, Manifest: "other"}, "invalid", "", ""},
		{"a manifest report without one is refused", at(lifecycle.Pending, claimed), lifecycle.Report{Kind: lifecycle.ReportManifest, Epoch: 2}, "invalid", "", ""},
		{"a Job makes it pending", at(lifecycle.Pending, submitting), says(lifecycle.ReportSubmitted), "accepted", pending, "PENDING InfrastructurePending"},
		{"a Job without a UID is refused", at(lifecycle.Pending, submitting), lifecycle.Report{Kind: lifecycle.ReportSubmitted, Epoch: 2}, "invalid", "", ""},
		{"the same Job again changes nothing", at(lifecycle.Pending, pending), says(lifecycle.ReportSubmitted), "accepted", "", ""},
		{"a second Job is refused", at(lifecycle.Pending, pending), lifecycle.Report{Kind: lifecycle.ReportSubmitted, Epoch: 2, JobUID: "second"}, "duplicate_job", "", ""},
		{"a second Job is refused whatever the report", at(lifecycle.Running, running), lifecycle.Report{Kind: lifecycle.ReportRunning, Epoch: 2, JobUID: "second"}, "duplicate_job", "", ""},
		{"a Job reported after its start leaves it running", with(at(lifecycle.Running, running), func(s *lifecycle.CurrentState) { s.JobUID = "" }), says(lifecycle.ReportSubmitted), "accepted", running, ""},
		{"a start makes it running", at(lifecycle.Pending, pending), says(lifecycle.ReportRunning), "accepted", running, "RUNNING Running"},
		{"a suspended Job makes it pending again", at(lifecycle.Running, running), says(lifecycle.ReportPending), "accepted", pending, "PENDING InfrastructurePending"},
		{"an end ends it", at(lifecycle.Running, running), says(lifecycle.ReportEnded), "accepted", ended, "COMPLETED Completed"},
		{"an end that says nothing is refused", at(lifecycle.Running, running), lifecycle.Report{Kind: lifecycle.ReportEnded, Epoch: 2}, "invalid", "", ""},
		{"a success with a category is refused", at(lifecycle.Running, running), lifecycle.Report{Kind: lifecycle.ReportEnded, Epoch: 2, Outcome: lifecycle.Outcome{Succeeded: true, Category: lifecycle.App}}, "invalid", "", ""},
		{"an unknown kind is refused", at(lifecycle.Running, running), lifecycle.Report{Kind: "sideways", Epoch: 2}, "invalid", "", ""},

		{"an older epoch is stale", at(lifecycle.Running, running), lifecycle.Report{Kind: lifecycle.ReportRunning, Epoch: 1}, "stale", "", ""},
		{"a newer epoch than ours is stale too", at(lifecycle.Running, running), lifecycle.Report{Kind: lifecycle.ReportRunning, Epoch: 3}, "stale", "", ""},
		{"an older epoch with the recorded Job is stale", at(lifecycle.Running, running), lifecycle.Report{Kind: lifecycle.ReportSubmitted, Epoch: 1, JobUID: "uid"}, "stale", "", ""},
		{"an older epoch with another Job hears to delete it", at(lifecycle.Running, running), lifecycle.Report{Kind: lifecycle.ReportSubmitted, Epoch: 1, JobUID: "second"}, "duplicate_job", "", ""},

		{"the same end again changes nothing", endedApp, lifecycle.Report{Kind: lifecycle.ReportEnded, Epoch: 2, Outcome: lifecycle.Outcome{Category: lifecycle.App, ExitCode: exit(3)}}, "accepted", "", ""},
		{"another exit code is refused", endedApp, lifecycle.Report{Kind: lifecycle.ReportEnded, Epoch: 2, Outcome: lifecycle.Outcome{Category: lifecycle.App, ExitCode: exit(4)}}, "ended", "", ""},
		{"a success after a failure is refused", endedApp, says(lifecycle.ReportEnded), "ended", "", ""},
		{"a start repeated after the end changes nothing", endedApp, says(lifecycle.ReportRunning), "accepted", "", ""},
		{"the Job repeated after the end changes nothing", endedApp, says(lifecycle.ReportSubmitted), "accepted", "", ""},
		{"a second Job after the end is refused", endedApp, lifecycle.Report{Kind: lifecycle.ReportSubmitted, Epoch: 2, JobUID: "second"}, "duplicate_job", "", ""},
		{"a Job after an end without one is refused", with(endedApp, func(s *lifecycle.CurrentState) { s.JobUID = "" }), says(lifecycle.ReportSubmitted), "ended", "", ""},
		{"handing back after the end is refused", endedApp, says(lifecycle.ReportHandedBack), "ended", "", ""},

		{"handed back before its manifest", at(lifecycle.Pending, claimed), says(lifecycle.ReportHandedBack), "accepted", ended, "SCHEDULED Scheduled"},
		{"handed back before its Job", at(lifecycle.Pending, submitting), says(lifecycle.ReportHandedBack), "accepted", ended, "SCHEDULED Scheduled"},
		{"handed back with a Job is refused", at(lifecycle.Pending, pending), says(lifecycle.ReportHandedBack), "invalid", "", ""},
		{"handed back while it is cancelled ends it", at(lifecycle.Cancelling, submitting), says(lifecycle.ReportHandedBack), "accepted", ended, "CANCELLED Cancelled"},
		{"handed back twice changes nothing", with(at(lifecycle.Scheduled, ended), func(s *lifecycle.CurrentState) { s.HandedBack, s.JobUID = true, "" }), says(lifecycle.ReportHandedBack), "accepted", "", ""},
		{"anything after it was handed back is stale", with(at(lifecycle.Scheduled, ended), func(s *lifecycle.CurrentState) { s.HandedBack, s.JobUID = true, "" }), says(lifecycle.ReportRunning), "stale", "", ""},

		{"a start while it is cancelled leaves the run cancelling", at(lifecycle.Cancelling, pending), says(lifecycle.ReportRunning), "accepted", running, ""},
		{"a manifest while it is cancelled leaves the run cancelling", at(lifecycle.Cancelling, claimed), says(lifecycle.ReportManifest), "accepted", submitting, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := lifecycle.Decide(test.standing, test.fact)
			state := ""
			if d.State != nil {
				state = string(d.State.Type) + " " + d.State.Name
			}
			if d.Status != test.wantStatus || d.Phase != test.wantPhase || state != test.wantState {
				t.Errorf("got %s, phase %q, state %q (%s)\nwant %s, phase %q, state %q",
					d.Status, d.Phase, state, d.Message, test.wantStatus, test.wantPhase, test.wantState)
			}
			if d.Changed != (test.wantPhase != "") {
				t.Errorf("changed is %t", d.Changed)
			}
			if d.Status != lifecycle.ReportAccepted && d.Message == "" {
				t.Error("a refusal says why")
			}
		})
	}
}

func TestDecideEnd(t *testing.T) {
	t.Parallel()
	policy := lifecycle.RetryPolicy{Max: 1, Delay: 7 * time.Second, InfrastructureMax: 2}
	spent := func(app, infrastructure int) lifecycle.RetriesUsed {
		return lifecycle.RetriesUsed{App: app, Infrastructure: infrastructure}
	}
	tests := []struct {
		name      string
		run       lifecycle.StateType
		reason    lifecycle.CancelReason
		started   bool
		spent     lifecycle.RetriesUsed
		outcome   lifecycle.Outcome
		wantState string
		wantAfter time.Duration
		wantSpent lifecycle.RetriesUsed
	}{
		{name: "a success completes", run: lifecycle.Running, outcome: lifecycle.Outcome{Succeeded: true}, wantState: "COMPLETED Completed"},
		{name: "an exit code draws on retries", run: lifecycle.Running, outcome: fails(lifecycle.App), wantState: "SCHEDULED AwaitingRetry", wantAfter: 7 * time.Second, wantSpent: spent(1, 0)},
		{name: "an exit code fails when none is left", run: lifecycle.Running, spent: spent(1, 0), outcome: fails(lifecycle.App), wantState: "FAILED Failed", wantSpent: spent(1, 0)},
		{name: "an exit code fails though infrastructure has some left", run: lifecycle.Running, spent: spent(1, 0), outcome: fails(lifecycle.App), wantState: "FAILED Failed", wantSpent: spent(1, 0)},
		{name: "out of memory draws on retries", run: lifecycle.Running, outcome: fails(lifecycle.OOM), wantState: "SCHEDULED AwaitingRetry", wantAfter: 7 * time.Second, wantSpent: spent(1, 0)},
		{name: "out of memory fails when none is left", run: lifecycle.Running, spent: spent(1, 0), outcome: fails(lifecycle.OOM), wantState: "FAILED OutOfMemory", wantSpent: spent(1, 0)},
		{name: "a deadline fails at once", run: lifecycle.Running, outcome: fails(lifecycle.Deadline), wantState: "FAILED TimedOut"},
		{name: "an eviction while running draws on infrastructure", run: lifecycle.Running, started: true, spent: spent(1, 0), outcome: fails(lifecycle.Evicted), wantState: "SCHEDULED AwaitingRetry", wantAfter: 5 * time.Second, wantSpent: spent(1, 1)},
		{name: "the next one waits longer", run: lifecycle.Running, started: true, spent: spent(0, 1), outcome: fails(lifecycle.NodeLost), wantState: "SCHEDULED AwaitingRetry", wantAfter: 10 * time.Second, wantSpent: spent(0, 2)},
		{name: "an eviction crashes when none is left", run: lifecycle.Running, started: true, spent: spent(0, 2), outcome: fails(lifecycle.Preempted), wantState: "CRASHED Crashed", wantSpent: spent(0, 2)},
		{name: "an eviction before the start costs nothing", run: lifecycle.Pending, spent: spent(1, 2), outcome: fails(lifecycle.Evicted), wantState: "SCHEDULED AwaitingRetry", wantAfter: 5 * time.Second, wantSpent: spent(1, 2)},
		{name: "an image that can not be pulled draws on infrastructure", run: lifecycle.Pending, outcome: fails(lifecycle.ImagePull), wantState: "SCHEDULED AwaitingRetry", wantAfter: 5 * time.Second, wantSpent: spent(0, 1)},
		{name: "a wrong configuration crashes at once", run: lifecycle.Pending, outcome: fails(lifecycle.Config), wantState: "CRASHED Crashed"},
		{name: "a template that does not fit crashes at once", run: lifecycle.Pending, outcome: fails(lifecycle.Template), wantState: "CRASHED Crashed"},
		{name: "a Job that the API server refuses crashes at once", run: lifecycle.Pending, outcome: fails(lifecycle.Invalid), wantState: "CRASHED Crashed"},
		{name: "a Job deleted by somebody crashes at once", run: lifecycle.Running, outcome: fails(lifecycle.Deleted), wantState: "CRASHED Crashed"},
		{name: "a category from the future counts as unknown", run: lifecycle.Running, spent: spent(0, 2), outcome: fails("meteorite"), wantState: "CRASHED Crashed", wantSpent: spent(0, 2)},
		{name: "a Job cancelled in the cluster is cancelled", run: lifecycle.Running, outcome: fails(lifecycle.CancelledEnd), wantState: "CANCELLED Cancelled"},

		{name: "a cancel ends cancelled", run: lifecycle.Cancelling, reason: lifecycle.CancelRequested, outcome: fails(lifecycle.CancelledEnd), wantState: "CANCELLED Cancelled"},
		{name: "a job faster than its cancel completes", run: lifecycle.Cancelling, reason: lifecycle.CancelRequested, outcome: lifecycle.Outcome{Succeeded: true}, wantState: "COMPLETED Completed"},
		{name: "a failure faster than its cancel fails without a retry", run: lifecycle.Cancelling, reason: lifecycle.CancelRequested, outcome: fails(lifecycle.App), wantState: "FAILED Failed"},
		{name: "an eviction while it is cancelled is no reason to retry", run: lifecycle.Cancelling, reason: lifecycle.CancelRequested, outcome: fails(lifecycle.Evicted), wantState: "CANCELLED Cancelled"},
		{name: "a run past its timeout fails", run: lifecycle.Cancelling, reason: lifecycle.CancelTimeout, outcome: fails(lifecycle.CancelledEnd), wantState: "FAILED TimedOut"},
		{name: "a run past its start deadline expires", run: lifecycle.Cancelling, reason: lifecycle.CancelExpired, outcome: fails(lifecycle.CancelledEnd), wantState: "CANCELLED Expired"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			end := lifecycle.DecideOutcome(lifecycle.CurrentState{
				Run: test.run, CancelReason: test.reason, Started: test.started, RetriesUsed: test.spent, Policy: policy,
			}, test.outcome)
			if state := string(end.State.Type) + " " + end.State.Name; state != test.wantState {
				t.Errorf("state is %s (%s), want %s", state, end.State.Message, test.wantState)
			}
			if end.RetryAfter != test.wantAfter || end.Retry != (test.wantAfter > 0) {
				t.Errorf("retry is %t after %s, want %s", end.Retry, end.RetryAfter, test.wantAfter)
			}
			if end.RetriesUsed != test.wantSpent {
				t.Errorf("spent is %+v, want %+v", end.RetriesUsed, test.wantSpent)
			}
			if end.State.Message == "" && test.run != lifecycle.Cancelling {
				t.Error("the state says nothing")
			}
		})
	}
}

func TestTimeoutThatEndedItCountsAsItsCause(t *testing.T) {
	t.Parallel()
	s := lifecycle.CurrentState{Run: lifecycle.Cancelling, CancelReason: lifecycle.CancelTimeout, Epoch: 1, Phase: lifecycle.PhaseRunning, JobUID: "uid"}
	f := lifecycle.Report{Kind: lifecycle.ReportEnded, Epoch: 1, Outcome: fails(lifecycle.CancelledEnd)}
	d := lifecycle.Decide(s, f)
	if d.Outcome == nil || d.Outcome.Outcome.Category != lifecycle.Deadline {
		t.Fatalf("recorded as %+v", d.Outcome)
	}
	s.Phase, s.Outcome, s.Run = lifecycle.PhaseEnded, d.Outcome.Outcome, d.State.Type
	if again := lifecycle.Decide(s, f); again.Status != lifecycle.ReportAccepted || again.Changed {
		t.Errorf("the same report again: %+v", again)
	}
}

func TestRetryMessageSaysWhyAndWhen(t *testing.T) {
	t.Parallel()
	end := lifecycle.DecideOutcome(lifecycle.CurrentState{Run: lifecycle.Running, Policy: lifecycle.RetryPolicy{Max: 3, Delay: time.Minute}},
		lifecycle.Outcome{Category: lifecycle.App, ExitCode: exit(3), Message: "container main failed"})
	for _, want := range []string{"exit code 3", "container main failed", "retry 1 of 3", "1m0s"} {
		if !strings.Contains(end.State.Message, want) {
			t.Errorf("%q does not say %q", end.State.Message, want)
		}
	}
}

func TestInfrastructureBackoffIsBounded(t *testing.T) {
	t.Parallel()
	end := lifecycle.DecideOutcome(lifecycle.CurrentState{
		Run: lifecycle.Running, Started: true, RetriesUsed: lifecycle.RetriesUsed{Infrastructure: 500}, Policy: lifecycle.RetryPolicy{InfrastructureMax: 1000},
	}, fails(lifecycle.Evicted))
	if end.RetryAfter != 5*time.Minute {
		t.Errorf("waits %s", end.RetryAfter)
	}
}

func TestDecideCancel(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		current lifecycle.StateType
		reason  lifecycle.CancelReason
		want    string // "": nothing happens
	}{
		{"one that nobody holds ends at once", lifecycle.Scheduled, lifecycle.CancelRequested, "CANCELLED Cancelled"},
		{"one that nobody holds expires at once", lifecycle.Scheduled, lifecycle.CancelExpired, "CANCELLED Expired"},
		{"one that waits for its retry times out at once", lifecycle.Scheduled, lifecycle.CancelTimeout, "FAILED TimedOut"},
		{"one that is held is cancelling first", lifecycle.Pending, lifecycle.CancelRequested, "CANCELLING Cancelling"},
		{"one that runs is cancelling first", lifecycle.Running, lifecycle.CancelTimeout, "CANCELLING Cancelling"},
		{"one that is cancelling stays so", lifecycle.Cancelling, lifecycle.CancelRequested, ""},
		{"one that completed stays so", lifecycle.Completed, lifecycle.CancelRequested, ""},
		{"one that failed stays so", lifecycle.Failed, lifecycle.CancelTimeout, ""},
		{"one that crashed stays so", lifecycle.Crashed, lifecycle.CancelRequested, ""},
		{"one that was cancelled stays so", lifecycle.Cancelled, lifecycle.CancelRequested, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if state, ok := lifecycle.DecideCancel(test.current, test.reason, "ada"); ok {
				got = string(state.Type) + " " + state.Name
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func exit(code int32) *int32 { return &code }

func fails(c lifecycle.Category) lifecycle.Outcome { return lifecycle.Outcome{Category: c} }
