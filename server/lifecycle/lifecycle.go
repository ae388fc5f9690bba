// Package lifecycle decides how runs and attempts change state. It is pure: it knows the states, the
// transitions between them, what an attempt's outcome means for its run, and which retry budget an outcome
// uses. Package store loads the current state, asks this package, and writes the decision in the same
// transaction.
//
//   - Decide: a worker reported something about an attempt (report.go).
//   - DecideOutcome: an attempt ended; finish the run or retry it (outcome.go, retry.go).
//   - DecideCancel: a run is to be cancelled, or a deadline passed (outcome.go).
package lifecycle

import (
	"time"

	"github.com/berth-dev/berth/server/api"
)

// StateType is the part of a run's state that determines behaviour. State.Name only adds detail for people.
type StateType string

// State types. A run starts as SCHEDULED and returns there for each retry.
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

// Terminal reports whether the run has finished. Only an explicit retry leaves a terminal state.
func (t StateType) Terminal() bool {
	switch t {
	case Completed, Failed, Crashed, Cancelled:
		return true
	}
	return false
}

// State of a run.
type State struct {
	Type StateType
	// Name refines Type, for example Scheduled, AwaitingRetry, Claimed, Submitting, InfrastructurePending,
	// Running, TimedOut, OutOfMemory or Expired.
	Name    string
	Message string
	At      time.Time
}

// State names that are derived when a run is read, and never stored.
const (
	Late         = "Late"         // due for some time and not limited or paused, but not claimed yet
	AwaitingSlot = "AwaitingSlot" // due, and a concurrency limit is reached
)

// Category is why an attempt did not succeed. The API specification holds the only list of categories.
type Category = api.Category

// Short names for the categories of the API.
const (
	App           = api.CategoryApp
	OOM           = api.CategoryOOM
	Evicted       = api.CategoryEvicted
	Preempted     = api.CategoryPreempted
	NodeLost      = api.CategoryNodeLost
	Deadline      = api.CategoryDeadline
	ImagePull     = api.CategoryImagePull
	Config        = api.CategoryConfig
	Unschedulable = api.CategoryUnschedulable
	Quota         = api.CategoryQuota
	Invalid       = api.CategoryInvalid
	Template      = api.CategoryTemplate
	Deleted       = api.CategoryDeleted
	CancelledEnd  = api.CategoryCancelled // Cancelled is the state
	Unknown       = api.CategoryUnknown
)

// Outcome is how an attempt ended.
type Outcome struct {
	Succeeded bool
	Category  Category // empty if Succeeded
	ExitCode  *int32
	Message   string
	// Line is what the output says of the failure of a workload; see ErrorLine.
	Line string
	// Final ends the run even if retries are left: the template's policy allows no further attempt.
	Final bool
}
