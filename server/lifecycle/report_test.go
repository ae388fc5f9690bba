package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
)

// inPhase returns an attempt in a phase, with epoch 2 and the manifest and Job that the phase implies.
func inPhase(run lifecycle.StateType, phase lifecycle.Phase) lifecycle.CurrentState {
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

// reportOf returns a complete report of a kind, with epoch 2.
func reportOf(kind lifecycle.ReportKind) lifecycle.Report {
	r := lifecycle.Report{Kind: kind, Epoch: 2}
	switch kind {
	case lifecycle.ReportManifest:
		r.Manifest = "hash"
	case lifecycle.ReportSubmitted:
		r.JobUID = "uid"
	case lifecycle.ReportEnded:
		r.Outcome.Succeeded = true
	}
	return r
}

func TestDecide(t *testing.T) {
	t.Parallel()
	const (
		claimed    = lifecycle.PhaseClaimed
		submitting = lifecycle.PhaseSubmitting
		pending    = lifecycle.PhasePending
		running    = lifecycle.PhaseRunning
		ended      = lifecycle.PhaseEnded

		manifest   = lifecycle.ReportManifest
		submitted  = lifecycle.ReportSubmitted
		started    = lifecycle.ReportRunning
		end        = lifecycle.ReportEnded
		handedBack = lifecycle.ReportHandedBack
	)
	endedApp := with(inPhase(lifecycle.Failed, ended), func(s *lifecycle.CurrentState) {
		s.Outcome = lifecycle.Outcome{Category: lifecycle.App, ExitCode: exit(3)}
	})
	returned := with(inPhase(lifecycle.Scheduled, ended),
		func(s *lifecycle.CurrentState) { s.HandedBack, s.JobUID = true, "" })
	type (
		current = lifecycle.CurrentState
		report  = lifecycle.Report
	)
	tests := []struct {
		name       string
		current    current
		report     report
		wantStatus lifecycle.ReportStatus
		wantPhase  lifecycle.Phase // "": unchanged
		wantState  string          // "": unchanged
	}{
		{
			"manifest makes the attempt submitting", inPhase(lifecycle.Pending, claimed), reportOf(manifest),
			"accepted", submitting, "PENDING Submitting",
		},
		{"late manifest leaves a running attempt running",
			with(inPhase(lifecycle.Running, running), func(s *current) { s.Manifest, s.JobUID = "", "" }),
			reportOf(manifest), "accepted", running, ""},
		{"hand back after the container started is refused",
			with(inPhase(lifecycle.Pending, submitting), func(s *current) { s.Started = true }),
			reportOf(handedBack), "invalid", "", ""},
		{
			"same manifest again changes nothing", inPhase(lifecycle.Pending, submitting), reportOf(manifest),
			"accepted", "", "",
		},
		{
			"different manifest is refused", inPhase(lifecycle.Pending, submitting),
			report{Kind: manifest, Epoch: 2, Manifest: "other"}, "invalid", "", "",
		},
		{
			"manifest report without a manifest is refused", inPhase(lifecycle.Pending, claimed),
			report{Kind: manifest, Epoch: 2}, "invalid", "", "",
		},
		{
			"Job makes the attempt pending", inPhase(lifecycle.Pending, submitting), reportOf(submitted),
			"accepted", pending, "PENDING InfrastructurePending",
		},
		{
			"Job without a UID is refused", inPhase(lifecycle.Pending, submitting),
			report{Kind: submitted, Epoch: 2}, "invalid", "", "",
		},
		{
			"same Job again changes nothing", inPhase(lifecycle.Pending, pending), reportOf(submitted),
			"accepted", "", "",
		},
		{
			"second Job is refused", inPhase(lifecycle.Pending, pending),
			report{Kind: submitted, Epoch: 2, JobUID: "second"}, "duplicate_job", "", "",
		},
		{"second Job is refused whatever the report", inPhase(lifecycle.Running, running),
			report{Kind: started, Epoch: 2, JobUID: "second"}, "duplicate_job", "", ""},
		{"Job reported after its start leaves the attempt running",
			with(inPhase(lifecycle.Running, running), func(s *current) { s.JobUID = "" }),
			reportOf(submitted), "accepted", running, ""},
		{
			"start makes the run running", inPhase(lifecycle.Pending, pending), reportOf(started), "accepted",
			running, "RUNNING Running",
		},
		{
			"suspended Job makes the run pending again", inPhase(lifecycle.Running, running),
			reportOf(lifecycle.ReportPending), "accepted", pending, "PENDING InfrastructurePending",
		},
		{
			"success completes the run", inPhase(lifecycle.Running, running), reportOf(end), "accepted",
			ended, "COMPLETED Completed",
		},
		{
			"end without an outcome is refused", inPhase(lifecycle.Running, running),
			report{Kind: end, Epoch: 2}, "invalid", "", "",
		},
		{"success with a category is refused", inPhase(lifecycle.Running, running),
			report{Kind: end, Epoch: 2,
				Outcome: lifecycle.Outcome{Succeeded: true, Category: lifecycle.App}}, "invalid", "", ""},
		{
			"unknown kind is refused", inPhase(lifecycle.Running, running),
			report{Kind: "sideways", Epoch: 2}, "invalid", "", "",
		},

		{
			"older epoch is stale", inPhase(lifecycle.Running, running), report{Kind: started, Epoch: 1},
			"stale", "", "",
		},
		{
			"newer epoch than the stored one is stale", inPhase(lifecycle.Running, running),
			report{Kind: started, Epoch: 3}, "stale", "", "",
		},
		{"older epoch with the recorded Job is stale", inPhase(lifecycle.Running, running),
			report{Kind: submitted, Epoch: 1, JobUID: "uid"}, "stale", "", ""},
		{"older epoch with another Job is told to delete it", inPhase(lifecycle.Running, running),
			report{Kind: submitted, Epoch: 1, JobUID: "second"}, "duplicate_job", "", ""},

		{"same outcome again changes nothing", endedApp,
			report{Kind: end, Epoch: 2,
				Outcome: lifecycle.Outcome{Category: lifecycle.App, ExitCode: exit(3)}}, "accepted", "", ""},
		{"different exit code after the end is refused", endedApp,
			report{Kind: end, Epoch: 2,
				Outcome: lifecycle.Outcome{Category: lifecycle.App, ExitCode: exit(4)}}, "ended", "", ""},
		{"success after a failure is refused", endedApp, reportOf(end), "ended", "", ""},
		{"start repeated after the end changes nothing", endedApp, reportOf(started), "accepted", "", ""},
		{"Job repeated after the end changes nothing", endedApp, reportOf(submitted), "accepted", "", ""},
		{
			"second Job after the end is refused", endedApp,
			report{Kind: submitted, Epoch: 2, JobUID: "second"}, "duplicate_job", "", "",
		},
		{
			"Job after an end without a Job is refused", with(endedApp, func(s *current) { s.JobUID = "" }),
			reportOf(submitted), "ended", "", "",
		},
		{"hand back after the end is refused", endedApp, reportOf(handedBack), "ended", "", ""},

		{
			"hand back before the manifest reschedules the run", inPhase(lifecycle.Pending, claimed),
			reportOf(handedBack), "accepted", ended, "SCHEDULED Scheduled",
		},
		{
			"hand back before the Job reschedules the run", inPhase(lifecycle.Pending, submitting),
			reportOf(handedBack), "accepted", ended, "SCHEDULED Scheduled",
		},
		{
			"hand back with a Job is refused", inPhase(lifecycle.Pending, pending), reportOf(handedBack),
			"invalid", "", "",
		},
		{
			"hand back during a cancel cancels the run", inPhase(lifecycle.Cancelling, submitting),
			reportOf(handedBack), "accepted", ended, "CANCELLED Cancelled",
		},
		{"hand back again changes nothing", returned, reportOf(handedBack), "accepted", "", ""},
		{"any other report after a hand back is stale", returned, reportOf(started), "stale", "", ""},

		{
			"start during a cancel leaves the run cancelling", inPhase(lifecycle.Cancelling, pending),
			reportOf(started), "accepted", running, "",
		},
		{
			"manifest during a cancel leaves the run cancelling", inPhase(lifecycle.Cancelling, claimed),
			reportOf(manifest), "accepted", submitting, "",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := lifecycle.Decide(test.current, test.report)
			state := ""
			if d.State != nil {
				state = string(d.State.Type) + " " + d.State.Name
			}
			if d.Status != test.wantStatus || d.Phase != test.wantPhase || state != test.wantState {
				t.Errorf("got %s, phase %q, state %q (%s)\nwant %s, phase %q, state %q",
					d.Status, d.Phase, state, d.Message, test.wantStatus, test.wantPhase, test.wantState)
			}
			if d.Changed != (test.wantPhase != "") {
				t.Errorf("changed = %t, want %t", d.Changed, !d.Changed)
			}
			if d.Status != lifecycle.ReportAccepted && d.Message == "" {
				t.Error("refusal has no message")
			}
		})
	}
}

func TestDecideOutcome(t *testing.T) {
	t.Parallel()
	policy := lifecycle.RetryPolicy{Max: 1, Delay: 7 * time.Second, InfrastructureMax: 2}
	used := func(app, infrastructure int) lifecycle.RetriesUsed {
		return lifecycle.RetriesUsed{App: app, Infrastructure: infrastructure}
	}
	tests := []struct {
		name      string
		run       lifecycle.StateType
		reason    lifecycle.CancelReason
		started   bool
		used      lifecycle.RetriesUsed
		outcome   lifecycle.Outcome
		wantState string
		wantAfter time.Duration
		wantUsed  lifecycle.RetriesUsed
	}{
		{
			name: "success completes the run", run: lifecycle.Running,
			outcome: lifecycle.Outcome{Succeeded: true}, wantState: "COMPLETED Completed",
		},
		{
			name: "exit code uses a retry", run: lifecycle.Running,
			outcome: failed(lifecycle.App), wantState: "SCHEDULED AwaitingRetry",
			wantAfter: 7 * time.Second, wantUsed: used(1, 0),
		},
		{
			name: "exit code without retries left fails the run", run: lifecycle.Running,
			used: used(1, 0), outcome: failed(lifecycle.App), wantState: "FAILED Failed",
			wantUsed: used(1, 0),
		},
		{
			name: "exit code does not use infrastructure retries", run: lifecycle.Running,
			used: used(1, 0), outcome: failed(lifecycle.App), wantState: "FAILED Failed",
			wantUsed: used(1, 0),
		},
		{
			name: "out of memory uses a retry", run: lifecycle.Running,
			outcome: failed(lifecycle.OOM), wantState: "SCHEDULED AwaitingRetry",
			wantAfter: 7 * time.Second, wantUsed: used(1, 0),
		},
		{
			name: "out of memory without retries left fails the run", run: lifecycle.Running,
			used: used(1, 0), outcome: failed(lifecycle.OOM), wantState: "FAILED OutOfMemory",
			wantUsed: used(1, 0),
		},
		{
			name: "deadline fails the run", run: lifecycle.Running,
			outcome: failed(lifecycle.Deadline), wantState: "FAILED TimedOut",
		},
		{
			name: "eviction while running uses an infrastructure retry", run: lifecycle.Running,
			started: true, used: used(1, 0), outcome: failed(lifecycle.Evicted),
			wantState: "SCHEDULED AwaitingRetry", wantAfter: 5 * time.Second, wantUsed: used(1, 1),
		},
		{
			name: "second infrastructure retry waits longer", run: lifecycle.Running,
			started: true, used: used(0, 1), outcome: failed(lifecycle.NodeLost),
			wantState: "SCHEDULED AwaitingRetry", wantAfter: 10 * time.Second, wantUsed: used(0, 2),
		},
		{
			name: "preemption without infrastructure retries left crashes the run",
			run:  lifecycle.Running, started: true, used: used(0, 2),
			outcome: failed(lifecycle.Preempted), wantState: "CRASHED Crashed", wantUsed: used(0, 2),
		},
		{
			name: "eviction before the start uses no retry", run: lifecycle.Pending,
			used: used(1, 2), outcome: failed(lifecycle.Evicted), wantState: "SCHEDULED AwaitingRetry",
			wantAfter: 5 * time.Second,
			wantUsed:  lifecycle.RetriesUsed{App: 1, Infrastructure: 2, Unstarted: 1},
		},
		{
			name: "image that cannot be pulled uses an infrastructure retry",
			run:  lifecycle.Pending, outcome: failed(lifecycle.ImagePull),
			wantState: "SCHEDULED AwaitingRetry", wantAfter: 5 * time.Second,
			wantUsed: lifecycle.RetriesUsed{Infrastructure: 1, Unstarted: 1},
		},
		{
			name: "invalid configuration crashes the run", run: lifecycle.Pending,
			outcome: failed(lifecycle.Config), wantState: "CRASHED Crashed",
		},
		{
			name: "template that cannot be rendered crashes the run", run: lifecycle.Pending,
			outcome: failed(lifecycle.Template), wantState: "CRASHED Crashed",
		},
		{
			name: "Job refused by the API server crashes the run", run: lifecycle.Pending,
			outcome: failed(lifecycle.Invalid), wantState: "CRASHED Crashed",
		},
		{
			name: "deleted Job crashes the run", run: lifecycle.Running,
			outcome: failed(lifecycle.Deleted), wantState: "CRASHED Crashed",
		},
		{
			name: "category this server does not know counts as unknown", run: lifecycle.Running,
			used: used(0, 2), outcome: failed("meteorite"), wantState: "CRASHED Crashed",
			wantUsed: used(0, 2),
		},
		{
			name: "Job cancelled in the cluster cancels the run", run: lifecycle.Running,
			outcome: failed(lifecycle.CancelledEnd), wantState: "CANCELLED Cancelled",
		},

		{name: "cancelled Job cancels the run", run: lifecycle.Cancelling, reason: lifecycle.CancelRequested,
			outcome: failed(lifecycle.CancelledEnd), wantState: "CANCELLED Cancelled"},
		{
			name: "success before the cancel takes effect completes the run",
			run:  lifecycle.Cancelling, reason: lifecycle.CancelRequested,
			outcome: lifecycle.Outcome{Succeeded: true}, wantState: "COMPLETED Completed",
		},
		{
			name: "failure before the cancel takes effect fails the run without a retry",
			run:  lifecycle.Cancelling, reason: lifecycle.CancelRequested,
			outcome: failed(lifecycle.App), wantState: "FAILED Failed",
		},
		{
			name: "eviction during a cancel is not retried", run: lifecycle.Cancelling,
			reason: lifecycle.CancelRequested, outcome: failed(lifecycle.Evicted),
			wantState: "CANCELLED Cancelled",
		},
		{
			name: "timeout fails the run", run: lifecycle.Cancelling,
			reason: lifecycle.CancelTimeout, outcome: failed(lifecycle.CancelledEnd),
			wantState: "FAILED TimedOut",
		},
		{name: "start deadline expires the run", run: lifecycle.Cancelling, reason: lifecycle.CancelExpired,
			outcome: failed(lifecycle.CancelledEnd), wantState: "CANCELLED Expired"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			end := lifecycle.DecideOutcome(lifecycle.CurrentState{
				Run: test.run, CancelReason: test.reason, Started: test.started, RetriesUsed: test.used,
				Policy: policy,
			}, test.outcome)
			if state := string(end.State.Type) + " " + end.State.Name; state != test.wantState {
				t.Errorf("state is %s (%s), want %s", state, end.State.Message, test.wantState)
			}
			if end.RetryAfter != test.wantAfter || end.Retry != (test.wantAfter > 0) {
				t.Errorf("retry is %t after %s, want %s", end.Retry, end.RetryAfter, test.wantAfter)
			}
			if end.RetriesUsed != test.wantUsed {
				t.Errorf("used is %+v, want %+v", end.RetriesUsed, test.wantUsed)
			}
			if end.State.Message == "" && test.run != lifecycle.Cancelling {
				t.Error("state has no message")
			}
		})
	}
}

func TestCancelByTimeoutIsRecordedAsDeadline(t *testing.T) {
	t.Parallel()
	s := lifecycle.CurrentState{Run: lifecycle.Cancelling, CancelReason: lifecycle.CancelTimeout, Epoch: 1,
		Phase: lifecycle.PhaseRunning, JobUID: "uid"}
	f := lifecycle.Report{Kind: lifecycle.ReportEnded, Epoch: 1, Outcome: failed(lifecycle.CancelledEnd)}
	d := lifecycle.Decide(s, f)
	if d.Outcome == nil || d.Outcome.Outcome.Category != lifecycle.Deadline {
		t.Fatalf("recorded %+v, want category deadline", d.Outcome)
	}
	s.Phase, s.Outcome, s.Run = lifecycle.PhaseEnded, d.Outcome.Outcome, d.State.Type
	if again := lifecycle.Decide(s, f); again.Status != lifecycle.ReportAccepted || again.Changed {
		t.Errorf("same report again: %+v, want it accepted and unchanged", again)
	}
}

func TestRetryMessageNamesCauseBudgetAndDelay(t *testing.T) {
	t.Parallel()
	end := lifecycle.DecideOutcome(lifecycle.CurrentState{Run: lifecycle.Running,
		Policy: lifecycle.RetryPolicy{Max: 3, Delay: time.Minute}},
		lifecycle.Outcome{Category: lifecycle.App, ExitCode: exit(3), Message: "container main failed"})
	for _, want := range []string{"exit code 3", "container main failed", "retry 1 of 3", "1m0s"} {
		if !strings.Contains(end.State.Message, want) {
			t.Errorf("message %q does not contain %q", end.State.Message, want)
		}
	}
}

func TestInfrastructureBackoffHasAMaximum(t *testing.T) {
	t.Parallel()
	end := lifecycle.DecideOutcome(lifecycle.CurrentState{
		Run: lifecycle.Running, Started: true, RetriesUsed: lifecycle.RetriesUsed{Infrastructure: 500},
		Policy: lifecycle.RetryPolicy{InfrastructureMax: 1000},
	}, failed(lifecycle.Evicted))
	if end.RetryAfter != 5*time.Minute {
		t.Errorf("delay = %s, want 5m", end.RetryAfter)
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
		{
			"scheduled run is cancelled at once", lifecycle.Scheduled, lifecycle.CancelRequested,
			"CANCELLED Cancelled",
		},
		{"scheduled run expires at once", lifecycle.Scheduled, lifecycle.CancelExpired, "CANCELLED Expired"},
		{
			"run awaiting a retry times out at once", lifecycle.Scheduled, lifecycle.CancelTimeout,
			"FAILED TimedOut",
		},
		{
			"pending run becomes cancelling", lifecycle.Pending, lifecycle.CancelRequested,
			"CANCELLING Cancelling",
		},
		{
			"running run becomes cancelling", lifecycle.Running, lifecycle.CancelTimeout,
			"CANCELLING Cancelling",
		},
		{"cancelling run stays as it is", lifecycle.Cancelling, lifecycle.CancelRequested, ""},
		{"completed run stays as it is", lifecycle.Completed, lifecycle.CancelRequested, ""},
		{"failed run stays as it is", lifecycle.Failed, lifecycle.CancelTimeout, ""},
		{"crashed run stays as it is", lifecycle.Crashed, lifecycle.CancelRequested, ""},
		{"cancelled run stays as it is", lifecycle.Cancelled, lifecycle.CancelRequested, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if state, ok := lifecycle.DecideCancel(test.current, test.reason, "ada", ""); ok {
				got = string(state.Type) + " " + state.Name
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func exit(code int32) *int32 { return &code }

func failed(c lifecycle.Category) lifecycle.Outcome { return lifecycle.Outcome{Category: c} }
