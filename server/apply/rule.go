package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/rule"
)

// applyRules creates and changes the rules that the file declares for a pool, or for the installation where
// pool is "". Rules that the file does not declare stay.
func (p *planner) applyRules(ctx context.Context, pool, at string, entries []api.RuleEntry) error {
	if len(entries) == 0 {
		return nil
	}
	p.refuseDuplicates(at, len(entries), func(i int) string { return entries[i].Name })
	set, err := p.tx.GetRuleSet(ctx, pool)
	if err != nil {
		return err
	}
	before := p.place
	defer func() { p.place = before }()
	for i, entry := range entries {
		p.place = fmt.Sprintf("%s/%d", at, i)
		if err := p.collect(p.applyRule(ctx, pool, set.Rules, entry)); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) applyRule(ctx context.Context, pool string, current []store.Rule, entry api.RuleEntry) error {
	read, err := rulebook.Read(entry.Name, api.RuleSpec{
		Description: entry.Description, Expression: entry.Expression, Message: entry.Message,
		MessageExpression: entry.MessageExpression, Action: entry.Action, Params: entry.Params, From: entry.From,
	})
	if err != nil {
		return err
	}
	after, err := ruleDocument(rule.Set{Rules: []rule.Rule{read}})
	if err != nil {
		return err
	}
	c := change{kind: api.ChangeKindRule, name: ruleName(pool, entry.Name), pool: pool, after: after}
	i := slices.IndexFunc(current, func(r store.Rule) bool { return r.Name == entry.Name })
	if i < 0 {
		c.action = api.Create
	} else {
		known, err := rulebook.Set(&store.RuleSet{Rules: current[i : i+1]})
		if err != nil {
			return err
		}
		if c.before, err = ruleDocument(known); err != nil {
			return err
		}
		c.fields = changedFields(c.before, c.after)
	}
	if i < 0 || len(c.fields) > 0 {
		if _, err := rulebook.Put(ctx, p.tx, pool, read, p.By.Name); err != nil {
			return err
		}
	}
	return p.record(ctx, c)
}

// ruleDocument is the first rule of a set in the form of templating.DecodeJSON.
func ruleDocument(set rule.Set) (map[string]any, error) {
	r := set.Rules[0]
	document := map[string]any{"action": string(r.Action), "expression": r.Expression}
	for name, text := range map[string]string{
		"description": r.Description, "message": r.Message, "message_expression": r.MessageExpression, "from": r.From,
	} {
		if text != "" {
			document[name] = text
		}
	}
	if len(r.Params) > 0 {
		params, err := templating.Normalize(r.Params)
		if err != nil {
			return nil, err
		}
		document["params"] = params
	}
	return document, nil
}

func changedFields(before, after map[string]any) []string {
	var fields []string
	for _, c := range templating.Diff(before, after) {
		field, _, _ := strings.Cut(strings.TrimPrefix(c.Pointer, "/"), "/")
		if !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
	}
	return fields
}

func ruleName(pool, name string) string {
	if pool == "" {
		return name
	}
	return pool + "/" + name
}

// pruneRules deletes the rules of a pool that the file does not declare.
func (p *planner) pruneRules(ctx context.Context, spec api.PoolSpec) error {
	set, err := p.tx.GetRuleSet(ctx, spec.Name)
	if err != nil {
		return err
	}
	for _, r := range set.Rules {
		declared := slices.ContainsFunc(wire.Or(spec.Rules, nil),
			func(e api.RuleEntry) bool { return e.Name == r.Name })
		if declared || !p.By.MayDo("DeletePoolRule", spec.Name) {
			continue
		}
		if err := rulebook.Delete(ctx, p.tx, spec.Name, r.Name, p.By.Name); err != nil {
			return err
		}
		c := change{
			kind: api.ChangeKindRule, name: ruleName(spec.Name, r.Name), pool: spec.Name, action: api.Delete,
		}
		if c.before, err = rulebook.Document(r); err != nil {
			return err
		}
		if err := p.record(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// rulesOf reads the rules that count in a pool once this file is applied.
func (p *planner) rulesOf(ctx context.Context, pool string) (rulebook.Rules, error) {
	if known, ok := p.rules[pool]; ok {
		return known, nil
	}
	rules, err := p.book.Rules(ctx, p.tx, pool)
	if err == nil {
		p.rules[pool] = rules
	}
	return rules, err
}

// checkJob finds what would refuse the Job of a run of a deployment that sets no values: rules, and references
// that its job variables bring in and the pool does not allow. Where values had to be invented, that is a
// warning: the runs give others.
func (p *planner) checkJob(
	ctx context.Context, findings *finding.List, d newrun.Deployment, compiled *templating.Compiled,
) error {
	rules, err := p.rulesOf(ctx, d.Pool)
	if err != nil {
		return p.collectRules(findings, err)
	}
	subject, err := p.sampleRun(ctx, d, compiled)
	if err != nil {
		return err
	}
	finished, samples, err := preview.Job(ctx, compiled, subject)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if refused := newrun.Refused(err); len(refused) > 0 {
		p.refuseReferences(findings, refused, samples)
		return nil
	}
	if err != nil {
		finished = nil // what is wrong with the values was found before, or depends on a worker
	}
	outcome, err := rules.Evaluate(ctx, finished, rulebook.AboutDeployment(subject, d.Deployment,
		rulebook.CallerOf(p.By, d.Pool)))
	if err != nil {
		return err
	}
	denials, warnings := rulebook.Sampled(outcome, samples)
	findings.Add(problem.RuleDenied, "", denials)
	p.warnings = append(p.warnings, finding.Under(warnings, p.place)...)
	return nil
}

// sampleRun is a run of a deployment that sets no values.
func (p *planner) sampleRun(
	ctx context.Context, d newrun.Deployment, compiled *templating.Compiled,
) (preview.Subject, error) {
	layers, err := d.Layers(nil)
	if err != nil {
		return preview.Subject{}, err
	}
	stored, err := newrun.NewStoredVariables(p.tx).Read(ctx,
		templating.StoredReferences(layers.Deployment, layers.Run, layers.DeploymentFrozen), compiled.StoredReferences())
	if err != nil {
		return preview.Subject{}, err
	}
	references, err := p.referencesOf(ctx, d.Pool)
	if err != nil {
		return preview.Subject{}, err
	}
	return d.Subject(newrun.SubjectOf{
		Installation: p.installation, Protected: p.templates.Protected(), References: references, Now: p.now,
		Layers: layers, Stored: stored, Parameters: jsondoc.OrEmpty(d.Parameters),
	}), nil
}

// referencesOf is what the Jobs of a pool may refer to once this file is applied.
func (p *planner) referencesOf(ctx context.Context, pool string) (*newrun.References, error) {
	if known, ok := p.references[pool]; ok {
		return known, nil
	}
	references, err := newrun.ReadReferences(ctx, p.tx, pool)
	if err == nil {
		p.references[pool] = references
	}
	return references, err
}

func (p *planner) refuseReferences(
	findings *finding.List, refused templating.Problems, samples map[string]any,
) {
	if len(samples) == 0 {
		findings.AddProblems(problem.VariablesInvalid, "/job_variables", refused)
		return
	}
	for i := range refused {
		refused[i].Message += rulebook.Invented(samples)
	}
	p.warn("/job_variables", refused)
}

// collectRules keeps rules that cannot be used as a finding about the deployment.
func (p *planner) collectRules(findings *finding.List, err error) error {
	var refused *problem.Error
	if errors.As(err, &refused) {
		findings.Addf(refused.Code, "/pool", "%s", refused.Detail)
		return nil
	}
	return err
}
