package rule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

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
	// Unknown is what of the Job only a worker gives; nil for a Job that is about to be created.
	Unknown []Unknown
	// WorkerAddsEnv is true where a worker has yet to say whether the Job gets access to the API, and whether
	// the values of environment variables are kept in a Secret.
	WorkerAddsEnv bool
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
	// Undecided is true where the result depends on what only a worker knows.
	Undecided bool
}

// String says which rule a Job does not comply with, and why.
func (f Finding) String() string {
	scope := "of the installation"
	if f.Pool != "" {
		scope = fmt.Sprintf("of work pool %q", f.Pool)
	}
	switch {
	case f.Undecided:
		return fmt.Sprintf("rule %q %s is decided by the worker: %s", f.Rule, scope, f.Message)
	case f.Action == Warn:
		return fmt.Sprintf("rule %q %s warns: %s", f.Rule, scope, f.Message)
	}
	return fmt.Sprintf("rule %q %s refuses this: %s", f.Rule, scope, f.Message)
}

// Outcome lists the rules that a Job does not comply with.
type Outcome struct {
	Denials  []Finding
	Warnings []Finding
	// Undecided are rules whose result depends on what is unknown.
	Undecided []Finding
	// Cost is what the evaluation cost, in CEL's units.
	Cost uint64
}

// Denied is true where a rule refuses the Job.
func (o Outcome) Denied() bool { return len(o.Denials) > 0 }

func (o *Outcome) add(f Finding) {
	if f.Undecided {
		o.Undecided = append(o.Undecided, f)
		return
	}
	if f.Action == Warn {
		o.Warnings = append(o.Warnings, f)
		return
	}
	o.Denials = append(o.Denials, f)
}

// Evaluate evaluates the rules of several sets on a Job, in order. A rule that fails, or that would exceed its
// cost or that of all rules together, counts as one that the Job does not comply with. A rule whose result
// depends on a value that is unknown is undecided, unless the other values decide. The error is that of ctx, or
// of an input that is not JSON.
func Evaluate(ctx context.Context, sets []*Compiled, in Input) (Outcome, error) {
	var outcome Outcome
	variables, err := in.variables()
	if err != nil {
		return outcome, err
	}
	e := &evaluation{variables: variables, input: in}
	bounded, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	for _, set := range sets {
		for i := range set.rules {
			r := &set.rules[i]
			finding, satisfied := e.rule(bounded, r)
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
	input     Input
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
	finding.Failed = false
	if unknown, ok := result.(*types.Unknown); ok {
		return finding.undecided(dependsOn(unknown, e.input.Unknown)), false
	}
	if satisfied, ok := result.(bool); ok && satisfied {
		return finding, true
	}
	if names := e.reconsider(ctx, r); names != "" {
		return finding.undecided(names), false
	}
	finding.Message = e.message(ctx, r)
	return finding, false
}

func (f Finding) undecided(names string) Finding {
	f.Undecided, f.Message = true, "it depends on the worker: "+names
	return f
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
	if unknown, ok := result.(*types.Unknown); ok {
		return unknown, nil
	}
	return result.Value(), nil
}

// failure says why a rule could not be evaluated, and what its author can do.
func failure(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded) || strings.Contains(text, "operation interrupted"):
		return fmt.Sprintf("could not be evaluated: all rules together took longer than %s on this Job", maxTime)
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
	job, pod, containers, volumes := in.parts()
	tags := in.Run.Tags
	if tags == nil {
		tags = []string{}
	}
	return map[string]any{
		"job": job, "pod": pod, "containers": containers, "volumes": volumes,
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

// parts are the Job and what expressions reach in it by a shorter name, with unknown values in place.
func (in Input) parts() (job, pod, containers, volumes any) {
	job = overlayOf(in.Unknown).over(in.Job)
	if unknown, ok := job.(*types.Unknown); ok {
		return unknown, unknown, unknown, unknown
	}
	pod = knownChild(knownChild(knownChild(job, "spec"), "template"), "spec")
	items := []any{}
	for _, key := range []string{"initContainers", "containers"} {
		list, _ := knownFields(pod)[key].([]any)
		items = append(items, list...)
	}
	volumes, ok := knownFields(pod)["volumes"].([]any)
	if !ok {
		volumes = []any{}
	}
	return job, pod, items, volumes
}

func child(object map[string]any, key string) map[string]any {
	c, _ := object[key].(map[string]any)
	if c == nil {
		return map[string]any{}
	}
	return c
}
