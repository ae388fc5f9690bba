package lifecycle

import "fmt"

// Phase of an attempt.
type Phase string

// Phases of an attempt, in the order of its life.
const (
	PhaseClaimed    Phase = "claimed"
	PhaseSubmitting Phase = "submitting"
	PhasePending    Phase = "pending"
	PhaseRunning    Phase = "running"
	PhaseEnded      Phase = "ended"
)

// ReportKind says what a worker's report is about.
type ReportKind string

// Kinds of reports, in the order of an attempt's life.
const (
	ReportManifest   ReportKind = "manifest"
	ReportSubmitted  ReportKind = "submitted"
	ReportPending    ReportKind = "pending"
	ReportRunning    ReportKind = "running"
	ReportEnded      ReportKind = "ended"
	ReportHandedBack ReportKind = "handed_back"
)

// ReportStatus is the answer to a report.
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

// CurrentState is where an attempt and its run stand when a report comes in.
type CurrentState struct {
	Run          StateType
	CancelReason CancelReason // why the run is CANCELLING
	Phase        Phase
	Epoch        int64
	Manifest     string // as stored; empty: none yet
	JobUID       string // what the ledger holds; empty: none yet
	Started      bool   // its container has run
	Outcome      Outcome
	HandedBack   bool // it was handed back
	Policy       RetryPolicy
	RetriesUsed  RetriesUsed
	// MemoryRaise is how the memory could be raised; nil: not at all, because nothing says so, it is frozen,
	// or it is at its most.
	MemoryRaise *MemoryRaise
	// Random, from 0 to 1, spreads retries.
	Random float64
}

// Report is what a report says, as far as it decides anything.
type Report struct {
	Kind      ReportKind
	Epoch     int64
	Manifest  string
	JobUID    string
	JobName   string
	Node      string
	Diagnosis string
	Outcome   Outcome
}

// Decision is what becomes of attempt and run.
type Decision struct {
	Status  ReportStatus
	Message string // for the worker, where it was not accepted

	Changed    bool             // false: nothing below is to be stored
	Phase      Phase            // of the attempt, from now on
	Outcome    *OutcomeDecision // the attempt ends
	HandedBack bool             // the attempt never happened: its slot is free and its number too
	State      *State           // of the run; nil: as it is
}

// Decide says what becomes of an attempt and its run when a report comes in. A report that was accepted
// before is accepted again and changes nothing.
func Decide(s CurrentState, f Report) Decision {
	if f.Epoch != s.Epoch {
		return stale(s, f)
	}
	if s.HandedBack {
		return afterHandBack(f)
	}
	if s.Phase == PhaseEnded {
		return afterEnd(s, f)
	}
	if f.JobUID != "" && s.JobUID != "" && f.JobUID != s.JobUID {
		return duplicate(s)
	}
	switch f.Kind {
	case ReportManifest:
		return onManifest(s, f)
	case ReportSubmitted:
		return onSubmitted(s, f)
	case ReportPending:
		return onPending(s, f)
	case ReportRunning:
		return onRunning(s, f)
	case ReportEnded:
		return onEnded(s, f)
	case ReportHandedBack:
		return onHandedBack(s)
	}
	return invalid("unknown kind of report %q", f.Kind)
}

// stale answers a worker whose epoch is not the newest. One that holds a Job other than the recorded one
// hears so, for nobody else would delete it.
func stale(s CurrentState, f Report) Decision {
	if f.Kind == ReportSubmitted && s.JobUID != "" && f.JobUID != s.JobUID {
		return duplicate(s)
	}
	return Decision{
		Status:  ReportStale,
		Message: fmt.Sprintf("epoch %d holds this attempt now, not %d", s.Epoch, f.Epoch),
	}
}

func afterHandBack(f Report) Decision {
	if f.Kind == ReportHandedBack {
		return accepted()
	}
	return Decision{Status: ReportStale, Message: "this attempt was handed back"}
}

// afterEnd answers what comes after an attempt's end: what was, or could have been, accepted before it is
// accepted again; another outcome is not.
func afterEnd(s CurrentState, f Report) Decision {
	switch f.Kind {
	case ReportSubmitted:
		if s.JobUID == "" {
			return Decision{
				Status:  ReportAlreadyEnded,
				Message: "this attempt ended before a Job of it was known",
			}
		}
		if s.JobUID != f.JobUID {
			return duplicate(s)
		}
		return accepted()
	case ReportEnded:
		if !s.Outcome.same(f.Outcome) {
			return Decision{
				Status:  ReportAlreadyEnded,
				Message: "another outcome is recorded: " + s.Outcome.String(),
			}
		}
		return accepted()
	case ReportHandedBack:
		if s.JobUID == "" && s.Outcome.Category == CancelledEnd {
			return accepted()
		}
		return Decision{Status: ReportAlreadyEnded, Message: "this attempt has ended: " + s.Outcome.String()}
	}
	return accepted()
}

func onManifest(s CurrentState, f Report) Decision {
	switch {
	case f.Manifest == "":
		return invalid("a report of kind manifest carries the manifest")
	case s.Manifest == f.Manifest:
		return accepted()
	case s.Manifest != "":
		return invalid("this attempt has a manifest already; send that one")
	case s.JobUID != "":
		return invalid("this attempt has a Job already")
	case s.Phase == PhasePending || s.Phase == PhaseRunning: // seen in the cluster before its manifest came through
		d := accepted()
		d.Changed, d.Phase = true, s.Phase
		return d
	}
	return s.to(PhaseSubmitting, Pending, "Submitting", "")
}

func onSubmitted(s CurrentState, f Report) Decision {
	switch {
	case f.JobUID == "":
		return invalid("a report of kind submitted carries the Job's UID")
	case s.JobUID == f.JobUID:
		return accepted()
	}
	if s.Phase == PhaseRunning { // seen running before its UID came through
		d := accepted()
		d.Changed, d.Phase = true, PhaseRunning
		return d
	}
	return s.to(PhasePending, Pending, "InfrastructurePending", "Job created")
}

func onPending(s CurrentState, f Report) Decision {
	return s.to(PhasePending, Pending, "InfrastructurePending", f.Diagnosis)
}

func onRunning(s CurrentState, f Report) Decision {
	message := ""
	if f.Node != "" {
		message = "on node " + f.Node
	}
	if f.Diagnosis != "" {
		message = f.Diagnosis
	}
	return s.to(PhaseRunning, Running, "Running", message)
}

// onHandedBack: the worker stops before it created anything, so the attempt never happened.
func onHandedBack(s CurrentState) Decision {
	if s.JobUID != "" || s.Started || s.Phase == PhasePending || s.Phase == PhaseRunning {
		return invalid("a Job of this attempt exists: it can not be handed back")
	}
	d := Decision{Status: ReportAccepted, Changed: true, Phase: PhaseEnded, HandedBack: true}
	if s.Run == Cancelling {
		end := cancelEnd(s, Outcome{Category: CancelledEnd})
		d.State, d.Outcome = &end.State, &end
		d.HandedBack = false
		return d
	}
	d.State = &State{Type: Scheduled, Name: "Scheduled", Message: "handed back before anything was created"}
	return d
}

func onEnded(s CurrentState, f Report) Decision {
	if f.Outcome.Succeeded == (f.Outcome.Category != "") {
		return invalid("an end either succeeded or has a category")
	}
	end := DecideOutcome(s, f.Outcome)
	return Decision{Status: ReportAccepted, Changed: true, Phase: PhaseEnded, Outcome: &end, State: &end.State}
}

// to moves the attempt to a phase, and its run to a state unless it is being cancelled.
func (s CurrentState) to(p Phase, t StateType, name, message string) Decision {
	d := Decision{Status: ReportAccepted, Changed: true, Phase: p}
	if s.Run != Cancelling {
		d.State = &State{Type: t, Name: name, Message: message}
	}
	return d
}

func accepted() Decision { return Decision{Status: ReportAccepted} }

func invalid(format string, args ...any) Decision {
	return Decision{Status: ReportInvalid, Message: fmt.Sprintf(format, args...)}
}

func duplicate(s CurrentState) Decision {
	return Decision{
		Status:  ReportDuplicateJob,
		Message: "the Job of this attempt is " + s.JobUID + ": delete yours",
	}
}
