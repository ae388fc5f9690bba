package apply

import (
	"context"
	"slices"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/approval"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// admit asks for the approvals that the changes need. A dry run only says which.
func (p *planner) admit(ctx context.Context, dryRun bool) ([]api.ApprovalNeed, error) {
	changes, err := p.governed(ctx)
	if err != nil {
		return nil, err
	}
	if dryRun {
		return p.approvals.Needs(ctx, changes)
	}
	return nil, p.approvals.Admit(ctx, changes)
}

// governed returns the changes that a policy can require approvals for.
func (p *planner) governed(ctx context.Context) ([]approval.Change, error) {
	var all []approval.Change
	for _, c := range p.changes {
		if c.action == api.Unchanged || c.pool == "" {
			continue
		}
		switch c.kind {
		case api.ChangeKindPool:
			all = append(all, c.governedPool()...)
		case api.ChangeKindRule:
			all = append(all, c.governedAs(approval.Rules))
		case api.ChangeKindDeployment:
			deployments, err := p.governedDeployment(ctx, c)
			if err != nil {
				return nil, err
			}
			all = append(all, deployments...)
		}
	}
	return all, nil
}

func (c change) governedAs(subject approval.Subject) approval.Change {
	return approval.Change{
		Subject: subject, Pool: c.pool, Kind: c.kind, Name: c.name, Action: c.action, Before: c.before, After: c.after,
	}
}

// governedPool returns the deletion of a pool, or its fields that a policy governs; its limits are not among
// them.
func (c change) governedPool() []approval.Change {
	switch c.action {
	case api.Create:
		return nil // a policy does not count for what introduces it
	case api.Delete:
		return []approval.Change{c.governedAs(approval.Policy)}
	}
	var all []approval.Change
	for _, part := range []struct {
		subject approval.Subject
		fields  []string
	}{
		{approval.Templates, approval.TemplateFields()}, {approval.Policy, []string{approval.PolicyField}},
	} {
		one := c.governedAs(part.subject)
		one.Before, one.After = map[string]any{}, map[string]any{}
		for _, field := range c.fields {
			if slices.Contains(part.fields, field) {
				one.Before[field], one.After[field] = c.before[field], c.after[field]
			}
		}
		if len(one.After) > 0 {
			all = append(all, one)
		}
	}
	return all
}

// governedDeployment returns the change of a deployment. One that moves leaves a pool and comes into another;
// neither shows what is in the other.
func (p *planner) governedDeployment(ctx context.Context, c change) ([]approval.Change, error) {
	one := c.governedAs(approval.Deploys)
	if c.action != api.Delete {
		version, err := p.tx.GetTemplateVersion(ctx, c.pool, 0)
		if err != nil {
			return nil, err
		}
		one.Template = version.Version
	}
	if c.from == "" || c.from == c.pool {
		return []approval.Change{one}, nil
	}
	left := one
	left.Pool, left.Action, left.After, left.Template = c.from, api.Delete, nil, 0
	one.Action, one.Before = api.Create, nil
	return []approval.Change{left, one}, nil
}

// setPolicy replaces the approval policy of a pool, if the file has one.
func (u *poolUpdate) setPolicy(before store.ApprovalPolicy, declared *api.ApprovalPolicy) {
	if declared == nil {
		return
	}
	after := approval.ReadPolicy(declared)
	if after.Equal(before) {
		return
	}
	u.setFields, u.fields.Approvals = true, &after
	u.change.set(approval.PolicyField, approval.PolicyDocument(before), approval.PolicyDocument(after))
}

// deploymentBefore describes a deployment that the file deletes.
func (p *planner) deploymentBefore(ctx context.Context, d store.Deployment) (map[string]any, error) {
	schedules, err := p.tx.ListDeploymentSchedules(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	return wire.DeploymentDocument(d, wire.DeclaredSchedules(schedules))
}
