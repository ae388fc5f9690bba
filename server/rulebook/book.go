package rulebook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/rule"
)

// maxSets bounds how many compiled sets are kept.
const maxSets = 500

// Reader reads rule sets: a store, or a transaction that may have changed rules.
type Reader interface {
	ListCurrentRuleSets(ctx context.Context, pool string) ([]uuid.UUID, error)
	GetRuleSetByID(ctx context.Context, id uuid.UUID) (*store.RuleSet, error)
}

// Book finds the rules that count. It is safe for concurrent use.
type Book struct {
	sets    *rule.Cache
	denials *prometheus.CounterVec
}

// New makes a Book. A nil registerer is for tests.
func New(registerer prometheus.Registerer) (*Book, error) {
	b := &Book{
		sets: rule.NewCache(maxSets),
		denials: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_rule_denials_total",
			Help: "Runs that a rule refused when they were created, by the pool of the run and the name of the rule.",
		}, []string{"pool", "rule"}),
	}
	if registerer == nil {
		return b, nil
	}
	if err := registerer.Register(b.denials); err != nil {
		return nil, fmt.Errorf("register the metrics of rules: %w", err)
	}
	return b, nil
}

// Rules are the rules that count in a pool, compiled.
type Rules struct {
	Pool string
	sets []*rule.Compiled
	book *Book
}

// Rules reads the rules that count in a pool now.
func (b *Book) Rules(ctx context.Context, reader Reader, pool string) (Rules, error) {
	rules := Rules{Pool: pool, book: b}
	ids, err := reader.ListCurrentRuleSets(ctx, pool)
	if err != nil {
		return rules, err
	}
	for _, id := range ids {
		compiled, err := b.sets.Get(ctx, id, func(ctx context.Context, id uuid.UUID) (rule.Set, error) {
			set, err := reader.GetRuleSetByID(ctx, id)
			if err != nil {
				return rule.Set{}, err
			}
			return Set(set)
		})
		var problems templating.Problems
		if errors.As(err, &problems) {
			// Another release saved them. Without its rules, nothing may run.
			return rules, problem.Newf(problem.RuleInvalid,
				"the rules of work pool %q cannot be used by this release: %s", pool, finding.Summary(problems))
		}
		if err != nil {
			return rules, err
		}
		rules.sets = append(rules.sets, compiled)
		for _, r := range compiled.Rules() { // a first refusal is an increase
			b.denials.WithLabelValues(pool, r.Name)
		}
	}
	return rules, nil
}

// With returns the rules with one set more, or in place of that of the same pool.
func (r Rules) With(set *rule.Compiled) Rules {
	sets := []*rule.Compiled{}
	for _, known := range r.sets {
		if known.Pool() != set.Pool() {
			sets = append(sets, known)
		}
	}
	r.sets = append(sets, set)
	return r
}

// None is true where no rule counts, so that there is no need to make a Job.
func (r Rules) None() bool { return len(r.sets) == 0 }

// About is what rules are told beside the Job.
type About struct {
	Subject preview.Subject
	Version string // of the deployment
	Retries int
	Timeout *time.Duration // of the deployment; a worker makes it the deadline of the Job
	Caller  rule.Caller
}

// Evaluate evaluates the rules on a finished Job, or on what is known beside it where it cannot be made (nil).
// What depends on the worker is undecided.
func (r Rules) Evaluate(ctx context.Context, finished *manifest.Finished, a About) (rule.Outcome, error) {
	if r.None() {
		return rule.Outcome{}, nil
	}
	in, err := a.Input(finished)
	if err != nil {
		return rule.Outcome{}, err
	}
	return rule.Evaluate(ctx, r.sets, in)
}

// limitDeadline gives a Job the deadline that a worker gives the Job of a run: the timeouts of the deployment
// and of the template count, and the lowest wins.
func limitDeadline(job map[string]any, timeouts ...*time.Duration) {
	spec, ok := job["spec"].(map[string]any)
	if !ok {
		return
	}
	for _, timeout := range timeouts {
		if timeout == nil {
			continue
		}
		seconds := max(1, int64(*timeout/time.Second))
		if own, ok := spec["activeDeadlineSeconds"].(int64); !ok || seconds < own {
			spec["activeDeadlineSeconds"] = seconds
		}
	}
}

// AboutDeployment is a sample run of a deployment.
func AboutDeployment(s preview.Subject, d *store.Deployment, caller rule.Caller) About {
	return About{Subject: s, Version: d.Version, Retries: d.Retries.Max, Timeout: d.Timeout, Caller: caller}
}

// Sampled are the findings of an outcome on a sample Job. With invented values, a denial is a warning: the runs
// give other values.
func Sampled(o rule.Outcome, samples map[string]any) (denials, warnings []api.Finding) {
	denials, warnings = Findings(o.Denials), Findings(o.Warnings)
	if len(samples) == 0 {
		return denials, warnings
	}
	for i := range denials {
		denials[i].Message += Invented(samples)
	}
	return nil, append(denials, warnings...)
}

// Invented says which values of a Job are invented.
func Invented(samples map[string]any) string {
	return fmt.Sprintf(" (with invented values of %s, which runs give)",
		strings.Join(slices.Sorted(maps.Keys(samples)), ", "))
}

// Input is the input of rules for a Job that the server has finished; nil is one that it cannot make.
func (a About) Input(finished *manifest.Finished) (rule.Input, error) {
	if finished == nil {
		in := a.InputOf(nil)
		in.Unknown = rule.UnknownJob()
		return in, nil
	}
	job, err := preview.Document(finished)
	if err != nil {
		return rule.Input{}, err
	}
	limitDeadline(job, a.Timeout, finished.Timeout)
	in := a.InputOf(job)
	in.Unknown, in.WorkerAddsEnv = rule.UnknownOf(finished), true
	return in, nil
}

// InputOf is the input of rules for a Job as it was, or will be, created.
func (a About) InputOf(job map[string]any) rule.Input {
	id, run := a.Subject.Identity, a.Subject.Input.Context.Run
	return rule.Input{
		Job: job,
		Run: rule.Run{
			ID: id.RunID.String(), Name: id.RunName, Attempt: id.Attempt,
			ScheduledTime: run.ScheduledTime, Tags: run.Tags, Parameters: id.Parameters,
		},
		Deployment: rule.Deployment{Name: id.Deployment, Version: a.Version, Retries: a.Retries},
		Caller:     a.Caller,
		Pool:       id.Pool,
		Queue:      id.Queue,
	}
}

// Refuse returns a refusal with a finding for each denial, and counts them; nil where there is none.
func (r Rules) Refuse(o rule.Outcome) error {
	if !o.Denied() {
		return nil
	}
	for _, d := range o.Denials {
		r.book.denials.WithLabelValues(r.Pool, d.Rule).Inc()
	}
	return Refusal(o)
}

// Refusal is a refusal with a finding for each denial.
func Refusal(o rule.Outcome) *problem.Error {
	return &problem.Error{
		Code:     problem.RuleDenied,
		Detail:   summary(o.Denials),
		Findings: Findings(o.Denials),
	}
}

func summary(denials []rule.Finding) string {
	text := denials[0].String()
	if more := len(denials) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// Findings are the rules that a Job does not comply with, as findings of the API.
func Findings(list []rule.Finding) []api.Finding {
	findings := make([]api.Finding, len(list))
	for i, f := range list {
		code := string(problem.RuleDenied)
		switch {
		case f.Undecided:
			code = "rule-undecided"
		case f.Action == rule.Warn:
			code = "rule-warned"
		}
		findings[i] = api.Finding{Code: &code, Message: f.String()}
	}
	return findings
}

// Kept are findings as a run keeps them.
func Kept(list []rule.Finding) []store.RuleFinding {
	stored := make([]store.RuleFinding, len(list))
	for i, f := range list {
		stored[i] = store.RuleFinding{Rule: f.Rule, Pool: f.Pool, Action: string(f.Action), Message: f.Message}
	}
	return stored
}

// CallerOf is the sender of a request about a pool, as rules see it.
func CallerOf(p access.Principal, pool string) rule.Caller {
	if pool == "" {
		pool = access.AllPools
	}
	return rule.Caller{Name: p.Name, Kind: string(p.Kind), Role: string(p.RoleIn(pool))}
}

// ScheduleCaller is a schedule that creates runs.
func ScheduleCaller(name string) rule.Caller { return rule.Caller{Name: name, Kind: "schedule"} }
