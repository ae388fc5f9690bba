package lifecycle

// DecideCancel says what a cancel makes of a run; false where the run has ended or is being cancelled
// already.
func DecideCancel(current StateType, reason CancelReason, by string) (State, bool) {
	message := map[CancelReason]string{
		CancelRequested: "cancelled by " + by,
		CancelTimeout:   "the run's timeout has passed",
		CancelExpired:   "not started by its start deadline",
	}[reason]
	switch current {
	case Scheduled: // nobody holds it: it ends at once
		switch reason {
		case CancelTimeout:
			return State{Type: Failed, Name: "TimedOut", Message: message}, true
		case CancelExpired:
			return State{Type: Cancelled, Name: "Expired", Message: message}, true
		}
		return State{Type: Cancelled, Name: "Cancelled", Message: message}, true
	case Pending, Running:
		return State{Type: Cancelling, Name: "Cancelling", Message: message}, true
	}
	return State{}, false
}
