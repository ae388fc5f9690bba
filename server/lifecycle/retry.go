package lifecycle

import (
	"fmt"
	"time"
)

// DefaultInfrastructureMax is how often a run is tried again for what the infrastructure did to it, where its deployment
// does not say.
const DefaultInfrastructureMax = 3

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
	oomBudget
	infrastructureBudget
)

func budgetOf(c Category) budget {
	switch c {
	case App:
		return appBudget
	case OOM:
		return oomBudget
	case Evicted, Preempted, NodeLost, ImagePull, Unschedulable, Quota, Unknown:
		return infrastructureBudget
	}
	return noBudget
}

// retry decides whether there is another attempt, and what it costs.
func retry(s Standing, o Outcome) (End, bool) {
	if o.Succeeded {
		return End{}, false
	}
	end := End{Outcome: o, Spent: s.Spent, Retry: true}
	var nth, max int
	switch budgetOf(o.Category) {
	case appBudget:
		end.Spent.App++
		nth, max = end.Spent.App, s.Policy.Max
		end.RetryAfter = s.Policy.Delay
	case oomBudget: // a budget of its own comes with raising the memory; until then it draws on the workload's
		end.Spent.OOM++
		end.Spent.App++
		nth, max = end.Spent.App, s.Policy.Max
		end.RetryAfter = s.Policy.Delay
	case infrastructureBudget:
		if disrupted(o.Category) && !s.Started {
			end.RetryAfter = infrastructureDelay
			end.State = awaitingRetry(o, "it had not started, so this costs nothing", end.RetryAfter)
			return end, true
		}
		end.Spent.Infrastructure++
		nth, max = end.Spent.Infrastructure, s.Policy.InfrastructureMax
		end.RetryAfter = backoff(nth)
	default:
		return End{}, false
	}
	if nth > max {
		return End{}, false
	}
	end.State = awaitingRetry(o, fmt.Sprintf("retry %d of %d", nth, max), end.RetryAfter)
	return end, true
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
