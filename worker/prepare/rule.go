package prepare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/rule"
)

// checkRules evaluates the rules that the claim names on the Job that is about to be created. What cannot be
// evaluated is refused: the server, which let the run in, may have been older or seen another Job.
func (p *Preparer) checkRules(ctx context.Context, c api.Claim, finished *manifest.Finished) error {
	if c.Rules == nil || len(c.Rules.Sets) == 0 {
		return nil
	}
	sets, err := p.ruleSets(ctx, c.Rules.Sets)
	if err != nil {
		return err
	}
	job, err := preview.Document(finished)
	if err != nil {
		return &templateError{kind: kindRule, err: err}
	}
	outcome, err := rule.Evaluate(ctx, sets, ruleInput(c, job))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return &templateError{kind: kindRule, err: err}
	}
	for _, w := range outcome.Warnings {
		p.Log.Warn("a rule warns of a Job", "run", c.RunID, "attempt", c.Attempt, "warning", w.String())
	}
	if !outcome.Denied() {
		return nil
	}
	texts := make([]string, len(outcome.Denials))
	for i, d := range outcome.Denials {
		texts[i] = d.String()
	}
	return &templateError{kind: kindRule, err: errors.New(strings.Join(texts, "; "))}
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
