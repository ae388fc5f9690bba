// Package lifecycle decides: which states a run has, which transitions there are, what an attempt's end means
// for its run and on which budget it draws. It is pure; package store carries its decisions out in
// transactions.
package lifecycle

import "time"

// StateType decides behaviour; the name beside it only tells the story.
type StateType string

// State types.
const (
	Scheduled  StateType = "SCHEDULED"
	Pending    StateType = "PENDING"
	Running    StateType = "RUNNING"
	Completed  StateType = "COMPLETED"
	Failed     StateType = "FAILED"
	Crashed    StateType = "CRASHED"
	Cancelling StateType = "CANCELLING"
	Cancelled  StateType = "CANCELLED"
)

// Terminal reports whether nothing but an explicit retry leaves the state.
func (t StateType) Terminal() bool {
	switch t {
	case Completed, Failed, Crashed, Cancelled:
		return true
	}
	return false
}

// State of a run.
type State struct {
	Type    StateType
	Name    string // Scheduled, AwaitingRetry, Claimed, Submitting, InfrastructurePending, Running, TimedOut, OutOfMemory, Expired …
	Message string
	At      time.Time
}

// Names of states that are derived when a run is read, and never stored.
const (
	Late         = "Late"         // due for a while, and nothing keeps it but that nobody has claimed it
	AwaitingSlot = "AwaitingSlot" // due, and a limit is in its way
)

// Category of an attempt's end.
type Category string

// Categories of an attempt's end.
const (
	App           Category = "app"
	OOM           Category = "oom"
	Evicted       Category = "evicted"
	Preempted     Category = "preempted"
	NodeLost      Category = "node_lost"
	Deadline      Category = "deadline"
	ImagePull     Category = "image_pull"
	Config        Category = "config"
	Unschedulable Category = "unschedulable"
	Quota         Category = "quota"
	Invalid       Category = "invalid"
	Template      Category = "template"
	Deleted       Category = "deleted"
	CancelledEnd  Category = "cancelled"
	Unknown       Category = "unknown"
)

// Outcome is how an attempt ended.
type Outcome struct {
	Succeeded bool
	Category  Category // empty when Succeeded
	ExitCode  *int32
	Message   string
	// Final ends the run whatever budgets are left: the template's policy wants no other attempt.
	Final bool
}
