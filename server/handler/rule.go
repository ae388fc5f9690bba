package handler

import (
	"context"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/impact"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating/rule"
)

// caller is the sender of a request about a pool, as rules see it.
func caller(ctx context.Context, pool string) rule.Caller {
	return rulebook.CallerOf(access.From(ctx), pool)
}

// ListPoolRules lists the rules that count in a pool.
func (h *Handler) ListPoolRules(
	ctx context.Context, r apiserver.ListPoolRulesRequestObject,
) (apiserver.ListPoolRulesResponseObject, error) {
	rules, err := rulebook.List(ctx, h.store, r.Pool)
	return apiserver.ListPoolRules200JSONResponse{Items: rules}, err
}

// ListRules lists the rules of the installation.
func (h *Handler) ListRules(
	ctx context.Context, _ apiserver.ListRulesRequestObject,
) (apiserver.ListRulesResponseObject, error) {
	rules, err := rulebook.List(ctx, h.store, "")
	return apiserver.ListRules200JSONResponse{Items: rules}, err
}

// SetPoolRule creates or replaces a rule of a pool.
func (h *Handler) SetPoolRule(
	ctx context.Context, r apiserver.SetPoolRuleRequestObject,
) (apiserver.SetPoolRuleResponseObject, error) {
	if _, err := h.store.GetPool(ctx, r.Pool); err != nil {
		return nil, err
	}
	saved, err := h.setRule(ctx, r.Pool, r.Rule, *r.Body)
	return apiserver.SetPoolRule200JSONResponse(saved), err
}

// SetRule creates or replaces a rule of the installation.
func (h *Handler) SetRule(
	ctx context.Context, r apiserver.SetRuleRequestObject,
) (apiserver.SetRuleResponseObject, error) {
	saved, err := h.setRule(ctx, "", r.Rule, *r.Body)
	return apiserver.SetRule200JSONResponse(saved), err
}

// setRule saves a rule and says what it refuses from now on.
func (h *Handler) setRule(ctx context.Context, pool, name string, spec api.RuleSpec) (api.Rule, error) {
	read, err := rulebook.Read(name, spec)
	if err != nil {
		return api.Rule{}, err
	}
	tried, err := h.impact.TestRule(ctx, impact.RuleTest{Pool: pool, Rule: read, Caller: caller(ctx, pool)})
	if err != nil {
		return api.Rule{}, err
	}
	stored, err := rulebook.Stored(read)
	if err != nil {
		return api.Rule{}, err
	}
	err = h.store.InTx(ctx, func(tx *store.Tx) error {
		if err := h.admitRule(ctx, tx, pool, name, &stored); err != nil {
			return err
		}
		_, err := rulebook.Put(ctx, tx, pool, read, actor(ctx))
		return err
	})
	if err != nil {
		return api.Rule{}, err
	}
	saved := rulebook.Wire(pool, stored)
	saved.Impact = &tried.Summary
	return saved, nil
}

// DeletePoolRule deletes a rule of a pool.
func (h *Handler) DeletePoolRule(
	ctx context.Context, r apiserver.DeletePoolRuleRequestObject,
) (apiserver.DeletePoolRuleResponseObject, error) {
	gone, err := h.deletes(ctx, func(tx *store.Tx) error {
		if err := h.admitRule(ctx, tx, r.Pool, r.Rule, nil); err != nil {
			return err
		}
		return rulebook.Delete(ctx, tx, r.Pool, r.Rule, actor(ctx))
	})
	return apiserver.DeletePoolRule200JSONResponse(gone), err
}

// DeleteRule deletes a rule of the installation.
func (h *Handler) DeleteRule(
	ctx context.Context, r apiserver.DeleteRuleRequestObject,
) (apiserver.DeleteRuleResponseObject, error) {
	gone, err := h.deletes(ctx, func(tx *store.Tx) error {
		return rulebook.Delete(ctx, tx, "", r.Rule, actor(ctx))
	})
	return apiserver.DeleteRule200JSONResponse(gone), err
}

// TestPoolRule shows what a rule of a pool would refuse.
func (h *Handler) TestPoolRule(
	ctx context.Context, r apiserver.TestPoolRuleRequestObject,
) (apiserver.TestPoolRuleResponseObject, error) {
	if _, err := h.store.GetPool(ctx, r.Pool); err != nil {
		return nil, err
	}
	answer, err := h.testRule(ctx, r.Pool, *r.Body)
	if err != nil {
		return nil, err
	}
	return apiserver.TestPoolRule200JSONResponse(*answer), nil
}

// TestRule shows what a rule of the installation would refuse.
func (h *Handler) TestRule(
	ctx context.Context, r apiserver.TestRuleRequestObject,
) (apiserver.TestRuleResponseObject, error) {
	answer, err := h.testRule(ctx, "", *r.Body)
	if err != nil {
		return nil, err
	}
	return apiserver.TestRule200JSONResponse(*answer), nil
}

func (h *Handler) testRule(ctx context.Context, pool string, r api.RuleTestRequest) (*api.RuleTest, error) {
	if r.Deployment != nil && r.Job != nil {
		return nil, problem.Newf(problem.InvalidBody, "set deployment or job, not both").
			At("/job", "contradicts deployment")
	}
	name := wire.Or(r.Name, wire.Or(r.Rule.From, "test"))
	read, err := rulebook.Read(name, r.Rule)
	if err != nil {
		return nil, finding.ErrorUnder(err, "/rule")
	}
	test := impact.RuleTest{
		Pool: pool, Rule: read, Deployment: wire.Or(r.Deployment, ""), Queue: wire.Or(r.Queue, ""),
		Caller: caller(ctx, pool),
	}
	if r.Job != nil {
		if test.Job, err = jsondoc.Object(r.Job); err != nil {
			return nil, err
		}
	}
	return h.impact.TestRule(ctx, test)
}

// GetRuleSetForWorker returns a rule set. It never changes, so that workers may keep it.
func (h *Handler) GetRuleSetForWorker(
	ctx context.Context, r apiserver.GetRuleSetForWorkerRequestObject,
) (apiserver.GetRuleSetForWorkerResponseObject, error) {
	set, err := h.store.GetRuleSetByID(ctx, r.Set)
	if err != nil {
		return nil, err
	}
	return apiserver.GetRuleSetForWorker200JSONResponse{
		ID:      set.ID,
		Pool:    wire.OrNil(set.Pool),
		Version: set.Version,
		Rules:   wire.Each(set.Rules, func(r store.Rule) api.Rule { return rulebook.Wire(set.Pool, r) }),
	}, nil
}
