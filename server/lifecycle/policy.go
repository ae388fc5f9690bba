package lifecycle

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// RetryPolicy of a deployment: one budget per kind of failure.
type RetryPolicy struct {
	// Max is the number of retries after failures of the workload.
	Max int `json:"max"`
	// Delay before each of them, unless Backoff is set.
	Delay   time.Duration `json:"delay"`
	Backoff *Backoff      `json:"backoff,omitempty"`
	// On narrows which failures of the workload are retried. The zero value means every exit code, and OOM
	// once its own budget is exhausted.
	On RetryOn `json:"on,omitzero"`
	// InfrastructureMax is the number of retries after failures of the cluster.
	InfrastructureMax int `json:"infrastructure_max"`
	// InfrastructureSet is true if the deployment itself sets InfrastructureMax, even to 0.
	InfrastructureSet bool `json:"infrastructure_set,omitempty"`
	// OOM is the budget for attempts that ran out of memory; nil: none.
	OOM *OOMPolicy `json:"oom,omitempty"`
}

// RetryOn lists the failures that use RetryPolicy.Max.
type RetryOn struct {
	ExitCodes  []int32    `json:"exit_codes,omitempty"`
	Categories []Category `json:"categories,omitempty"` // app, deadline or oom
}

// Backoff is the growing delay between retries of the workload.
type Backoff struct {
	Initial time.Duration `json:"initial"`
	Factor  float64       `json:"factor"` // 0 means DefaultFactor
	Max     time.Duration `json:"max"`    // 0 means MaxBackoff
	// Jitter is the fraction, from 0 to 1, by which each delay varies at random.
	Jitter float64 `json:"jitter"`
}

// MaxBackoff is the longest delay before a retry.
const MaxBackoff = 24 * time.Hour

// OOMPolicy raises a job variable for the attempt that follows an out-of-memory failure.
type OOMPolicy struct {
	Max      int     `json:"max"`
	Variable string  `json:"variable"`
	Factor   float64 `json:"factor"` // 0 means DefaultFactor
	// MaxValue is the upper bound, as a number or a quantity string; nil: only the schema bounds it.
	MaxValue json.RawMessage `json:"max_value,omitempty"`
}

// DefaultFactor is the factor by which delays and memory grow.
const DefaultFactor = 2

// WithTemplateDefault returns the policy with the template's infrastructure budget, if the template has one
// (not nil) and the deployment does not set its own.
func (p RetryPolicy) WithTemplateDefault(infrastructureMax *int) RetryPolicy {
	if infrastructureMax != nil && !p.InfrastructureSet && p.InfrastructureMax == 0 {
		p.InfrastructureMax, p.InfrastructureSet = *infrastructureMax, true
	}
	return p
}

// DefaultDisruptionRetries is the number of retries after evictions, preemptions and lost nodes if neither
// the deployment nor the template sets one. Other infrastructure failures, such as an image that cannot be
// pulled, have no default retries: they would most likely fail the same way.
const DefaultDisruptionRetries = 3

// InfrastructureMaxFor returns the infrastructure budget for a category.
func (p RetryPolicy) InfrastructureMaxFor(c Category) int {
	if !p.InfrastructureSet && p.InfrastructureMax == 0 && Disrupted(c) {
		return DefaultDisruptionRetries
	}
	return p.InfrastructureMax
}

// OOMMax returns the budget for attempts that ran out of memory.
func (p RetryPolicy) OOMMax() int {
	if p.OOM == nil {
		return 0
	}
	return p.OOM.Max
}

// retries reports whether On selects this failure of the workload.
func (p RetryPolicy) retries(outcome Outcome) bool {
	if slices.Contains(p.On.Categories, outcome.Category) {
		return true
	}
	if outcome.Category == Deadline { // only if listed: the next attempt would take as long
		return false
	}
	if len(p.On.ExitCodes) == 0 && len(p.On.Categories) == 0 {
		return true
	}
	return outcome.ExitCode != nil && slices.Contains(p.On.ExitCodes, *outcome.ExitCode)
}

// delayBefore returns the delay before the nth retry of the workload; random is from 0 to 1.
func (p RetryPolicy) delayBefore(nth int, random float64) time.Duration {
	b := p.Backoff
	if b == nil {
		return p.Delay
	}

	factor, limit := b.Factor, b.Max
	if factor == 0 {
		factor = DefaultFactor
	}
	if limit <= 0 || limit > MaxBackoff {
		limit = MaxBackoff
	}

	// The power may overflow to +Inf; min bounds that too.
	delay := min(float64(b.Initial)*math.Pow(factor, float64(nth-1)), float64(limit))
	delay *= 1 + b.Jitter*(2*random-1)
	return time.Duration(min(max(delay, 0), float64(limit)))
}

// RetriesUsed counts the retries of a run so far, by budget.
type RetriesUsed struct {
	App            int `json:"app,omitempty"`
	Infrastructure int `json:"infrastructure,omitempty"`
	OOM            int `json:"oom,omitempty"`
	// Unstarted counts the attempts that ended, were handed back or were taken over before they started.
	Unstarted int `json:"unstarted,omitempty"`
}
