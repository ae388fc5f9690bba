package lifecycle

import (
	"fmt"
	"time"
)

// CancelReason says why a run is CANCELLING, and with that how it ends.
type CancelReason string

// Reasons of a cancel.
const (
	NotCancelled    CancelReason = ""
	CancelRequested CancelReason = "requested" // somebody asked
	CancelTimeout   CancelReason = "timeout"   // the run's timeout has passed
	CancelExpired   CancelReason = "expired"   // it had not started by its start deadline
)

// OutcomeDecision is what an attempt's end means.
type OutcomeDecision struct {
	Outcome      Outcome     // as recorded on the attempt
	State        State       // of the run
	RetriesUsed  RetriesUsed // of the run's budgets, from now on
	RetryAfter   time.Duration
	Retry        bool // State is SCHEDULED, AwaitingRetry
	MemoryRaised bool // the next attempt gets more memory, as Standing.Raise says
}

// DecideOutcome says what an outcome means for the run: the state it ends in, or another attempt and the
// budget it draws on.
func DecideOutcome(s CurrentState, o Outcome) OutcomeDecision {
	if !known(o.Category) {
		o.Message = fmt.Sprintf("%s (category %q)", o.Message, o.Category)
		o.Category = Unknown
	}
	if s.Run == Cancelling {
		return cancelEnd(s, o)
	}
	if end, ok := retry(s, o); ok {
		return end
	}
	return OutcomeDecision{Outcome: o, State: finalState(o), RetriesUsed: s.RetriesUsed}
}

// cancelEnd ends a run that is being cancelled: there is no retry, and a job that was faster keeps its own
// end.
func cancelEnd(s CurrentState, o Outcome) OutcomeDecision {
	end := OutcomeDecision{Outcome: o, RetriesUsed: s.RetriesUsed}
	switch {
	case o.Succeeded, o.Category == App, o.Category == OOM, o.Category == Deadline:
		end.State = finalState(o)
	case s.CancelReason == CancelTimeout:
		end.Outcome.Category = Deadline
		end.State = State{Type: Failed, Name: "TimedOut", Message: "the run's timeout has passed"}
	case s.CancelReason == CancelExpired:
		end.State = State{Type: Cancelled, Name: "Expired", Message: "not started by its start deadline"}
	default:
		end.State = State{Type: Cancelled, Name: "Cancelled", Message: o.Message}
	}
	return end
}

// finalState is the state of a run whose last attempt ended so.
func finalState(o Outcome) State {
	s := State{Type: Crashed, Name: "Crashed", Message: o.Message}
	switch {
	case o.Succeeded:
		s.Type, s.Name = Completed, "Completed"
	case o.Category == App:
		s.Type, s.Name = Failed, "Failed"
	case o.Category == Deadline:
		s.Type, s.Name = Failed, "TimedOut"
	case o.Category == OOM:
		s.Type, s.Name = Failed, "OutOfMemory"
	case o.Category == CancelledEnd:
		s.Type, s.Name = Cancelled, "Cancelled"
	}
	if s.Message == "" {
		s.Message = o.String()
	}
	return s
}

func known(c Category) bool {
	switch c {
	case "",
		App,
		OOM,
		Evicted,
		Preempted,
		NodeLost,
		Deadline,
		ImagePull,
		Config,
		Unschedulable,
		Quota,
		Invalid,
		Template,
		Deleted,
		CancelledEnd,
		Unknown:
		return true
	}
	return false
}

// String says how the attempt ended, for people.
func (o Outcome) String() string {
	switch {
	case o.Succeeded:
		return "succeeded"
	case o.ExitCode != nil:
		return fmt.Sprintf("%s, exit code %d", o.Category, *o.ExitCode)
	}
	return string(o.Category)
}

// same reports whether a report repeats the recorded outcome. What a timeout made of a cancel still counts as
// the same.
func (o Outcome) same(other Outcome) bool {
	if o.Succeeded || other.Succeeded {
		return o.Succeeded == other.Succeeded
	}
	code, otherCode := o.ExitCode, other.ExitCode
	if (code == nil) != (otherCode == nil) || code != nil && *code != *otherCode {
		return false
	}
	return o.Category == other.Category || o.Category == Unknown && !known(other.Category) ||
		o.Category == Deadline && other.Category == CancelledEnd
}
