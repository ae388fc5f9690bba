// Package journal keeps what the clients and workers of a storm sent and were answered, and what was done to the
// installation. It is their side of the story: package verdict compares it with what the servers stored.
package journal

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// Kind says what an entry is about.
type Kind string

// The kinds of entries.
const (
	Asked     Kind = "asked"     // a client sends the creation of a run, with its Request
	Created   Kind = "created"   // a client was answered that the run of a Request exists
	Cancelled Kind = "cancelled" // a client asked to cancel a run
	Retried   Kind = "retried"   // a client asked to retry a run
	Paused    Kind = "paused"    // Scope claims nothing from the answer on
	Resumed   Kind = "resumed"   // Scope may claim again since the request was sent
	Claimed   Kind = "claimed"   // a worker was given an attempt until Until
	Renewed   Kind = "renewed"   // a worker's lease of all its attempts lasts until Until
	Lost      Kind = "lost"      // a worker was told that it has lost an attempt
	Abandoned Kind = "abandoned" // a worker renews the lease of an attempt no longer
	Released  Kind = "released"  // a worker gives up the lease of an attempt
	Reported  Kind = "reported"  // a worker reported Report with Outcome
	Killed    Kind = "killed"    // a worker was killed, and executes nothing any longer
	Fault     Kind = "fault"     // something was done to the installation
	Jumped    Kind = "jumped"    // the database's clock was moved by By
)

// Answers that are no status of a report.
const (
	// NoAnswer is that of a call that may have been carried out.
	NoAnswer = ""
	// Accepted is that of a call that was carried out.
	Accepted = "accepted"
)

// Entry is one thing that happened. Times are since the beginning of the storm, by the storm's monotonic clock.
type Entry struct {
	Sent time.Duration // of a call, when it began; else as At
	At   time.Duration // of a call, when it was answered or given up
	Kind Kind
	Who  string // a client, or the session of a worker

	Run     uuid.UUID
	Attempt uuid.UUID
	Number  int32
	Epoch   int64
	Until   time.Duration // when a lease ends, as its worker sees it
	Request int64         // of a creation, from 1
	Scope   string        // what was paused: "pool P", "queue P/Q" or "deployment D"
	Report  string        // the kind of a report
	Outcome string        // of an ended attempt, different for every execution
	Status  string        // the answer
	By      time.Duration // of a jump
	Text    string        // for people
}

// Journal takes entries from everyone. It is safe for concurrent use.
type Journal struct {
	began time.Time

	mu      sync.Mutex
	entries []Entry
}

// New returns a journal that begins now.
func New() *Journal { return &Journal{began: time.Now()} }

// Now is the time since the journal began.
func (j *Journal) Now() time.Duration { return time.Since(j.began) }

// Began is when the journal began.
func (j *Journal) Began() time.Time { return j.began }

// Add adds an entry that happens now. One without a time of sending was not a call.
func (j *Journal) Add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.At = j.Now()
	if e.Sent == 0 {
		e.Sent = e.At
	}
	j.entries = append(j.entries, e)
}

// Entries returns all entries, in order of At.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Entry(nil), j.entries...)
}
