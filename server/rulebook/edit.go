package rulebook

import (
	"context"
	"slices"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating/rule"
)

// Updater changes rule sets: a store, or a transaction.
type Updater interface {
	UpdateRules(
		ctx context.Context, pool string, change func([]store.Rule) ([]store.Rule, error), actor string,
	) (*store.RuleSet, error)
}

// Put stores a checked rule of a pool, or of the installation for "".
func Put(ctx context.Context, u Updater, pool string, r rule.Rule, actor string) (store.Rule, error) {
	stored, err := record(r)
	if err != nil {
		return stored, err
	}
	_, err = u.UpdateRules(ctx, pool, func(rules []store.Rule) ([]store.Rule, error) {
		i := slices.IndexFunc(rules, func(known store.Rule) bool { return known.Name == r.Name })
		switch {
		case i >= 0:
			rules[i] = stored
		case len(rules) >= rule.MaxRules:
			return nil, problem.Newf(problem.RuleInvalid,
				"there are %d rules already; at most %d are allowed: delete one first", len(rules), rule.MaxRules).
				At("", "at most %d rules are allowed", rule.MaxRules)
		default:
			rules = append(rules, stored)
		}
		return rules, nil
	}, actor)
	return stored, err
}

// Delete deletes a rule of a pool, or of the installation for "".
func Delete(ctx context.Context, u Updater, pool, name, actor string) error {
	_, err := u.UpdateRules(ctx, pool, func(rules []store.Rule) ([]store.Rule, error) {
		i := slices.IndexFunc(rules, func(known store.Rule) bool { return known.Name == name })
		if i < 0 {
			return nil, missing(pool, name)
		}
		return slices.Delete(rules, i, i+1), nil
	}, actor)
	return err
}

func missing(pool, name string) error {
	if pool == "" {
		return problem.Newf(problem.NotFound, "the installation has no rule %q", name)
	}
	return problem.Newf(problem.NotFound,
		"work pool %q has no rule %q; only an admin may delete a rule of the installation", pool, name)
}

// SetReader reads the rules of one pool, or of the installation.
type SetReader interface {
	GetRuleSet(ctx context.Context, pool string) (*store.RuleSet, error)
}

// List lists the rules that count in a pool, those of the installation first; for "" only these.
func List(ctx context.Context, reader SetReader, pool string) ([]api.Rule, error) {
	scopes := []string{""}
	if pool != "" {
		scopes = append(scopes, pool)
	}
	rules := []api.Rule{}
	for _, scope := range scopes {
		set, err := reader.GetRuleSet(ctx, scope)
		if err != nil {
			return nil, err
		}
		for _, r := range set.Rules {
			rules = append(rules, Wire(scope, r))
		}
	}
	return rules, nil
}
