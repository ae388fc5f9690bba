package held

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// Table is the attempts that this worker holds, by ID and by what the runtime calls them. Its methods may be
// called from any goroutine.
type Table struct {
	now func() time.Time

	mu     sync.Mutex
	byID   map[uuid.UUID]*Attempt
	byRef  map[job.Ref]*Attempt
	queue  []*Attempt    // attempts that may have something to report, oldest first
	due    chan struct{} // wakes the reporter
	freed  chan struct{} // wakes the claimer
	closed bool          // the worker stops: nothing more is created
}

// NewTable returns an empty table with the given clock.
func NewTable(now func() time.Time) *Table {
	return &Table{
		now:   now,
		byID:  map[uuid.UUID]*Attempt{},
		byRef: map[job.Ref]*Attempt{},
		due:   make(chan struct{}, 1),
		freed: make(chan struct{}, 1),
	}
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Add holds a claimed attempt. Its lease counts from when the claim was asked for. Add returns nil if the
// attempt is already held with this epoch, as after an answer that was repeated.
func (t *Table) Add(c api.Claim, asked time.Time) *Attempt {
	t.mu.Lock()
	defer t.mu.Unlock()

	if earlier, ok := t.byID[c.AttemptID]; ok {
		if earlier.Epoch >= c.Epoch {
			return nil
		}
		t.applyLocked(earlier, Replaced)
	}

	leaseTime := time.Duration(c.LeaseSeconds) * time.Second
	a := newAttempt(c, leaseTime, asked)
	t.byID[a.ID], t.byRef[a.Ref] = a, a
	return a
}

// Find returns the attempt that the runtime calls ref, or nil.
func (t *Table) Find(ref job.Ref) *Attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byRef[ref]
}

// Get returns the attempt with this ID, or nil.
func (t *Table) Get(id uuid.UUID) *Attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID[id]
}

// Len is the number of attempts held.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byID)
}

// Freed is notified when an attempt was released, and by NotifyFreed.
func (t *Table) Freed() <-chan struct{} { return t.freed }

// NotifyFreed tells the claimer that there may be room for more attempts.
func (t *Table) NotifyFreed() { notify(t.freed) }

// Close lets nothing more be created.
func (t *Table) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, a := range t.byID {
		notify(a.changed)
	}
}

// Apply changes the stage of an attempt and returns what the worker must do.
func (t *Table) Apply(a *Attempt, event Event) Action {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.applyLocked(a, event)
}

// applyLocked is the only place that changes a stage in the table.
func (t *Table) applyLocked(a *Attempt, event Event) Action {
	before := a.stage
	action := a.apply(event)

	switch {
	case before == Released:
		return action
	case a.stage == Released:
		// The slot is free at once, whatever is still to be done about the Job.
		delete(t.byID, a.ID)
		delete(t.byRef, a.Ref)
		notify(a.changed)
		notify(t.freed)
		notify(t.due)
	default:
		t.changedLocked(a)
	}
	return action
}

// changedLocked wakes the attempt's goroutine and the reporter.
func (t *Table) changedLocked(a *Attempt) {
	notify(a.changed)
	if !a.queued {
		a.queued = true
		t.queue = append(t.queue, a)
	}
	notify(t.due)
}

// Cancel ends an attempt on the server's request. It reports whether this is news.
func (t *Table) Cancel(a *Attempt) (action Action, changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := a.stage
	action = t.applyLocked(a, CancelRequested)
	return action, a.stage != before
}

// End decides the outcome of an attempt whose Job was never created.
func (t *Table) End(a *Attempt, category api.Category, message string) Action {
	at := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	a.observe(job.Observation{Phase: job.Ended, Category: category, Message: message, EndedAt: &at})
	return t.applyLocked(a, EndDecided)
}

// HandBack returns an attempt of which certainly nothing was created, with the reason, and the namespace of the Job
// if this worker does not serve it.
func (t *Table) HandBack(a *Attempt, reason, unserved string) Action {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.createTried = false
	a.facts.handBack, a.facts.unserved = reason, unserved
	return t.applyLocked(a, StoppedBeforeCreate)
}

// Refuse is End for an attempt whose Job was refused, with what rules said of it.
func (t *Table) Refuse(a *Attempt, r *job.Refused) Action {
	if len(r.RuleFindings) > 0 {
		t.mu.Lock()
		a.facts.ruleFindings, a.facts.ruleDenied = r.RuleFindings, true
		t.mu.Unlock()
	}
	return t.End(a, r.Category, r.Message)
}

// Observe takes an observation of the runtime. An end is not reported for a while, in which the last output
// may be sent; ended says that this call began that delay, and AllowEnd cuts it short.
func (t *Table) Observe(
	a *Attempt,
	observed job.Observation,
	delay time.Duration,
) (action Action, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.stage == Released || !a.observe(observed) {
		return Nothing, false
	}
	if observed.Phase != job.Ended {
		t.changedLocked(a)
		return Nothing, false
	}
	a.endDelayedUntil = t.now().Add(delay)
	return t.applyLocked(a, EndObserved), true
}

// LastLines adds the last lines of output to the end of an attempt.
func (t *Table) LastLines(a *Attempt, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.stage == Ended && a.facts.observation != nil {
		completed := *a.facts.observation
		completed.LastLines = text
		a.facts.observation = &completed
	}
}

// AllowEnd lets the end of an attempt be reported now.
func (t *Table) AllowEnd(a *Attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.stage == Released {
		return
	}
	a.endDelayedUntil = time.Time{}
	t.changedLocked(a)
}

// Object is the attempt's Job as the runtime knows it.
func (t *Table) Object(a *Attempt) job.Object {
	t.mu.Lock()
	defer t.mu.Unlock()
	return job.Object{Ref: a.Ref, UID: a.facts.uid()}
}
