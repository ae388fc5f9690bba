package held

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// Attempt is one attempt whose lease this worker has. ID, Ref, Epoch and Pool never change; all else belongs
// to the lock of its table.
type Attempt struct {
	ID    uuid.UUID
	Ref   job.Ref
	Epoch int64
	Pool  string

	// changed wakes the goroutine that brings the attempt to its Job.
	changed chan struct{}

	stage Stage
	// createTried is set before the runtime may create the Job. From then on a Job may exist, until the
	// runtime says that it certainly created nothing.
	createTried bool
	facts       facts
	accepted    accepted
	// endsAs is the outcome if the Job is only found gone after we had the runtime end it; nil before.
	endsAs *job.Observation

	claimed   time.Time
	leaseTime time.Duration
	expires   time.Time // of the lease, by our own clock
	released  bool      // the lease, until it is renewed again
	// endDelayedUntil keeps the outcome back for the last output.
	endDelayedUntil time.Time
	queued          bool // for the reporter
}

// Limits are the parts of a template that the server enforces.
type Limits struct {
	TimeoutSeconds        *int64
	InfrastructureRetries *int32
}

// facts is everything about an attempt that the server should know.
type facts struct {
	// manifest is nil once the server has it: there are many live attempts, and none needs it.
	manifest json.RawMessage
	// renderedAt is when the manifest was rendered here; nil for one that an earlier holder reported.
	renderedAt *time.Time
	// manifestFirst: it is reported before the Job may be created, and else with the first report.
	manifestFirst bool
	limits        Limits
	// failEvicted is the template's policy to end a run whose pod was taken away.
	failEvicted bool
	// ruleFindings are what rules said of the Job; ruleDenied that one refused it.
	ruleFindings []api.RuleFinding
	ruleDenied   bool
	// job is where the Job is or will be; its UID is empty before it was created.
	job job.Launched
	// observation is the newest one; nil before the first.
	observation *job.Observation
	// handBack is why the attempt is handed back, and the namespace that this worker does not serve.
	handBack, unserved string
	// refusal is why the server called the outcome invalid; it is then reported without details.
	refusal string
}

// uid of the Job. An observation may come before the launch returns.
func (f facts) uid() string {
	if f.job.UID == "" && f.observation != nil {
		return f.observation.UID
	}
	return f.job.UID
}

func (f facts) ended() bool { return f.observation != nil && f.observation.Phase == job.Ended }

// accepted is what the server has accepted of the facts.
type accepted struct {
	manifest  bool
	uid       string
	phase     job.Phase
	diagnosis string
	node      string
	// indexesDone is how many of the indexes had ended, in percent.
	indexesDone int
}

func newAttempt(c api.Claim, leaseTime time.Duration, claimed time.Time) *Attempt {
	a := &Attempt{
		ID:        c.AttemptID,
		Ref:       job.Ref{RunID: c.RunID, Attempt: int(c.Attempt)},
		Epoch:     c.Epoch,
		Pool:      c.Pool,
		changed:   make(chan struct{}, 1),
		stage:     Preparing,
		claimed:   claimed,
		leaseTime: leaseTime,
		expires:   claimed.Add(leaseTime),
	}

	a.facts.manifestFirst = ManifestFirst(c)
	// An earlier holder may have created the Job.
	if JobMayExist(c) {
		a.stage, a.createTried = Launching, true
	}
	if c.Cancelling {
		a.apply(CancelRequested)
	}
	return a
}

// HasManifest reports whether an earlier holder of the attempt reported its manifest.
func HasManifest(c api.Claim) bool { return len(c.Manifest) > 0 && string(c.Manifest) != "null" }

// JobMayExist reports whether an earlier holder of the attempt may have created its Job, whether or not it came to report
// its manifest.
func JobMayExist(c api.Claim) bool { return HasManifest(c) || c.Takeover }

// ManifestFirst reports whether the manifest has to be reported before the Job may be created.
func ManifestFirst(c api.Claim) bool {
	return c.ManifestFirst != nil && *c.ManifestFirst && !JobMayExist(c)
}

// StoredOutput is how many bytes of output of the attempt the server has.
func StoredOutput(c api.Claim) int64 {
	if c.OutputSize == nil {
		return 0
	}
	return *c.OutputSize
}

func (a *Attempt) jobMayExist() bool { return a.createTried || a.facts.uid() != "" }

// apply changes the stage.
func (a *Attempt) apply(event Event) Action {
	stage, action := next(a.stage, event, a.jobMayExist())
	if stage == Ending && a.endsAs == nil {
		a.endsAs = &job.Observation{Category: api.CategoryCancelled, Message: "cancelled"}
	}
	a.stage = stage
	return action
}

// holdsLease reports whether the lease lasts by our own clock, less a margin for the create itself: a fifth
// of the lease, at most 5 s.
func (a *Attempt) holdsLease(now time.Time) bool {
	return now.Add(min(5*time.Second, a.leaseTime/5)).Before(a.expires)
}

// observe takes the newest observation and reports whether it changed anything. The first end counts.
func (a *Attempt) observe(observed job.Observation) bool {
	if a.facts.ended() {
		return false
	}
	observed = endAs(observed, a.endsAs)
	a.facts.observation = &observed
	return true
}

// endAs is an end as it counts after we had the runtime end the Job: a Job that is only found gone ended as
// we wanted. A Job that ended by itself first keeps its outcome.
func endAs(observed job.Observation, planned *job.Observation) job.Observation {
	if planned == nil || observed.Phase != job.Ended || observed.Succeeded {
		return observed
	}
	if observed.Category == api.CategoryDeleted || observed.Category == api.CategoryCancelled {
		observed.Category = planned.Category
		if observed.Category != api.CategoryCancelled || observed.Message == "" {
			observed.Message = planned.Message
		}
	}
	return observed
}
