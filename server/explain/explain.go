// Package explain says in words why a run waits, what it is doing, or why it ended as it did, and what to do
// next. It is pure: facts go in, sentences come out. The API returns the sentences, so that the web UI, the
// command line and scripts show the same text.
//
// Each state of a run has its own function: waiting.go for runs that no worker holds, active.go for runs that
// a worker holds, ended.go for runs that have finished. Beside the sentences, forecast.go says who holds the slots and when
// the run is likely to start, and action.go what helps.
package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// Explanation of a run.
type Explanation struct {
	// Sentence is the answer in short.
	Sentence string
	// Reasons why the run waits; the first is the one in Sentence. Empty for runs that execute or have ended.
	Reasons []Reason
	Details []string
	// Next are steps for the user. A step that has a command ends with ": COMMAND".
	Next []string
	// Holders are runs that hold the slots which the run waits for, oldest first, at most store.HoldersMax of HolderCount.
	Holders     []Holder
	HolderCount int
	// Ahead is how many runs of its queue are claimed before it, up to store.AheadCountMax; nil unless it is due and waits.
	Ahead *int
	// Forecast is when it is likely to start; nil where nothing tells.
	Forecast *Forecast
	// Actions help, the most important first.
	Actions []Action
}

// Reason is one thing that a run waits for.
type Reason struct {
	Code    Code
	Message string
}

// Code identifies a kind of reason. Codes are part of the API.
type Code string

// Codes of reasons.
const (
	NotDue           Code = "not-due"
	AwaitingRetry    Code = "awaiting-retry"
	PoolPaused       Code = "pool-paused"
	QueuePaused      Code = "queue-paused"
	DeploymentPaused Code = "deployment-paused"
	PoolFull         Code = "pool-full"
	QueueFull        Code = "queue-full"
	DeploymentFull   Code = "deployment-full"
	NoWorker         Code = "no-worker"
	WorkersPaused    Code = "workers-paused"
	ClusterLost      Code = "cluster-lost"
	LostCluster      Code = "no-worker-of-cluster"
	Starting         Code = "starting"
)

// Codes of the metrics, for runs and attempts about which there is nothing to explain or whose diagnosis says it.
const (
	AwaitingClaim Code = "awaiting-claim" // no limit or pause applies
	Launching     Code = "launching"      // the worker prepares its Job
	Unschedulable Code = "unschedulable"
	ImagePull     Code = "image-pull"
	OutOfQuota    Code = "quota"
	Suspended     Code = "suspended"
	Diagnosed     Code = "diagnosed" // something else, which the run's page shows
)

// Explain explains the state of a run.
func Explain(facts *store.RunFacts) Explanation {
	e := explainState(facts)
	e.addWaitingSlots(facts)
	e.addRules(facts)
	return e
}

func explainState(facts *store.RunFacts) Explanation {
	switch facts.Run.State.Type {
	case lifecycle.Scheduled:
		return explainScheduled(facts)
	case lifecycle.Pending:
		return explainPending(facts)
	case lifecycle.Running:
		return explainRunning(facts)
	case lifecycle.Cancelling:
		return explainCancelling(facts)
	}
	return explainEnded(facts)
}

func (e *Explanation) addReason(code Code, message string) {
	e.Reasons = append(e.Reasons, Reason{code, message})
}

func (e *Explanation) addDetail(format string, args ...any) {
	e.Details = append(e.Details, fmt.Sprintf(format, args...))
}

func (e *Explanation) addStep(format string, args ...any) {
	e.Next = append(e.Next, fmt.Sprintf(format, args...))
}

// addTimeout says when the run times out.
func (e *Explanation) addTimeout(facts *store.RunFacts) {
	switch at := facts.TimeoutAt; {
	case at == nil:
	case facts.Suspended:
		e.addDetail("%s are left of its timeout, which does not count while its Job is suspended",
			at.Sub(facts.Now).Round(time.Second))
	default:
		e.addDetail("it times out %s, retries included", until(facts.Now, *at))
	}
}

// addStartDeadline says when the run expires, unless it has already started.
func (e *Explanation) addStartDeadline(facts *store.RunFacts) {
	if at := facts.StartDeadline; at != nil && facts.Run.StartedAt == nil {
		e.addDetail("it expires %s unless it starts before", until(facts.Now, *at))
	}
}

// addWaitingSlots says how many slots of its schedule wait for the run's end.
func (e *Explanation) addWaitingSlots(facts *store.RunFacts) {
	if len(facts.Waiting) == 0 {
		return
	}
	wait := "waits"
	if len(facts.Waiting) > 1 {
		wait = "wait"
	}
	e.addDetail("%s of its schedule %s for its end, the oldest for %s", plural(len(facts.Waiting), "slot", "slots"), wait,
		span(facts.Now.Sub(slices.MinFunc(facts.Waiting, time.Time.Compare))))
	e.addStep("drop what waits: berth schedule resume --drop-waiting %s %s", shellQuote(facts.Run.Deployment),
		shellQuote(strings.TrimPrefix(facts.Run.CreatedBy, store.ScheduleActor)))
}

// addPastAttempts adds a line for each attempt that has ended and, while retries may follow, the retries
// used.
func (e *Explanation) addPastAttempts(facts *store.RunFacts) {
	for i := range facts.Attempts {
		if facts.Attempts[i].EndedAt != nil {
			e.Details = append(e.Details, pastAttempt(facts, i))
		}
	}
	if used := retriesUsed(facts); used != "" && !facts.Run.State.Type.Terminal() {
		e.Details = append(e.Details, used)
	}
}

// retriesUsed lists the retry budgets that the run has used; empty if none.
func retriesUsed(facts *store.RunFacts) string {
	var parts []string
	for _, budget := range []struct {
		name        string
		used, limit int
	}{
		{"retries", facts.RetriesUsed.App, facts.Policy.Max},
		{"out-of-memory retries", facts.RetriesUsed.OOM, facts.Policy.OOMMax()},
		{
			"infrastructure retries", facts.RetriesUsed.Infrastructure,
			facts.Policy.InfrastructureMaxFor(lifecycle.Evicted),
		},
	} {
		if budget.used > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d %s", budget.used, budget.limit, budget.name))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "used so far: " + strings.Join(parts, ", ")
}

// addRules repeats what rules said and let pass. What refused an attempt is its outcome.
func (e *Explanation) addRules(facts *store.RunFacts) {
	last := int32(-1)
	for _, f := range facts.RuleFindings {
		if f.Action == "warn" {
			last = f.Attempt // the last word counts: attempts repeat what was said before
		}
	}
	for _, f := range facts.RuleFindings {
		if f.Action != "warn" || f.Attempt != last {
			continue
		}
		scope := "of the installation"
		if f.Pool != "" {
			scope = fmt.Sprintf("of work pool %q", f.Pool)
		}
		e.addDetail("rule %q %s warns: %s", f.Rule, scope, f.Message)
	}
}

// newest returns the newest attempt; nil if there is none.
func newest(attempts []store.Attempt) *store.Attempt {
	if len(attempts) == 0 {
		return nil
	}
	return &attempts[len(attempts)-1]
}

func alive(w store.Worker, now time.Time) bool { return now.Sub(w.LastSeenAt) < store.WorkerAliveFor }
