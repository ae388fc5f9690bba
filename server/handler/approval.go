package handler

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/approval"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListApprovals lists the approval requests of the pools that the caller can read.
func (h *Handler) ListApprovals(
	ctx context.Context, r apiserver.ListApprovalsRequestObject,
) (apiserver.ListApprovalsResponseObject, error) {
	p, who := r.Params, access.From(ctx)
	filter := store.ApprovalFilter{Pool: wire.Or(p.Pool, ""), Pools: who.PoolsFor("ListApprovals")}
	for _, state := range wire.Or(p.State, nil) {
		filter.States = append(filter.States, store.ApprovalState(state))
	}
	items, next, err := h.Approvals.List(ctx, filter, page(p.Limit, p.Cursor), who)
	if err != nil {
		return nil, err
	}
	return apiserver.ListApprovals200JSONResponse{Items: items, NextCursor: wire.OrNil(next)}, nil
}

// GetApproval returns an approval request with its plan.
func (h *Handler) GetApproval(
	ctx context.Context, r apiserver.GetApprovalRequestObject,
) (apiserver.GetApprovalResponseObject, error) {
	shown, err := h.Approvals.Get(ctx, r.Approval, access.From(ctx))
	return apiserver.GetApproval200JSONResponse(shown), err
}

// ApproveChange approves the plan of a request.
func (h *Handler) ApproveChange(
	ctx context.Context, r apiserver.ApproveChangeRequestObject,
) (apiserver.ApproveChangeResponseObject, error) {
	shown, err := h.Approvals.Decide(ctx, approval.Decision{
		ID: r.Approval, By: access.From(ctx), State: store.ApprovalApproved, Fingerprint: r.Body.Fingerprint,
		Reason: wire.Or(r.Body.Comment, ""),
	})
	return apiserver.ApproveChange200JSONResponse(shown), err
}

// RejectChange rejects a request, or takes its approval back.
func (h *Handler) RejectChange(
	ctx context.Context, r apiserver.RejectChangeRequestObject,
) (apiserver.RejectChangeResponseObject, error) {
	shown, err := h.Approvals.Decide(ctx, approval.Decision{
		ID: r.Approval, By: access.From(ctx), State: store.ApprovalRejected, Reason: r.Body.Reason,
	})
	return apiserver.RejectChange200JSONResponse(shown), err
}

// WithdrawChange withdraws a request of the caller.
func (h *Handler) WithdrawChange(
	ctx context.Context, r apiserver.WithdrawChangeRequestObject,
) (apiserver.WithdrawChangeResponseObject, error) {
	shown, err := h.Approvals.Decide(ctx, approval.Decision{
		ID: r.Approval, By: access.From(ctx), State: store.ApprovalWithdrawn, Reason: wire.Or(r.Body.Reason, ""),
	})
	return apiserver.WithdrawChange200JSONResponse(shown), err
}

// admitTemplate returns the check for a new version of a pool's template.
func (h *Handler) admitTemplate(
	pool string,
) func(ctx context.Context, tx *store.Tx, before, after json.RawMessage) error {
	return func(ctx context.Context, tx *store.Tx, before, after json.RawMessage) error {
		old, err := jsondoc.Object(before)
		if err != nil {
			return err
		}
		wanted, err := jsondoc.Object(after)
		if err != nil {
			return err
		}
		return h.Approvals.Admit(ctx, tx, approval.Change{
			Subject: approval.Templates, Pool: pool, Kind: api.ChangeKindPool, Name: pool, Action: api.Update,
			Before: map[string]any{"base_job_template": old}, After: map[string]any{"base_job_template": wanted},
		})
	}
}

// admitRule asks for a change of a pool's rule; after is nil to delete it. The rules of the installation need
// no approval: only admins of all pools change them.
func (h *Handler) admitRule(ctx context.Context, tx *store.Tx, pool, name string, after *store.Rule) error {
	if pool == "" {
		return nil
	}
	if _, err := tx.LockPool(ctx, pool); err != nil {
		return err
	}
	set, err := tx.GetRuleSet(ctx, pool)
	if err != nil {
		return err
	}
	c := approval.Change{
		Subject: approval.Rules, Pool: pool, Kind: api.ChangeKindRule, Name: pool + "/" + name, Action: api.Create,
	}
	if i := slices.IndexFunc(set.Rules, func(r store.Rule) bool { return r.Name == name }); i >= 0 {
		c.Action = api.Update
		if c.Before, err = rulebook.Document(set.Rules[i]); err != nil {
			return err
		}
	}
	if after == nil {
		if c.Action == api.Create {
			return nil // there is nothing to delete, which is answered later
		}
		c.Action = api.Delete
	} else if c.After, err = rulebook.Document(*after); err != nil || reflect.DeepEqual(c.Before, c.After) {
		return err
	}
	return h.Approvals.Admit(ctx, tx, c)
}

// admitPool asks for a change of what a pool's Jobs can reach, and of its approval policy.
func (h *Handler) admitPool(ctx context.Context, tx *store.Tx, name string, u store.PoolUpdate) error {
	pool, err := tx.LockPool(ctx, name)
	if err != nil {
		return err
	}
	reach := poolChange(name, approval.Templates)
	if u.RunTokenAudiences != nil && !slices.Equal(pool.RunTokenAudiences, *u.RunTokenAudiences) {
		reach.Before["run_token_audiences"] = approval.Texts(pool.RunTokenAudiences)
		reach.After["run_token_audiences"] = approval.Texts(*u.RunTokenAudiences)
	}
	if u.References != nil && !jsondoc.Equal(jsondoc.OrEmpty(pool.References), u.References) {
		if reach.Before["references"], err = jsondoc.Object(jsondoc.OrEmpty(pool.References)); err != nil {
			return err
		}
		if reach.After["references"], err = jsondoc.Object(u.References); err != nil {
			return err
		}
	}
	policy := poolChange(name, approval.Policy)
	if u.Approvals != nil && !u.Approvals.Equal(pool.Approvals) {
		policy.Before[approval.PolicyField] = approval.PolicyDocument(pool.Approvals)
		policy.After[approval.PolicyField] = approval.PolicyDocument(*u.Approvals)
	}
	return h.Approvals.Admit(ctx, tx, slices.DeleteFunc([]approval.Change{reach, policy},
		func(c approval.Change) bool { return len(c.After) == 0 })...)
}

func poolChange(name string, subject approval.Subject) approval.Change {
	return approval.Change{
		Subject: subject, Pool: name, Kind: api.ChangeKindPool, Name: name, Action: api.Update,
		Before: map[string]any{}, After: map[string]any{},
	}
}

// admitPoolDeletion asks for the deletion of a pool: a new one of its name would have no policy.
func (h *Handler) admitPoolDeletion(
	ctx context.Context, tx *store.Tx, name string, options store.DeleteOptions,
) error {
	pool, err := tx.LockPool(ctx, name)
	if err != nil {
		return err
	}
	c := poolChange(name, approval.Policy)
	c.Action, c.After = api.Delete, approval.DeletionDocument(options)
	c.Before = map[string]any{
		"type": pool.Type, "description": pool.Description, approval.PolicyField: approval.PolicyDocument(pool.Approvals),
	}
	return h.Approvals.Admit(ctx, tx, c)
}

// admitRestored asks for deployments and rules that have come back. A pool that comes back had no policy that
// counted before, and brings its own.
func admitRestored(ctx context.Context, tx *store.Tx, check *approval.Check, items []store.DeletedItem) error {
	var changes []approval.Change
	for _, item := range items {
		c := approval.Change{Pool: item.Pool, Kind: api.ChangeKind(item.Kind), Name: item.Name, Action: api.Create}
		var err error
		switch {
		case item.Kind == store.DeletedDeployment:
			c.Subject = approval.Deploys
			c.After, c.Template, err = deploymentNow(ctx, tx, item.Name)
		case item.Kind == store.DeletedRule && item.Pool != "":
			c.Subject, c.Name = approval.Rules, item.Pool+"/"+item.Name
			c.After, err = ruleNow(ctx, tx, item.Pool, item.Name)
		default:
			continue
		}
		if err != nil {
			return err
		}
		changes = append(changes, c)
	}
	return check.Admit(ctx, changes)
}

func deploymentNow(ctx context.Context, tx *store.Tx, name string) (map[string]any, int32, error) {
	d, err := tx.GetDeployment(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	schedules, err := tx.ListDeploymentSchedules(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	version, err := tx.GetTemplateVersion(ctx, d.Pool, 0)
	if err != nil {
		return nil, 0, err
	}
	document, err := wire.DeploymentDocument(*d, wire.DeclaredSchedules(schedules))
	return document, version.Version, err
}

func ruleNow(ctx context.Context, tx *store.Tx, pool, name string) (map[string]any, error) {
	set, err := tx.GetRuleSet(ctx, pool)
	if err != nil {
		return nil, err
	}
	for _, r := range set.Rules {
		if r.Name == name {
			return rulebook.Document(r)
		}
	}
	return nil, nil
}

// admitDeletion asks for the deletion of a deployment that is locked.
func (h *Handler) admitDeletion(
	ctx context.Context, tx *store.Tx, d *store.Deployment, options store.DeleteOptions,
) error {
	c, _, err := deploymentChange(ctx, tx, d)
	if err != nil {
		return err
	}
	c.Action, c.After = api.Delete, approval.DeletionDocument(options)
	return h.Approvals.Admit(ctx, tx, c)
}

// deploymentChange begins a change of a deployment, with what there is before it.
func deploymentChange(
	ctx context.Context, tx *store.Tx, d *store.Deployment,
) (approval.Change, []store.Schedule, error) {
	c := approval.Change{Subject: approval.Deploys, Pool: d.Pool, Kind: api.ChangeKindDeployment, Name: d.Name}
	schedules, err := tx.ListDeploymentSchedules(ctx, d.Name)
	if err != nil {
		return c, nil, err
	}
	c.Before, err = wire.DeploymentDocument(*d, wire.DeclaredSchedules(schedules))
	return c, schedules, err
}

// admitResume asks for resuming a schedule of a deployment that is locked.
func (h *Handler) admitResume(ctx context.Context, tx *store.Tx, d *store.Deployment, schedule string) error {
	c, schedules, err := deploymentChange(ctx, tx, d)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(schedules, func(s store.Schedule) bool { return s.Name == schedule })
	if i < 0 || schedules[i].Active {
		return nil // nothing changes, or the store says that there is none
	}
	schedules[i].Active = true
	if c.After, err = wire.DeploymentDocument(*d, wire.DeclaredSchedules(schedules)); err != nil {
		return err
	}
	version, err := tx.GetTemplateVersion(ctx, d.Pool, 0)
	if err != nil {
		return err
	}
	c.Action, c.Template = api.Update, version.Version
	return h.Approvals.Admit(ctx, tx, c)
}
