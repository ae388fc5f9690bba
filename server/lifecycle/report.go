package lifecycle

import (
	"fmt"
	"time"
)

// Phase of an attempt.
type Phase string

// Phases of an attempt, in order. A suspended Job returns from running to pending.
const (
	PhaseClaimed    Phase = "claimed"
	PhaseSubmitting Phase = "submitting"
	PhasePending    Phase = "pending"
	PhaseRunning    Phase = "running"
	PhaseEnded      Phase = "ended"
)

// ReportKind is what a worker's report is about.
type ReportKind string

// Kinds of reports, in the order in which a worker sends them. The manifest comes with the first one; it has a
// separate report only where the claim asked for it.
const (
	ReportManifest   ReportKind = "manifest"
	ReportSubmitted  ReportKind = "submitted"
	ReportPending    ReportKind = "pending"
	ReportRunning    ReportKind = "running"
	ReportEnded      ReportKind = "ended"
	ReportHandedBack ReportKind = "handed_back"
)

// ReportStatus is the server's answer to a report.
type ReportStatus string

// Answers to a report.
const (
	ReportAccepted     ReportStatus = "accepted"
	ReportStale        ReportStatus = "stale"
	ReportAlreadyEnded ReportStatus = "ended"
	ReportDuplicateJob ReportStatus = "duplicate_job"
	ReportUnknown      ReportStatus = "unknown"
	ReportInvalid      ReportStatus = "invalid"
)

// CurrentState is the stored state of an attempt and its run when a report arrives.
type CurrentState struct {
	Run          StateType
	CancelReason CancelReason // why the run is CANCELLING
	Message      string       // of the run's state
	Phase        Phase
	Epoch        int64
	Manifest     string // as stored; empty before it was reported
	JobUID       string // the Job recorded for this attempt; empty before it was reported
	Started      bool   // the container has run
	Outcome      Outcome
	HandedBack   bool
	Policy       RetryPolicy
	RetriesUsed  RetriesUsed
	// MemoryRaise is how the next attempt could get more memory. It is nil if the policy has no variable for
	// it, or the variable is frozen or at its maximum.
	MemoryRaise *MemoryRaise
	// Random, from 0 to 1, is the source of jitter in retry delays.
	Random float64
}

// Report holds the parts of a worker's report that a decision depends on.
type Report struct {
	Kind      ReportKind
	Epoch     int64
	Manifest  string
	JobUID    string
	JobName   string
	Node      string
	Diagnosis string
	// Unserved: the attempt is handed back because of the namespace of its Job, which no worker of the pool serves.
	Unserved bool
	Outcome  Outcome
}

// Decision is the answer to a report and the change that the store has to write.
type Decision struct {
	Status  ReportStatus
	Message string // for the worker, if the report was not accepted

	Changed    bool             // false: nothing below has to be stored
	Phase      Phase            // new phase of the attempt
	Outcome    *OutcomeDecision // set when the attempt ends
	HandedBack bool             // the attempt did not happen: its slot and its number are free again
	// RetriesUsed and RetryAfter are set with HandedBack: the run is due again after the delay.
	RetriesUsed RetriesUsed
	RetryAfter  time.Duration
	State       *State // new state of the run; nil: unchanged
}

// Decide decides what a worker's report means for an attempt and its run. Workers repeat reports after a lost
// answer, so a report that was accepted before is accepted again and changes nothing.
func Decide(current CurrentState, report Report) Decision {
	if report.Epoch != current.Epoch {
		return stale(current, report)
	}
	if current.HandedBack {
		return afterHandBack(report)
	}
	if current.Phase == PhaseEnded {
		return afterEnd(current, report)
	}
	if report.JobUID != "" && current.JobUID != "" && report.JobUID != current.JobUID {
		return duplicate(current)
	}

	decision := decideKind(current, report)
	if current.TakesManifest(report) && decision.Status == ReportAccepted && !decision.Changed {
		decision.Changed, decision.Phase = true, current.Phase
	}
	return decision
}

// TakesManifest reports whether the manifest that comes with a report is stored: the first one of an attempt, whatever
// the report is about.
func (s CurrentState) TakesManifest(report Report) bool {
	return report.Manifest != "" && s.Manifest == "" && report.Epoch == s.Epoch && !s.HandedBack &&
		s.Phase != PhaseEnded && report.Kind != ReportHandedBack
}

func decideKind(current CurrentState, report Report) Decision {
	switch report.Kind {
	case ReportManifest:
		return onManifest(current, report)
	case ReportSubmitted:
		return onSubmitted(current, report)
	case ReportPending:
		return onPending(current, report)
	case ReportRunning:
		return onRunning(current, report)
	case ReportEnded:
		return onEnded(current, report)
	case ReportHandedBack:
		return onHandedBack(current, report)
	}
	return invalid("unknown report kind %q", report.Kind)
}

// stale answers a report whose epoch is not the current one. If its worker created a Job other than the
// recorded one, that worker is asked to delete it, because no other worker knows of it.
func stale(current CurrentState, report Report) Decision {
	if report.Kind == ReportSubmitted && current.JobUID != "" && report.JobUID != current.JobUID {
		return duplicate(current)
	}
	return Decision{
		Status: ReportStale,
		Message: fmt.Sprintf("lease lost: the attempt has epoch %d, the report has %d", current.Epoch,
			report.Epoch),
	}
}

func afterHandBack(report Report) Decision {
	if report.Kind == ReportHandedBack {
		return accepted()
	}
	return Decision{Status: ReportStale, Message: "the attempt was handed back"}
}

// afterEnd answers a report about an attempt that has ended. Reports that were, or could have been, accepted
// before the end are accepted again. A different outcome is refused.
func afterEnd(current CurrentState, report Report) Decision {
	switch report.Kind {
	case ReportSubmitted:
		if current.JobUID == "" {
			return Decision{
				Status:  ReportAlreadyEnded,
				Message: "the attempt ended before its Job was reported",
			}
		}
		if current.JobUID != report.JobUID {
			return duplicate(current)
		}
		return accepted()

	case ReportEnded:
		if !current.Outcome.repeatedBy(report.Outcome) {
			return Decision{
				Status:  ReportAlreadyEnded,
				Message: "a different outcome is already recorded: " + current.Outcome.String(),
			}
		}
		return accepted()

	case ReportHandedBack:
		// Handing back an attempt may have ended it; see onHandedBack.
		switch category := current.Outcome.Category; {
		case current.JobUID != "":
		case category == CancelledEnd, category == Unknown, category == Invalid:
			return accepted()
		}
		return Decision{
			Status:  ReportAlreadyEnded,
			Message: "the attempt has already ended: " + current.Outcome.String(),
		}
	}
	return accepted()
}

func onManifest(current CurrentState, report Report) Decision {
	switch {
	case report.Manifest == "":
		return invalid("report of kind manifest has no manifest")
	case current.Manifest == report.Manifest:
		return accepted()
	case current.Manifest != "":
		return invalid("the attempt already has a different manifest")
	case current.JobUID != "":
		return invalid("the attempt already has a Job")

	case current.Phase == PhasePending || current.Phase == PhaseRunning:
		// The Job was observed before the report of its manifest arrived: store it, keep the phase.
		decision := accepted()
		decision.Changed, decision.Phase = true, current.Phase
		return decision
	}
	return current.moveTo(PhaseSubmitting, State{Type: Pending, Name: "Submitting"})
}

func onSubmitted(current CurrentState, report Report) Decision {
	switch {
	case report.JobUID == "":
		return invalid("report of kind submitted has no Job UID")
	case current.JobUID == report.JobUID:
		return accepted()

	case current.Phase == PhaseRunning:
		// The container was observed running before the report of the Job's UID arrived.
		decision := accepted()
		decision.Changed, decision.Phase = true, PhaseRunning
		return decision
	}
	return current.moveTo(
		PhasePending, State{Type: Pending, Name: "InfrastructurePending", Message: "Job created"})
}

func onPending(current CurrentState, report Report) Decision {
	return current.moveTo(
		PhasePending, State{Type: Pending, Name: "InfrastructurePending", Message: report.Diagnosis})
}

func onRunning(current CurrentState, report Report) Decision {
	message := ""
	if report.Node != "" {
		message = "on node " + report.Node
	}
	if report.Diagnosis != "" {
		message = report.Diagnosis
	}
	return current.moveTo(PhaseRunning, State{Type: Running, Name: "Running", Message: message})
}

// onHandedBack undoes a claim: the worker certainly created nothing, so the attempt did not happen.
func onHandedBack(current CurrentState, report Report) Decision {
	jobMayExist := current.JobUID != "" || current.Phase == PhasePending || current.Phase == PhaseRunning
	if jobMayExist || current.Started {
		return invalid("cannot hand back the attempt: its Job exists")
	}

	decision := Decision{Status: ReportAccepted, Changed: true, Phase: PhaseEnded}
	if current.Run == Cancelling {
		// The run must not be claimed again, so the cancel takes effect now.
		outcome := decideCancelled(current, Outcome{Category: CancelledEnd})
		decision.State, decision.Outcome = &outcome.State, &outcome
		return decision
	}

	handedBack := "handed back by its worker before a Job was created"
	if report.Diagnosis != "" {
		handedBack += ": " + report.Diagnosis
	}
	if report.Unserved {
		outcome := Outcome{Category: Invalid, Message: "no worker of the pool can run it: " + report.Diagnosis}
		decision.Outcome = &OutcomeDecision{Outcome: outcome, State: finalState(outcome), RetriesUsed: current.RetriesUsed}
		decision.State = &decision.Outcome.State
		return decision
	}
	used, _ := current.RetriesUsed.startsFailed()
	if used.exhausted() {
		outcome := Outcome{Category: Unknown, Message: neverStarted(handedBack)}
		decision.Outcome = &OutcomeDecision{Outcome: outcome, State: finalState(outcome), RetriesUsed: used}
		decision.State = &decision.Outcome.State
		return decision
	}
	decision.HandedBack, decision.RetriesUsed, decision.RetryAfter = true, used, handBackDelay(used)
	decision.State = &State{Type: Scheduled, Name: "Scheduled", Message: handedBack}
	if decision.RetryAfter > 0 {
		decision.State.Message = fmt.Sprintf("%s (%d times not started); due again in %s", handedBack,
			used.Unstarted, decision.RetryAfter)
	}
	return decision
}

func onEnded(current CurrentState, report Report) Decision {
	if report.Outcome.Succeeded == (report.Outcome.Category != "") {
		return invalid("report of kind ended must either succeed or have a category")
	}
	outcome := DecideOutcome(current, report.Outcome)
	return Decision{
		Status: ReportAccepted, Changed: true, Phase: PhaseEnded, Outcome: &outcome, State: &outcome.State,
	}
}

// moveTo moves the attempt to a phase and the run to a state. A run that is being cancelled keeps its state.
func (s CurrentState) moveTo(phase Phase, state State) Decision {
	decision := Decision{Status: ReportAccepted, Changed: true, Phase: phase}
	if s.Run != Cancelling {
		decision.State = &state
	}
	return decision
}

func accepted() Decision { return Decision{Status: ReportAccepted} }

func invalid(format string, args ...any) Decision {
	return Decision{Status: ReportInvalid, Message: fmt.Sprintf(format, args...)}
}

func duplicate(current CurrentState) Decision {
	return Decision{
		Status:  ReportDuplicateJob,
		Message: "the attempt already has Job UID " + current.JobUID + ": delete the duplicate",
	}
}
