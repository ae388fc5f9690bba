package rule

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"cel.dev/cel-go/cel"

	"github.com/berth-dev/berth/templating"
)

// Input is what rules are evaluated on.
type Input struct {
	// Job is the finished Job as a tree in the form of templating.DecodeJSON, as preview.Document makes it.
	Job        map[string]any
	Run        Run
	Deployment Deployment
	Caller     Caller
	Pool       string
	Queue      string
}

// Run is the run of the Job.
type Run struct {
	ID            string
	Name          string
	Attempt       int
	ScheduledTime time.Time
	Tags          []string
	// Parameters are JSON; empty means {}.
	Parameters []byte
}

// Deployment is the deployment of the run. Retries is how often a run of it may be tried again after a failure
// of the workload.
type Deployment struct {
	Name    string
	Version string
	Retries int
}

// Caller is who created the run.
type Caller struct {
	Name string `json:"name"`
	// Kind is user, api-key, ci, job-key, schedule or anonymous.
	Kind string `json:"kind"`
	// Role is the caller's role in the pool of the run.
	Role string `json:"role"`
}

// Finding is a rule that a Job does not comply with.
type Finding struct {
	Rule string
	// Pool is the pool of the rule; empty for a rule of the installation.
	Pool    string
	Action  Action
	Message string
	// Failed is true where the rule could not be evaluated.
	Failed bool
}

// String says which rule a Job does not comply with, and why.
func (f Finding) String() string {
	scope := "of the installation"
	if f.Pool != "" {
		scope = fmt.Sprintf("of work pool %q", f.Pool)
	}
	if f.Action == Warn {
		return fmt.Sprintf("rule %q %s warns: %s", f.Rule, scope, f.Message)
	}
	return fmt.Sprintf("rule %q %s refuses this: %s", f.Rule, scope, f.Message)
}

// Outcome lists the rules that a Job does not comply with.
type Outcome struct {
	Denials  []Finding
	Warnings []Finding
	// Cost is what the evaluation cost, in CEL's units.
	Cost uint64
}

// Denied is true where a rule refuses the Job.
func (o Outcome) Denied() bool { return len(o.Denials) > 0 }

func (o *Outcome) add(f Finding) {
	if f.Action == Warn {
		o.Warnings = append(o.Warnings, f)
		return
	}
	o.Denials = append(o.Denials, f)
}

// Evaluate evaluates the rules of several sets on a Job, in order. A rule that fails, or that would exceed its
// cost or that of all rules together, counts as one that the Job does not comply with. The error is that of
// ctx, or of an input that is not JSON.
func Evaluate(ctx context.Context, sets []*Compiled, in Input) (Outcome, error) {
	var outcome Outcome
	variables, err := in.variables()
	if err != nil {
		return outcome, err
	}
	e := &evaluation{variables: variables}
	for _, set := range sets {
		for i := range set.rules {
			r := &set.rules[i]
			finding, satisfied := e.rule(ctx, r)
			outcome.Cost = e.spent
			if err := ctx.Err(); err != nil {
				return outcome, context.Cause(ctx)
			}
			if !satisfied {
				finding.Pool = set.set.Pool
				outcome.add(finding)
			}
		}
	}
	return outcome, nil
}

// evaluation is the evaluation of rules on one Job.
type evaluation struct {
	variables map[string]any
	spent     uint64
}

func (e *evaluation) rule(ctx context.Context, r *compiledRule) (finding Finding, satisfied bool) {
	finding = Finding{Rule: r.Name, Action: r.Action, Failed: true}
	if e.spent > maxTotal {
		finding.Message = "not evaluated: the rules before it used up the cost that all rules may have together"
		return finding, false
	}
	e.variables["params"] = r.Params
	result, err := e.evaluate(ctx, r.expression)
	if err != nil {
		finding.Message = failure(err)
		return finding, false
	}
	if satisfied, ok := result.(bool); ok && satisfied {
		return finding, true
	}
	finding.Failed = false
	finding.Message = e.message(ctx, r)
	return finding, false
}

func (e *evaluation) message(ctx context.Context, r *compiledRule) string {
	if r.message != nil {
		if result, err := e.evaluate(ctx, r.message); err == nil {
			if text, ok := result.(string); ok && text != "" {
				return clean(text)
			}
		}
	}
	if r.Message != "" {
		return clean(r.Message)
	}
	return "the Job does not comply"
}

func (e *evaluation) evaluate(ctx context.Context, program cel.Program) (any, error) {
	result, details, err := program.ContextEval(ctx, e.variables)
	if details != nil {
		if cost := details.ActualCost(); cost != nil {
			e.spent += *cost
		}
	}
	if err != nil {
		return nil, err
	}
	return result.Value(), nil
}

// failure says why a rule could not be evaluated, and what its author can do.
func failure(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "cost limit exceeded"):
		return fmt.Sprintf("could not be evaluated: it costs more than %d units on this Job", MaxCost)
	case strings.HasPrefix(text, "no such key: "):
		return fmt.Sprintf("could not be evaluated: the Job has no field %q; a rule asks for it with has() or .?%s",
			clean(strings.TrimPrefix(text, "no such key: ")), clean(strings.TrimPrefix(text, "no such key: ")))
	}
	return "could not be evaluated: " + clean(text)
}

// clean makes one line of bounded length of a text that may contain values of the Job.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	const most = 500
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// variables are the values of the variables of the environment.
func (in Input) variables() (map[string]any, error) {
	parameters := any(map[string]any{})
	if len(in.Run.Parameters) > 0 {
		var err error
		if parameters, err = templating.DecodeJSON(in.Run.Parameters); err != nil {
			return nil, fmt.Errorf("read the parameters of the run: %w", err)
		}
	}
	pod := child(child(child(in.Job, "spec"), "template"), "spec")
	containers := []any{}
	for _, list := range []string{"initContainers", "containers"} {
		if items, ok := pod[list].([]any); ok {
			containers = append(containers, items...)
		}
	}
	volumes, _ := pod["volumes"].([]any)
	if volumes == nil {
		volumes = []any{}
	}
	tags := in.Run.Tags
	if tags == nil {
		tags = []string{}
	}
	return map[string]any{
		"job": in.Job, "pod": pod, "containers": containers, "volumes": volumes,
		"run": map[string]any{
			"id": in.Run.ID, "name": in.Run.Name, "attempt": in.Run.Attempt,
			"scheduled_time": in.Run.ScheduledTime, "tags": tags, "parameters": parameters,
		},
		"deployment": map[string]any{
			"name": in.Deployment.Name, "version": in.Deployment.Version, "retries": in.Deployment.Retries,
		},
		"caller": map[string]any{"name": in.Caller.Name, "kind": in.Caller.Kind, "role": in.Caller.Role},
		"pool":   map[string]any{"name": in.Pool},
		"queue":  map[string]any{"name": in.Queue},
	}, nil
}

func child(object map[string]any, key string) map[string]any {
	c, _ := object[key].(map[string]any)
	if c == nil {
		return map[string]any{}
	}
	return c
}
