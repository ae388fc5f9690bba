package store

import (
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
)

// Stats is what the metrics show of the database. It costs the same however many finished runs there are.
type Stats struct {
	Runs      []RunCount
	OldestDue []QueueAge
	Slots     []SlotCount
	Workers   []WorkerCount
}

// RunCount counts the runs of a queue in a state that is not terminal.
type RunCount struct {
	Pool  string
	Queue string
	State lifecycle.StateType
	Count int64
}

// QueueAge is how long the oldest due, unclaimed run of a queue has waited.
type QueueAge struct {
	Pool  string
	Queue string
	Age   time.Duration
}

// SlotCount is how many slots are used, of a pool (Queue empty) or of a queue.
type SlotCount struct {
	Pool  string
	Queue string
	Used  int64
	Limit *int32 // nil: no limit
}

// WorkerCount counts a pool's workers: alive were heard of within WorkerAliveFor.
type WorkerCount struct {
	Pool     string
	Alive    int64
	Gone     int64
	LastSeen time.Duration // since the freshest was heard of
}

// WorkerAliveFor is how long a worker counts as alive after it was last heard of. Claim polls last half of it at most.
const WorkerAliveFor = time.Minute
