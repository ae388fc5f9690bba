// Package verdict decides whether an installation came through a storm. It compares the journal of clients and workers
// with what the servers stored, and knows neither HTTP nor SQL, so that its tests can plant every violation.
package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/journal"
)

// Check is a property that must hold.
type Check string

// The checks. Each is 0 in an installation that works.
const (
	Lost       Check = "lost"        // what a client or worker was told is stored is not
	Doubled    Check = "doubled"     // something happened twice that must happen once
	Stuck      Check = "stuck"       // a run that does not end
	LeftBehind Check = "left behind" // rows, processes or mounts without a use
	Overshot   Check = "overshot"    // more slots in use than a limit allows, or claims in spite of a pause
	EventGap   Check = "event gaps"  // a history with a gap, or with a step that runs do not take
)

// Checks are all of them, in the order of the report.
func Checks() []Check { return []Check{Lost, Doubled, Stuck, LeftBehind, Overshot, EventGap} }

// Violation of a check.
type Violation struct {
	Check Check
	Run   uuid.UUID // zero: it is about no single run
	Text  string
}

// Facts are all that is known after a storm.
type Facts struct {
	Entries    []journal.Entry // in order of At
	Runs       []Run
	Attempts   []Attempt // that have ended, in order of run and number
	Events     []Event   // after the creation, in order of run and number
	Limits     []Limit
	Samples    []Sample
	Executions []Execution
	// ProcessPool is the pool whose attempts are processes, which Executions has.
	ProcessPool string
	Left        []string // what else was found that should be gone
}

// Run as it is stored. It has a row in ready or live until it has ended.
type Run struct {
	ID          uuid.UUID
	Request     int64 // that asked for it; 0: a schedule did
	Deployment  string
	Queue       string // POOL/QUEUE
	Pool        string
	Schedule    uuid.UUID
	Slot        time.Time
	State       string
	Ended       bool
	Ready, Live int // rows
	Attempts    int32
	LastEvent   int64
}

// Attempt that has ended, as it is stored.
type Attempt struct {
	Run       uuid.UUID
	ID        uuid.UUID
	Number    int32
	Epoch     int64
	Succeeded bool
	Message   string
}

// Event of a run, as it is stored.
type Event struct {
	Run     uuid.UUID
	Seq     int64
	At      time.Time
	Actor   string
	Attempt int32
	State   string
	Name    string
	Message string
}

// Limit of slots: of "pool P", "queue P/Q" or "deployment D".
type Limit struct {
	Scope string
	Max   int
}

// Sample is how many slots of a limit were in use in one snapshot of the database.
type Sample struct {
	Scope string
	At    time.Duration
	Used  int
}

// Execution of an attempt by a process of a host, as the process itself noted it.
type Execution struct {
	Run     uuid.UUID
	Number  int32
	Started int // how often
	Ended   int
}

// Judge returns the violations in the order of Checks.
func Judge(f Facts) []Violation {
	j := newJudge(f)
	j.lost()
	j.doubled()
	j.stuck()
	j.leftBehind()
	j.overshot()
	j.eventGaps()
	order := Checks()
	slices.SortStableFunc(j.violations, func(a, b Violation) int {
		return cmp.Compare(slices.Index(order, a.Check), slices.Index(order, b.Check))
	})
	return j.violations
}

// judge is Facts with what the checks look up.
type judge struct {
	Facts
	runs       map[uuid.UUID]*Run
	attempts   map[uuid.UUID]*Attempt
	holds      map[uuid.UUID][]*hold // by attempt
	grants     map[string][]grant    // by session
	jumps      []jump
	ended      map[uuid.UUID][]slotEnd // see ends
	violations []Violation
}

func newJudge(f Facts) *judge {
	j := &judge{
		Facts: f, runs: make(map[uuid.UUID]*Run, len(f.Runs)), attempts: make(map[uuid.UUID]*Attempt, len(f.Attempts)),
	}
	for i := range f.Runs {
		j.runs[f.Runs[i].ID] = &f.Runs[i]
	}
	for i := range f.Attempts {
		j.attempts[f.Attempts[i].ID] = &f.Attempts[i]
	}
	j.readHolds()
	return j
}

func (j *judge) violate(check Check, run uuid.UUID, format string, args ...any) {
	j.violations = append(j.violations, Violation{check, run, fmt.Sprintf(format, args...)})
}

// terminal states end a run.
func terminal(state string) bool {
	switch state {
	case "COMPLETED", "FAILED", "CRASHED", "CANCELLED":
		return true
	}
	return false
}
