package prepare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/rule"
	"github.com/berth-dev/berth/worker/job"
)

// checkRules evaluates the rules that the claim names on the Job that is about to be created, and returns what
// they warn of. What cannot be evaluated is refused: the server, which let the run in, may have been older or
// seen another Job.
func (p *Preparer) checkRules(
	ctx context.Context, c api.Claim, finished *manifest.Finished,
) ([]api.RuleFinding, error) {
	if !hasRules(c) {
		return nil, nil
	}
	sets, err := p.ruleSets(ctx, c.Rules.Sets)
	if err != nil {
		return nil, err
	}
	job, err := preview.Document(finished)
	if err != nil {
		return nil, &templateError{kind: kindRule, err: err}
	}
	outcome, err := rule.Evaluate(ctx, sets, ruleInput(c, job))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, &templateError{kind: kindRule, err: err}
	}
	for _, w := range outcome.Warnings {
		p.Log.Warn("a rule warns of a Job", "run", c.RunID, "attempt", c.Attempt, "warning", w.String())
	}
	said := ruleFindings(append(outcome.Denials, outcome.Warnings...))
	if !outcome.Denied() {
		return said, nil
	}
	texts := make([]string, len(outcome.Denials))
	for i, d := range outcome.Denials {
		texts[i] = d.String()
	}
	return nil, &templateError{kind: kindRule, err: errors.New(strings.Join(texts, "; ")), findings: said}
}

func hasRules(c api.Claim) bool { return c.Rules != nil && len(c.Rules.Sets) > 0 }

// judgeRestored judges a Job whose manifest an earlier holder of the attempt reported, before it is created: it
// must be the Job that the template makes, as that holder may have been anybody with the key of a worker, and
// the rules of now must let it pass. What the template asks of Berth beside the Job is not in the manifest.
func (p *Preparer) judgeRestored(c api.Claim, restored *batchv1.Job) func(context.Context) error {
	return func(ctx context.Context) error {
		finished, err := p.build(ctx, c)
		if err != nil {
			return p.refuse(err)
		}
		why, err := finished.Deviation(restored)
		if err != nil {
			return err
		}
		if why != "" {
			return &job.Refused{
				Category: api.CategoryInvalid,
				Message: "the Job that an earlier worker reported for this attempt is not the one that its " +
					"template makes: " + why + "; retry the run",
			}
		}
		finished.Job = restored
		if _, err = p.checkRules(ctx, c, finished); err != nil {
			return p.refuse(err)
		}
		return nil
	}
}

// ruleFindings are the findings of rules, as the server keeps them.
func ruleFindings(list []rule.Finding) []api.RuleFinding {
	findings := make([]api.RuleFinding, len(list))
	for i, f := range list {
		findings[i] = api.RuleFinding{Rule: f.Rule, Action: api.RuleAction(f.Action), Message: f.Message}
		if f.Pool != "" {
			findings[i].Pool = &list[i].Pool
		}
	}
	return findings
}

func (p *Preparer) ruleSets(ctx context.Context, ids []uuid.UUID) ([]*rule.Compiled, error) {
	sets := make([]*rule.Compiled, len(ids))
	for i, id := range ids {
		var err error
		sets[i], err = p.Rules.Get(ctx, id, func(ctx context.Context, id uuid.UUID) (rule.Set, error) {
			stored, err := p.FetchRuleSet(ctx, id)
			if err != nil {
				return rule.Set{}, err
			}
			return ruleSetOf(stored)
		})
		var problems templating.Problems
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.As(err, &problems):
			return nil, &templateError{kind: kindRule, err: fmt.Errorf(
				"the rules cannot be used by this worker, perhaps because it is older than the server: %w", err)}
		case err != nil:
			return nil, &templateError{kind: kindRule, err: fmt.Errorf("cannot fetch the rules: %w", err)}
		}
	}
	return sets, nil
}

func ruleSetOf(stored api.RuleSet) (rule.Set, error) {
	set := rule.Set{}
	if stored.Pool != nil {
		set.Pool = *stored.Pool
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	for _, r := range stored.Rules {
		params, err := decodeObject("params of rule "+r.Name, json.RawMessage(r.Params))
		if err != nil {
			return set, err
		}
		set.Rules = append(set.Rules, rule.Rule{
			Name: r.Name, Description: text(r.Description), Expression: r.Expression, Message: text(r.Message),
			MessageExpression: text(r.MessageExpression), Action: rule.Action(r.Action), Params: params,
			From: text(r.From),
		})
	}
	return set, nil
}

func ruleInput(c api.Claim, job map[string]any) rule.Input {
	return rule.Input{
		Job: job,
		Run: rule.Run{
			ID: c.RunID.String(), Name: c.RunName, Attempt: int(c.Attempt), ScheduledTime: c.ScheduledTime.UTC(),
			Tags: c.Tags, Parameters: c.Parameters,
		},
		Deployment: rule.Deployment{
			Name: c.Deployment, Version: c.DeploymentVersion, Retries: int(c.Rules.Retries),
		},
		Caller: rule.Caller{Name: c.Rules.Caller.Name, Kind: c.Rules.Caller.Kind, Role: c.Rules.Caller.Role},
		Pool:   c.Pool,
		Queue:  c.Queue,
	}
}
