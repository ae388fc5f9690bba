package held

// Stage says where a held attempt stands at this worker.
type Stage string

// Stages. An attempt starts as Preparing, or as Launching if an earlier holder may have created its Job, and
// ends as Released.
const (
	// Preparing: the manifest is rendered. Nothing was created.
	Preparing Stage = "preparing"
	// Launching: the runtime may create the Job or adopt it.
	Launching Stage = "launching"
	// Live: the Job exists and is observed.
	Live Stage = "live"
	// Ending: the attempt is to end. No further Job may be created for it; an existing one is cancelled.
	Ending Stage = "ending"
	// Ended: the outcome is known, and is reported until the server has recorded it.
	Ended Stage = "ended"
	// HandingBack: nothing was created and nothing will be, which is reported.
	HandingBack Stage = "handing back"
	// Abandoned: the server ended the attempt by itself. Its Job is cancelled and finalized; nothing is
	// reported.
	Abandoned Stage = "abandoned"
	// Released: the attempt is no longer held.
	Released Stage = "released"
)

// Event is something that may change the stage of a held attempt.
type Event string

// Events at this worker.
const (
	// LaunchStarted: the runtime is about to be asked to create the Job.
	LaunchStarted Event = "launch started"
	// JobLaunched: the runtime created or adopted the Job.
	JobLaunched Event = "job launched"
	// CancelRequested: the server, or a start deadline, wants the attempt to end.
	CancelRequested Event = "cancel requested"
	// EndObserved: the runtime observed the end.
	EndObserved Event = "end observed"
	// EndDecided: the attempt ends although the runtime observed nothing, because its Job was never created.
	EndDecided Event = "end decided"
	// StoppedBeforeCreate: the worker stops, and certainly nothing was created.
	StoppedBeforeCreate Event = "stopped before create"
	// LeftToOthers: this worker cannot go on, and a Job may exist. Whoever takes over finds out.
	LeftToOthers Event = "left to others"
	// Replaced: this worker claimed the attempt again, under a newer epoch.
	Replaced Event = "replaced"
)

// Events that are answers of the server.
const (
	// OutcomeRecorded: the server stored the outcome.
	OutcomeRecorded Event = "outcome recorded"
	// OutcomeRefused: the server refused the outcome in every form.
	OutcomeRefused Event = "outcome refused"
	// HandBackRecorded: the server took the attempt back.
	HandBackRecorded Event = "hand back recorded"
	// LeaseLost: another worker holds the attempt.
	LeaseLost Event = "lease lost"
	// DuplicateRefused: another Job is recorded as the attempt's.
	DuplicateRefused Event = "duplicate refused"
	// EndedAtServer: the attempt ended without this worker's report.
	EndedAtServer Event = "ended at server"
	// UnknownAtServer: the server does not know the attempt, or could not say what became of its lease.
	UnknownAtServer Event = "unknown at server"
)

// Action is what the worker must do after a transition.
type Action string

// Actions.
const (
	Nothing Action = ""
	// CancelJob: have the runtime end the Job.
	CancelJob Action = "cancel job"
	// Finalize: have the runtime finalize the Job, whose output is accepted until then.
	Finalize Action = "finalize"
	// FinishOutput: send the output that is buffered. There is no Job to care for.
	FinishOutput Action = "finish output"
	// StopObserving: have the runtime disown the attempt. What else is to be done was asked for before.
	StopObserving Action = "stop observing"
	// Disown: stop acting on the attempt; nothing in the cluster changes.
	Disown Action = "disown"
	// DisownAndLookUp: disown, and ask the server later what became of the Job.
	DisownAndLookUp Action = "disown and look up"
	// DeleteDuplicate: have the runtime delete and finalize the Job.
	DeleteDuplicate Action = "delete duplicate"
)

// next is the transition function of a held attempt: the stage that follows an event, and what the worker
// must then do. jobMayExist is false only while it is certain that no create reached the API server. The
// package documentation has the table.
func next(stage Stage, event Event, jobMayExist bool) (Stage, Action) {
	if stage == Released {
		if event == JobLaunched {
			// The runtime began to observe a Job that is no longer ours.
			return Released, StopObserving
		}
		return Released, Nothing
	}

	switch event {
	case LaunchStarted, JobLaunched, CancelRequested:
		return nextOnTheWay(stage, event)
	case EndObserved, EndDecided:
		return nextAtEnd(stage, event)
	case StoppedBeforeCreate, LeftToOthers, Replaced:
		return nextAtStop(stage, event)
	default:
		return nextByServer(stage, event, jobMayExist)
	}
}

// nextOnTheWay covers launch and cancel.
func nextOnTheWay(stage Stage, event Event) (Stage, Action) {
	switch {
	case event == LaunchStarted && stage == Preparing:
		return Launching, Nothing
	case event == JobLaunched && (stage == Preparing || stage == Launching):
		return Live, Nothing
	case event == JobLaunched && (stage == Ending || stage == Abandoned):
		// The cancel came before there was a Job to cancel.
		return stage, CancelJob
	case event == CancelRequested && (stage == Preparing || stage == Launching):
		return Ending, Nothing
	case event == CancelRequested && stage == Live:
		return Ending, CancelJob
	}
	return stage, Nothing
}

// nextAtEnd covers the outcome. The first end counts: Ended is never left for another one.
func nextAtEnd(stage Stage, event Event) (Stage, Action) {
	switch {
	case stage == HandingBack:
		return HandingBack, Nothing
	case stage == Abandoned && event == EndObserved:
		return Released, Finalize
	case stage == Abandoned:
		return Released, FinishOutput
	}
	return Ended, Nothing
}

// nextAtStop covers the ways in which this worker gives an attempt up.
func nextAtStop(stage Stage, event Event) (Stage, Action) {
	switch {
	case event == Replaced:
		return Released, Nothing
	case stage == Ended, stage == Live && event == StoppedBeforeCreate:
		// What is known is still reported.
		return stage, Nothing
	case event == StoppedBeforeCreate && stage != Abandoned:
		return HandingBack, Nothing
	}
	return Released, FinishOutput
}

// nextByServer covers the answers to reports and renewals.
func nextByServer(stage Stage, event Event, jobMayExist bool) (Stage, Action) {
	switch {
	case event == LeaseLost, event == OutcomeRefused:
		return Released, Disown
	case event == DuplicateRefused:
		return Released, DeleteDuplicate
	case event == HandBackRecorded, !jobMayExist:
		return Released, FinishOutput
	case event == OutcomeRecorded:
		return Released, Finalize
	case event == UnknownAtServer:
		return Released, DisownAndLookUp
	}

	// EndedAtServer, and a Job may exist: it must not run on.
	switch stage {
	case Ended:
		return Released, Finalize
	case HandingBack:
		return Released, FinishOutput
	case Live:
		return Abandoned, CancelJob
	}
	return Abandoned, Nothing
}
