package lifecycle

import (
	"fmt"
	"time"
)

// Delay before an attempt that follows an infrastructure failure. It doubles with each one, up to the
// maximum.
const (
	infrastructureDelay    = 5 * time.Second
	infrastructureDelayMax = 5 * time.Minute
)

// Budget is the retry budget that a failed attempt uses.
type Budget string

// Budgets. A category without a budget is never retried automatically: the next attempt would fail the same
// way, or a user has deleted or cancelled this one and may want no other.
const (
	NoBudget             Budget = ""
	RetriesBudget        Budget = "retries"        // RetryPolicy.Max
	InfrastructureBudget Budget = "infrastructure" // RetryPolicy.InfrastructureMax
)

// BudgetOf returns the budget of a category. OOM uses RetryPolicy.OOM first, and RetriesBudget once that is
// exhausted or if it is not set.
func BudgetOf(c Category) Budget {
	switch c {
	case App, Deadline, OOM:
		return RetriesBudget
	case Evicted, Preempted, NodeLost, ImagePull, Unschedulable, Quota, Unknown:
		return InfrastructureBudget
	}
	return NoBudget
}

// Disrupted reports whether the cluster removed a pod that did nothing wrong. A disruption before the
// container started uses no budget.
func Disrupted(c Category) bool { return c == Evicted || c == Preempted || c == NodeLost }

// MemoryRaise is how the next attempt gets more memory: the job variable, its value now and its next value,
// both formatted for people.
type MemoryRaise struct{ Variable, From, To string }

// decideRetry returns the decision to retry, or false if the run ends with this outcome.
func decideRetry(current CurrentState, outcome Outcome) (OutcomeDecision, bool) {
	if outcome.Succeeded || outcome.Final {
		return OutcomeDecision{}, false
	}

	policy, used := current.Policy, current.RetriesUsed
	if outcome.Category == OOM && current.MemoryRaise != nil && policy.OOM != nil &&
		used.OOM < policy.OOM.Max {
		return retryWithMoreMemory(current, outcome), true
	}
	switch BudgetOf(outcome.Category) {
	case RetriesBudget:
		return retryWorkload(current, outcome)
	case InfrastructureBudget:
		return retryInfrastructure(current, outcome)
	}
	return OutcomeDecision{}, false
}

// retryWorkload retries a failure of the workload itself.
func retryWorkload(current CurrentState, outcome Outcome) (OutcomeDecision, bool) {
	used := current.RetriesUsed
	used.App++
	if used.App > current.Policy.Max || !current.Policy.retries(outcome) {
		return OutcomeDecision{}, false
	}

	delay := current.Policy.delayBefore(used.App, current.Random)
	detail := fmt.Sprintf("retry %d of %d", used.App, current.Policy.Max)
	return retryDecision(outcome, used, detail, delay), true
}

// retryInfrastructure retries a failure of the cluster.
func retryInfrastructure(current CurrentState, outcome Outcome) (OutcomeDecision, bool) {
	used := current.RetriesUsed
	if Disrupted(outcome.Category) && unstarted(current, outcome) {
		const detail = "not started yet, so no retry is used; next attempt"
		return afterUnstarted(outcome, used, detail), true
	}

	used.Infrastructure++
	limit := current.Policy.InfrastructureMaxFor(outcome.Category)
	if used.Infrastructure > limit {
		return OutcomeDecision{}, false
	}
	detail := fmt.Sprintf("infrastructure retry %d of %d", used.Infrastructure, limit)
	if unstarted(current, outcome) {
		return afterUnstarted(outcome, used, detail), true
	}
	return retryDecision(outcome, used, detail, infrastructureBackoff(used.Infrastructure)), true
}

// retryWithMoreMemory retries an attempt that ran out of memory, with more of it.
func retryWithMoreMemory(current CurrentState, outcome Outcome) OutcomeDecision {
	used := current.RetriesUsed
	used.OOM++
	raise := current.MemoryRaise
	detail := fmt.Sprintf("out-of-memory retry %d of %d with %s raised from %s to %s",
		used.OOM, current.Policy.OOM.Max, raise.Variable, raise.From, raise.To)

	decision := retryDecision(outcome, used, detail, current.Policy.delayBefore(used.OOM, current.Random))
	decision.MemoryRaised = true
	return decision
}

func retryDecision(outcome Outcome, used RetriesUsed, detail string, delay time.Duration) OutcomeDecision {
	message := fmt.Sprintf("%s; %s in %s", outcome.describe(), detail, delay)

	return OutcomeDecision{
		Outcome: outcome, RetriesUsed: used, Retry: true, RetryAfter: delay,
		State: State{Type: Scheduled, Name: "AwaitingRetry", Message: message},
	}
}

// infrastructureBackoff returns the delay before the nth infrastructure retry.
func infrastructureBackoff(nth int) time.Duration {
	delay := infrastructureDelay
	for ; nth > 1 && delay < infrastructureDelayMax; nth-- {
		delay *= 2
	}
	return min(delay, infrastructureDelayMax)
}
