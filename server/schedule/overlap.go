package schedule

import "time"

// Overlap says what a slot does while earlier runs of the same schedule are live.
type Overlap string

const (
	Allow   Overlap = "allow"   // run beside them; the default
	Forbid  Overlap = "forbid"  // drop the slot
	Replace Overlap = "replace" // cancel them and run
	Queue   Overlap = "queue"   // run after them
)

// ParseOverlap reads a policy; empty is Allow.
func ParseOverlap(s string) (Overlap, error) {
	switch o := Overlap(s); o {
	case "":
		return Allow, nil
	case Allow, Forbid, Replace, Queue:
		return o, nil
	}
	return "", wrong("overlap", "allow, forbid, replace or queue, got %q", s)
}

// LiveRun is a run of the schedule that is not terminal.
type LiveRun struct {
	ID         string
	Slot       time.Time // that it is the run of
	Cancelling bool      // somebody asked it to end already
}

// Action is what becomes of a slot.
type Action string

const (
	Create Action = "create"
	Drop   Action = "drop"
	Wait   Action = "wait" // ask again when a live run has ended; older slots first
)

// Decision is what to do with a slot, and which runs to cancel once its run is there.
type Decision struct {
	Action Action
	Cancel []string
}

// Decide says what to do with a slot, given the schedule's live runs. A run that is being cancelled is live
// until it has ended.
//
// A slot may be decided twice, by a server that did not live to note it and by the next. Its own run is then
// no earlier run, and with a newer one there it has been decided: creating is what finds the run that there
// is, dropping is what leaves all as it is.
func (o Overlap) Decide(slot time.Time, live []LiveRun) Decision {
	if len(live) == 0 || o == Allow {
		return Decision{Action: Create}
	}
	var older []string // that nobody has asked to end
	own, newer := false, false
	for _, run := range live {
		own, newer = own || run.Slot.Equal(slot), newer || run.Slot.After(slot)
		if run.Slot.Before(slot) && !run.Cancelling {
			older = append(older, run.ID)
		}
	}
	switch {
	case o == Replace && !newer:
		return Decision{Action: Create, Cancel: older}
	case own:
		return Decision{Action: Create}
	case o == Queue && !newer:
		return Decision{Action: Wait}
	}
	return Decision{Action: Drop}
}
