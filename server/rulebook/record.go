package rulebook

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/rule"
)

// Set is a stored rule set, to be compiled.
func Set(s *store.RuleSet) (rule.Set, error) {
	set := rule.Set{Pool: s.Pool, Rules: make([]rule.Rule, len(s.Rules))}
	for i, r := range s.Rules {
		params, err := jsondoc.Object(r.Params)
		if err != nil {
			return set, err
		}
		set.Rules[i] = rule.Rule{
			Name: r.Name, Description: r.Description, Expression: r.Expression, Message: r.Message,
			MessageExpression: r.MessageExpression, Action: rule.Action(r.Action), Params: params, From: r.From,
		}
	}
	return set, nil
}

// record is a rule as it is stored.
func record(r rule.Rule) (store.Rule, error) {
	stored := store.Rule{
		Name: r.Name, Description: r.Description, Expression: r.Expression, Message: r.Message,
		MessageExpression: r.MessageExpression, Action: string(r.Action), From: r.From,
	}
	if len(r.Params) == 0 {
		return stored, nil
	}
	params, err := templating.EncodeJSON(r.Params)
	stored.Params = params
	return stored, err
}

// Read is the rule that a body describes, with what the library gives, checked. Findings have pointers into
// the body.
func Read(name string, spec api.RuleSpec) (rule.Rule, error) {
	params, err := jsondoc.Object(json.RawMessage(spec.Params))
	if err != nil {
		return rule.Rule{}, refuse(err)
	}
	r := rule.Rule{
		Name:              name,
		Description:       wire.Or(spec.Description, ""),
		Expression:        wire.Or(spec.Expression, ""),
		Message:           wire.Or(spec.Message, ""),
		MessageExpression: wire.Or(spec.MessageExpression, ""),
		Action:            rule.Action(wire.Or(spec.Action, api.RuleDeny)),
		Params:            params,
		From:              wire.Or(spec.From, ""),
	}
	if r, err = rule.Expand(r); err != nil {
		return r, refuse(err)
	}
	return r, refuse(rule.Check(r))
}

// refuse refuses a rule that does not compile; nil stays nil.
func refuse(err error) error {
	if err == nil {
		return nil
	}
	var problems templating.Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		return err
	}
	return &problem.Error{
		Code:     problem.RuleInvalid,
		Detail:   withCaret(problems[0]),
		Findings: finding.FromProblems(problems),
	}
}

// withCaret is a problem, with its line of the expression and a caret.
func withCaret(p templating.Problem) string {
	caret := rule.Caret(p)
	if caret == "" {
		return p.Message
	}
	return fmt.Sprintf("the rule does not compile, at line %d, column %d:\n%s", p.Line, p.Column, caret)
}

// Wire is a stored rule of a pool, or of the installation for "", as the API shows it.
func Wire(pool string, r store.Rule) api.Rule {
	return api.Rule{
		Name:              r.Name,
		Pool:              wire.OrNil(pool),
		Description:       wire.OrNil(r.Description),
		Expression:        r.Expression,
		Message:           wire.OrNil(r.Message),
		MessageExpression: wire.OrNil(r.MessageExpression),
		Action:            api.RuleAction(r.Action),
		Params:            api.JSONObject(r.Params),
		From:              wire.OrNil(r.From),
	}
}

// Document is a stored rule in the form of templating.DecodeJSON, without its name.
func Document(r store.Rule) (map[string]any, error) {
	encoded, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("describe rule %q: %w", r.Name, err)
	}
	document, err := jsondoc.Object(encoded)
	delete(document, "name")
	return document, err
}

// Stored is a checked rule as it would be stored.
func Stored(r rule.Rule) (store.Rule, error) { return record(r) }
