package lifecycle

import (
	"fmt"
	"strings"
	"time"
)

// CancelReason is why a run is being cancelled. It determines the run's final state.
type CancelReason string

// Reasons for cancelling a run.
const (
	NotCancelled    CancelReason = ""
	CancelRequested CancelReason = "requested" // by a user or by a schedule's overlap policy
	CancelTimeout   CancelReason = "timeout"   // the run exceeded its timeout
	CancelExpired   CancelReason = "expired"   // the run did not start before its start deadline
	CancelUnstarted CancelReason = "unstarted" // too many attempts did not start; see DecideTakeover
)

const (
	timedOutMessage = "the run exceeded its timeout"
	expiredMessage  = "the run did not start before its start deadline"
)

// OutcomeDecision is what an attempt's outcome means for its run.
type OutcomeDecision struct {
	Outcome      Outcome       // recorded on the attempt
	State        State         // of the run
	RetriesUsed  RetriesUsed   // by the run, this outcome included
	Retry        bool          // State is SCHEDULED, AwaitingRetry
	RetryAfter   time.Duration // delay before the next attempt is due
	MemoryRaised bool          // the next attempt gets the memory of CurrentState.MemoryRaise
}

// DecideOutcome decides what an attempt's outcome means for its run: its final state, or another attempt and
// the retry budget that it uses.
func DecideOutcome(current CurrentState, outcome Outcome) OutcomeDecision {
	// A newer worker may report a category that this server does not know.
	if !known(outcome.Category) {
		outcome.Message = fmt.Sprintf("%s (category %q)", outcome.Message, outcome.Category)
		outcome.Category = Unknown
	}

	if current.Run == Cancelling {
		return decideCancelled(current, outcome)
	}
	if decision, ok := decideRetry(current, outcome); ok {
		return decision
	}
	return OutcomeDecision{Outcome: outcome, State: finalState(outcome), RetriesUsed: current.RetriesUsed}
}

// decideCancelled decides the final state of a run that is being cancelled. There is no retry. A workload
// that ended by itself before the cancel reached it keeps its own outcome.
func decideCancelled(current CurrentState, outcome Outcome) OutcomeDecision {
	decision := OutcomeDecision{Outcome: outcome, RetriesUsed: current.RetriesUsed}
	switch {
	case outcome.Succeeded, outcome.Category == App, outcome.Category == OOM, outcome.Category == Deadline:
		decision.State = finalState(outcome)

	case current.CancelReason == CancelTimeout:
		decision.Outcome.Category = Deadline
		decision.State = State{Type: Failed, Name: "TimedOut", Message: timedOutMessage}

	case current.CancelReason == CancelExpired:
		decision.State = State{Type: Cancelled, Name: "Expired", Message: expiredMessage}
		if strings.HasPrefix(current.Message, expiredMessage) { // with what it waited for
			decision.State.Message = current.Message
		}

	case current.CancelReason == CancelUnstarted:
		decision.Outcome.Category = Unknown
		decision.Outcome.Message = neverStarted("its worker was gone before it had reported a Job")
		decision.State = finalState(decision.Outcome)

	default:
		decision.State = State{Type: Cancelled, Name: "Cancelled", Message: outcome.Message}
	}
	return decision
}

// DecideCancel decides the state of a run that is to be cancelled; actor is who asked, and diagnosis what its attempt
// waits for. It returns false if the run has finished or is already being cancelled.
func DecideCancel(current StateType, reason CancelReason, actor, diagnosis string) (State, bool) {
	message := map[CancelReason]string{
		CancelRequested: "cancelled by " + actor,
		CancelTimeout:   timedOutMessage,
		CancelExpired:   expiredMessage,
	}[reason]
	if reason == CancelExpired && diagnosis != "" {
		message += ": " + diagnosis
	}

	switch current {
	case Scheduled: // no worker holds the run, so it finishes at once
		switch reason {
		case CancelTimeout:
			return State{Type: Failed, Name: "TimedOut", Message: message}, true
		case CancelExpired:
			return State{Type: Cancelled, Name: "Expired", Message: message}, true
		}
		return State{Type: Cancelled, Name: "Cancelled", Message: message}, true

	case Pending, Running: // its worker has to end the Job first
		return State{Type: Cancelling, Name: "Cancelling", Message: message}, true
	}
	return State{}, false
}

// finalState returns the state of a run whose last attempt had this outcome.
func finalState(outcome Outcome) State {
	state := State{Type: Crashed, Name: "Crashed", Message: outcome.Message}
	switch {
	case outcome.Succeeded:
		state.Type, state.Name = Completed, "Completed"
	case outcome.Category == App:
		state.Type, state.Name = Failed, "Failed"
	case outcome.Category == Deadline:
		state.Type, state.Name = Failed, "TimedOut"
	case outcome.Category == OOM:
		state.Type, state.Name = Failed, "OutOfMemory"
	case outcome.Category == CancelledEnd:
		state.Type, state.Name = Cancelled, "Cancelled"
	}

	if state.Message == "" {
		state.Message = outcome.String()
	}
	state.Message = joined(state.Message, outcome.Line)
	return state
}

// known reports whether this server knows a category; an outcome without one is a success.
func known(c Category) bool { return c == "" || c.Valid() }

// String describes the outcome without its message, for example "app, exit code 3".
func (o Outcome) String() string {
	switch {
	case o.Succeeded:
		return "succeeded"
	case o.ExitCode != nil:
		return fmt.Sprintf("%s, exit code %d", o.Category, *o.ExitCode)
	}
	return string(o.Category)
}

// describe is String with the message.
func (o Outcome) describe() string {
	return joined(o.String(), o.Reason())
}

// Reason is the message, with what the output says.
func (o Outcome) Reason() string { return joined(o.Message, o.Line) }

// joined are two texts with a colon between them, unless one is empty.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ": " + b
}

// repeatedBy reports whether a later report of an outcome repeats the recorded one. The recorded category may
// differ from the reported one where DecideOutcome replaced it.
func (o Outcome) repeatedBy(reported Outcome) bool {
	if o.Succeeded || reported.Succeeded {
		return o.Succeeded == reported.Succeeded
	}

	code, reportedCode := o.ExitCode, reported.ExitCode
	if (code == nil) != (reportedCode == nil) || code != nil && *code != *reportedCode {
		return false
	}
	return o.Category == reported.Category ||
		o.Category == Unknown && !known(reported.Category) ||
		(o.Category == Deadline || o.Category == Unknown) && reported.Category == CancelledEnd
}
