package lifecycle

import (
	"fmt"
	"time"
)

// MaxUnstarted bounds how often an attempt of a run may end, be handed back or be taken over before its
// container has started. Something is wrong with the run, the cluster or the worker by then, and a person has
// to look.
const MaxUnstarted = 100

// startsFailed counts a failed start, and returns the delay before the next one. The first is repeated after
// infrastructureDelay, the others later and later.
func (u RetriesUsed) startsFailed() (RetriesUsed, time.Duration) {
	u.Unstarted++
	return u, infrastructureBackoff(u.Unstarted)
}

// exhausted reports whether no further attempt may be made because too many have not started.
func (u RetriesUsed) exhausted() bool { return u.Unstarted >= MaxUnstarted }

// neverStarted is why a run ends whose attempts do not start.
func neverStarted(last string) string {
	return fmt.Sprintf("%d attempts ended before the container started, the last one so: %s", MaxUnstarted, last)
}

// unstarted reports whether an outcome ended an attempt before its container ran, through no fault of the
// workload. An exit code says that it ran, even if no worker saw it.
func unstarted(current CurrentState, outcome Outcome) bool {
	return !current.Started && outcome.ExitCode == nil && BudgetOf(outcome.Category) == InfrastructureBudget
}

// afterUnstarted makes a retry after a failed start wait longer with each one, up to the last.
func afterUnstarted(outcome Outcome, used RetriesUsed, detail string) OutcomeDecision {
	used, delay := used.startsFailed()
	if used.exhausted() {
		outcome.Message = neverStarted(outcome.describe())
		return OutcomeDecision{Outcome: outcome, State: finalState(outcome), RetriesUsed: used}
	}
	return retryDecision(outcome, used, detail, delay)
}

// handBackDelay is how long a run waits after an attempt was handed back. The first hand-back is free, because
// a worker that stops hands back what it has not started.
func handBackDelay(used RetriesUsed) time.Duration {
	if used.Unstarted <= 1 {
		return 0
	}
	return infrastructureBackoff(used.Unstarted - 1)
}

// TakeoverDelay is how long after its lease has expired an attempt that has not started may be taken over. The
// first takeover is free; a run that ends its workers must not end them all without a pause.
func TakeoverDelay(epoch int64) time.Duration {
	if epoch <= 1 {
		return 0
	}
	return infrastructureBackoff(int(min(epoch-1, MaxUnstarted)))
}

// TakeoverDecision is what a takeover means for a run whose attempt has not started.
type TakeoverDecision struct {
	RetriesUsed RetriesUsed
	// Cancel is set if too many have not started. A Job may exist: the worker that takes over deletes it, and the run
	// then ends.
	Cancel CancelReason
	State  *State // of the run; nil: unchanged
}

// DecideTakeover decides what it means that the worker of an attempt has gone. Attempts with a Job are not
// counted: their pods may wait for days while workers come and go.
func DecideTakeover(current CurrentState) TakeoverDecision {
	decision := TakeoverDecision{RetriesUsed: current.RetriesUsed}
	noJobKnown := current.JobUID == "" && (current.Phase == PhaseClaimed || current.Phase == PhaseSubmitting)
	if current.Started || !noJobKnown || current.Run == Cancelling {
		return decision
	}
	decision.RetriesUsed, _ = current.RetriesUsed.startsFailed()
	if !decision.RetriesUsed.exhausted() {
		return decision
	}

	decision.Cancel = CancelUnstarted
	decision.State = &State{
		Type: Cancelling, Name: "Cancelling", Message: neverStarted("its worker was gone before it had reported a Job"),
	}
	return decision
}
