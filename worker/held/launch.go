package held

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// Prepared is what is known of an attempt once its manifest is.
type Prepared struct {
	Manifest json.RawMessage
	Limits   Limits
	// FailEvicted is the template's policy to end a run whose pod was taken away.
	FailEvicted bool
	// Restored is true if an earlier holder reported this manifest.
	Restored bool
	// RuleFindings are what rules said of the Job.
	RuleFindings []api.RuleFinding
	// Job is where the Job will be. Its UID is set if an earlier holder reported it.
	Job job.Launched
}

// Prepare records the manifest of an attempt, so that it is reported.
func (t *Table) Prepare(a *Attempt, p Prepared) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.stage == Released {
		return
	}
	a.facts.manifest, a.facts.limits, a.facts.failEvicted = p.Manifest, p.Limits, p.FailEvicted
	a.facts.job, a.facts.ruleFindings = p.Job, p.RuleFindings
	a.accepted.manifest, a.accepted.uid = p.Restored, p.Job.UID
	if p.Restored {
		a.facts.manifest = nil
	} else {
		a.facts.renderedAt = new(t.now())
	}
	t.changedLocked(a)
}

// StartLaunching says that a Job may exist from now on. It reports whether it is certain that none exists
// yet.
func (t *Table) StartLaunching(a *Attempt) (certainlyNotCreated bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	certainlyNotCreated = !a.createTried
	a.createTried = true
	t.applyLocked(a, LaunchStarted)
	return certainlyNotCreated
}

// NotCreated records that launching certainly created nothing.
func (t *Table) NotCreated(a *Attempt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.createTried = false
}

// MayCreate reports whether the Job may be created now. The runtime asks immediately before it creates.
func (t *Table) MayCreate(a *Attempt) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.closed && a.stage == Launching && a.holdsLease(t.now())
}

// LeaseEnds is until when the lease lasts by our own clock, if it is not renewed.
func (t *Table) LeaseEnds(a *Attempt) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return a.expires
}

// Launched records the Job that the runtime created or adopted.
func (t *Table) Launched(a *Attempt, launched job.Launched) Action {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.stage != Released {
		a.facts.job = launched
	}
	return t.applyLocked(a, JobLaunched)
}

// EndAs ends an attempt of which it is not known whether its Job exists. This is its outcome if the Job turns
// out not to exist, or to have been running until now.
func (t *Table) EndAs(a *Attempt, category api.Category, message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.endsAs = &job.Observation{Category: category, Message: message}
	t.applyLocked(a, CancelRequested)
}

// Stage of the attempt now, and whether a Job may exist.
func (t *Table) Stage(a *Attempt) (stage Stage, jobMayExist bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return a.stage, a.jobMayExist()
}

// ErrStopped is returned by Wait when its context ends.
var ErrStopped = errors.New("stopped waiting for the attempt to change")

// A Condition is read under the lock of the table.
type Condition func(t *Table, a *Attempt) bool

// ManifestAnswered: the server accepted the manifest, or that no longer matters.
func ManifestAnswered(_ *Table, a *Attempt) bool { return a.accepted.manifest || a.stage != Preparing }

// NotLaunching: the Job is not to be created.
func NotLaunching(_ *Table, a *Attempt) bool { return a.stage != Launching }

// LeaseHeldOrNotLaunching: the lease came back, or the Job is not to be created.
func LeaseHeldOrNotLaunching(t *Table, a *Attempt) bool {
	return a.stage != Launching || a.holdsLease(t.now())
}

// Wait waits until the condition holds. Only the goroutine that launches the attempt may call it.
func (t *Table) Wait(ctx context.Context, a *Attempt, condition Condition) error {
	for !t.holds(a, condition) {
		select {
		case <-ctx.Done():
			return ErrStopped
		case <-a.changed:
		}
	}
	return nil
}

func (t *Table) holds(a *Attempt, condition Condition) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return condition(t, a)
}
