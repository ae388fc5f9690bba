package lifecycle

import (
	"fmt"
	"time"
)

// Delays before another attempt for what the infrastructure did: doubled each time, up to a bound.
const (
	infrastructureDelay    = 5 * time.Second
	infrastructureDelayMax = 5 * time.Minute
)

// budget is what a retry draws on.
type budget int

const (
	noBudget budget = iota
	appBudget
	infrastructureBudget
)

func budgetOf(c Category) budget {
	switch c {
	case App, Deadline, OOM: // of these, which the policy says; OOM after a budget of its own
		return appBudget
	case Evicted, Preempted, NodeLost, ImagePull, Unschedulable, Quota, Unknown:
		return infrastructureBudget
	}
	return noBudget
}

// MemoryRaise is how the memory of the next attempt may be raised: from which value to which, as they are
// shown.
type MemoryRaise struct{ Variable, From, To string }

// retry decides whether there is another attempt, and what it costs.
func retry(s CurrentState, o Outcome) (OutcomeDecision, bool) {
	if o.Succeeded || o.Final {
		return OutcomeDecision{}, false
	}
	if o.Category == OOM && s.MemoryRaise != nil && s.Policy.OOM != nil && s.RetriesUsed.OOM < s.Policy.OOM.Max {
		return raised(s, o), true
	}
	end := OutcomeDecision{Outcome: o, RetriesUsed: s.RetriesUsed, Retry: true}
	var nth, max int
	switch budgetOf(o.Category) {
	case appBudget:
		if !s.Policy.retries(o) {
			return OutcomeDecision{}, false
		}
		end.RetriesUsed.App++
		nth, max = end.RetriesUsed.App, s.Policy.Max
		end.RetryAfter = s.Policy.wait(nth, s.Random)
	case infrastructureBudget:
		if disrupted(o.Category) && !s.Started {
			end.RetryAfter = infrastructureDelay
			end.State = awaitingRetry(o, "it had not started, so this costs nothing", end.RetryAfter)
			return end, true
		}
		end.RetriesUsed.Infrastructure++
		nth, max = end.RetriesUsed.Infrastructure, s.Policy.InfrastructureMaxFor(o.Category)
		end.RetryAfter = backoff(nth)
	default:
		return OutcomeDecision{}, false
	}
	if nth > max {
		return OutcomeDecision{}, false
	}
	end.State = awaitingRetry(
		o,
		fmt.Sprintf("%sretry %d of %d", drawnOn(o.Category), nth, max),
		end.RetryAfter,
	)
	return end, true
}

// drawnOn names the budget of a retry.
func drawnOn(c Category) string {
	if budgetOf(c) == infrastructureBudget {
		return "infrastructure "
	}
	return ""
}

// raised is the end of an attempt that had too little memory and is tried again with more.
func raised(s CurrentState, o Outcome) OutcomeDecision {
	end := OutcomeDecision{Outcome: o, RetriesUsed: s.RetriesUsed, Retry: true, MemoryRaised: true}
	end.RetriesUsed.OOM++
	end.RetryAfter = s.Policy.wait(end.RetriesUsed.OOM, s.Random)
	end.State = awaitingRetry(o, fmt.Sprintf("out-of-memory retry %d of %d with %s raised from %s to %s",
		end.RetriesUsed.OOM, s.Policy.OOM.Max, s.MemoryRaise.Variable, s.MemoryRaise.From, s.MemoryRaise.To), end.RetryAfter)
	return end
}

// disrupted reports whether a pod that had done nothing wrong was taken away.
func disrupted(c Category) bool { return c == Evicted || c == Preempted || c == NodeLost }

func awaitingRetry(o Outcome, which string, after time.Duration) State {
	message := fmt.Sprintf("%s; %s in %s", o, which, after)
	if o.Message != "" {
		message = fmt.Sprintf("%s: %s; %s in %s", o, o.Message, which, after)
	}
	return State{Type: Scheduled, Name: "AwaitingRetry", Message: message}
}

func backoff(nth int) time.Duration {
	d := infrastructureDelay
	for ; nth > 1 && d < infrastructureDelayMax; nth-- {
		d *= 2
	}
	return min(d, infrastructureDelayMax)
}

// BudgetOf names what an attempt that ended so draws on: retries, infrastructure, or nothing. Out of memory
// draws on a budget of its own before.
func BudgetOf(c Category) string {
	switch budgetOf(c) {
	case appBudget:
		return "retries"
	case infrastructureBudget:
		return "infrastructure"
	}
	return ""
}

// Disrupted reports whether a pod that had done nothing wrong was taken away; before it started that costs
// nothing.
func Disrupted(c Category) bool { return disrupted(c) }
