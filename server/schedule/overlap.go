package schedule

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

// Live is a run of the schedule that is not terminal.
type Live struct {
	ID         string
	Cancelling bool // somebody asked it to end already
}

// Action is what becomes of a slot.
type Action string

const (
	Create Action = "create"
	Drop   Action = "drop"
	Wait   Action = "wait" // ask again when a live run has ended; older slots first
)

// Decision is what to do with a slot, and which runs to cancel first.
type Decision struct {
	Action Action
	Cancel []string
}

// Decide says what to do with a slot, given the schedule's live runs. A run that is being cancelled is live until it has ended.
func (o Overlap) Decide(live []Live) Decision {
	if len(live) == 0 {
		return Decision{Action: Create}
	}
	switch o {
	case Forbid:
		return Decision{Action: Drop}
	case Queue:
		return Decision{Action: Wait}
	case Replace:
		d := Decision{Action: Create}
		for _, run := range live {
			if !run.Cancelling {
				d.Cancel = append(d.Cancel, run.ID)
			}
		}
		return d
	}
	return Decision{Action: Create}
}
