package lifecycle

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// RetryPolicy of a deployment, one budget per cause.
type RetryPolicy struct {
	// Max is the budget for the workload's own failures.
	Max int `json:"max"`
	// Delay before each such retry where there is no Backoff.
	Delay   time.Duration `json:"delay"`
	Backoff *Backoff      `json:"backoff,omitempty"`
	// RetryOn narrows what draws on Max; the zero value is every exit code, and what is left of OOM.
	On                RetryOn `json:"on,omitzero"`
	InfrastructureMax int     `json:"infrastructure_max"`
	// InfrastructureSet: the deployment itself has set InfrastructureMax, be it to none.
	InfrastructureSet bool `json:"infrastructure_set,omitempty"`
	// OOM is the budget for attempts with too little memory; nil: there is none.
	OOM *OOMPolicy `json:"oom,omitempty"`
}

// RetryOn lists what draws on the budget for the workload's own failures.
type RetryOn struct {
	ExitCodes  []int32    `json:"exit_codes,omitempty"`
	Categories []Category `json:"categories,omitempty"` // of app, deadline and oom
}

// Backoff is how long to wait before the workload is tried again.
type Backoff struct {
	Initial time.Duration `json:"initial"`
	Factor  float64       `json:"factor"` // of one wait to the next; 0 counts as 2
	Max     time.Duration `json:"max"`    // 0: MaxBackoff
	// Jitter is the part of the wait, from 0 to 1, by which it is made longer or shorter at random.
	Jitter float64 `json:"jitter"`
}

// MaxBackoff bounds every wait before a retry.
const MaxBackoff = 24 * time.Hour

// OOMPolicy raises a job variable for the next attempt.
type OOMPolicy struct {
	Max      int     `json:"max"`
	Variable string  `json:"variable"`
	Factor   float64 `json:"factor"` // 0 counts as 2
	// MaxValue is the most it is raised to: a quantity in a string or a number; nil: what the schema allows.
	MaxValue json.RawMessage `json:"max_value,omitempty"`
}

// DefaultFactor is by what waits and memory grow where a policy does not say.
const DefaultFactor = 2

// WithTemplateDefault is the policy for a run whose template has a budget for the infrastructure of its own
// (nil: it has none), which counts where the deployment has set none.
func (p RetryPolicy) WithTemplateDefault(template *int) RetryPolicy {
	if template != nil && !p.InfrastructureSet && p.InfrastructureMax == 0 {
		p.InfrastructureMax, p.InfrastructureSet = *template, true
	}
	return p
}

// DefaultDisruptionRetries is how often an attempt that was evicted or preempted, or whose node was lost, is
// followed by another where neither deployment nor template says: the workload has done nothing wrong, and to
// run it again is what nearly everybody wants. What an image or a quota keeps from running is not tried again
// unasked: it would fail the same way.
const DefaultDisruptionRetries = 3

// InfrastructureMaxFor is the budget for what the infrastructure did, which may depend on what that was.
func (p RetryPolicy) InfrastructureMaxFor(c Category) int {
	if !p.InfrastructureSet && p.InfrastructureMax == 0 && disrupted(c) {
		return DefaultDisruptionRetries
	}
	return p.InfrastructureMax
}

// OOMMax is the budget for attempts with too little memory.
func (p RetryPolicy) OOMMax() int {
	if p.OOM == nil {
		return 0
	}
	return p.OOM.Max
}

// retries reports whether an outcome of the workload draws on its budget at all.
func (p RetryPolicy) retries(o Outcome) bool {
	if slices.Contains(p.On.Categories, o.Category) {
		return true
	}
	if o.Category == Deadline {
		return false
	}
	if len(p.On.ExitCodes) == 0 && len(p.On.Categories) == 0 {
		return true
	}
	return o.ExitCode != nil && slices.Contains(p.On.ExitCodes, *o.ExitCode)
}

// wait is how long to wait before the nth retry; random is from 0 to 1.
func (p RetryPolicy) wait(nth int, random float64) time.Duration {
	b := p.Backoff
	if b == nil {
		return p.Delay
	}
	factor, most := b.Factor, b.Max
	if factor == 0 {
		factor = DefaultFactor
	}
	if most <= 0 || most > MaxBackoff {
		most = MaxBackoff
	}
	wait := min(float64(b.Initial)*math.Pow(factor, float64(nth-1)), float64(most)) // Inf is bounded too
	wait *= 1 + b.Jitter*(2*random-1)
	return time.Duration(min(max(wait, 0), float64(most)))
}

// RetriesUsed is what a run has drawn on its budgets so far.
type RetriesUsed struct {
	App            int `json:"app"`
	Infrastructure int `json:"infrastructure"`
	OOM            int `json:"oom"`
}
