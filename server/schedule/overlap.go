package schedule

import "time"

// OverlapPolicy is what happens to a slot while earlier runs of the same schedule are live.
type OverlapPolicy string

const (
	Allow   OverlapPolicy = "allow"   // run in parallel; the default
	Forbid  OverlapPolicy = "forbid"  // drop the slot
	Replace OverlapPolicy = "replace" // cancel the earlier runs and run
	Queue   OverlapPolicy = "queue"   // run after them
)

// LiveRun is a run of the schedule that is not terminal.
type LiveRun struct {
	ID         string
	Slot       time.Time
	Cancelling bool // a cancel was requested, but the run has not ended yet
}

// Action is what to do with a slot.
type Action string

const (
	Create Action = "create"
	Drop   Action = "drop"
	Wait   Action = "wait" // decide again when a live run has ended; older slots first
)

// Decision is what to do with a slot, and which runs to cancel after its run was created.
type Decision struct {
	Action Action
	Cancel []string
	// Reason is why a slot is dropped; empty: overlap.
	Reason string
}

// Decide decides what to do with a slot, given the live runs of its schedule. A run that is being cancelled
// is live until it has ended.
//
// A slot may be decided twice: by a server that ended before it stored its progress, and by the next one. The
// live runs then include the slot's own run, or even a newer one. In both cases the decision repeats the
// earlier one: creating finds the existing run, dropping changes nothing.
func (o OverlapPolicy) Decide(slot time.Time, live []LiveRun) Decision {
	if len(live) == 0 || o == Allow {
		return Decision{Action: Create}
	}

	var older []string // runs of earlier slots that are not being cancelled
	own, newer := false, false
	for _, run := range live {
		own = own || run.Slot.Equal(slot)
		newer = newer || run.Slot.After(slot)
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

// BusyPolicy is what happens to a slot while any run of the deployment is live, whoever created it.
type BusyPolicy string

const (
	BusyAllow BusyPolicy = "allow" // the overlap policy alone decides; the default
	BusySkip  BusyPolicy = "skip"  // drop the slot
)
