package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
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

// collectRules keeps rules that cannot be used as a finding about the deployment.
func (p *planner) collectRules(findings *finding.List, err error) error {
	var refused *problem.Error
	if errors.As(err, &refused) {
		findings.Addf(refused.Code, "/pool", "%s", refused.Detail)
		return nil
	}
	return err
}
