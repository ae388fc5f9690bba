package apply

import (
	"context"
	"errors"
	"slices"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/approval"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// prune deletes what belongs to the project and is not declared any more. A caller prunes
// only what its roles allow to delete.
func (p *planner) prune(ctx context.Context) error {
	p.place = "/prune"
	force := wire.Or(p.File.Force, false)

	// Deployments come first: a pool or a variable in use cannot be deleted.
	for _, name := range p.undeclared(store.OwnedDeployment) {
		if err := p.pruneDeployment(ctx, name, force); err != nil {
			return err
		}
	}
	for i, spec := range wire.Or(p.File.Pools, nil) {
		if p.declares("pools", i, "queues") {
			if err := p.pruneQueues(ctx, spec); err != nil {
				return err
			}
		}
	}
	for i, spec := range wire.Or(p.File.Pools, nil) {
		if p.declares("pools", i, "rules") {
			if err := p.pruneRules(ctx, spec); err != nil {
				return err
			}
		}
	}
	if p.By.MayDo("DeleteVariable", access.AllPools) {
		for _, name := range p.undeclared(store.OwnedVariable) {
			if err := p.pruneVariable(ctx, name, force); err != nil {
				return err
			}
		}
	}
	for _, name := range p.undeclared(store.OwnedPool) {
		if err := p.prunePool(ctx, name, force); err != nil {
			return err
		}
	}
	return p.refusedPrune()
}

// refusedPrune is the refusal of a prune with what uses the objects; nil if nothing was refused.
func (p *planner) refusedPrune() error {
	err := p.findings.Err()
	var refusal *problem.Error
	if errors.As(err, &refusal) {
		refusal.Users, refusal.UsersTotal = p.inUse, p.inUseTotal
	}
	return err
}

// undeclared returns the names that belong to the project and are not in the file.
func (p *planner) undeclared(kind store.OwnedKind) []string {
	declared := map[string]bool{}
	switch kind {
	case store.OwnedPool:
		for _, spec := range wire.Or(p.File.Pools, nil) {
			declared[spec.Name] = true
		}
	case store.OwnedVariable:
		for _, spec := range wire.Or(p.File.Variables, nil) {
			declared[spec.Name] = true
		}
	case store.OwnedDeployment:
		for _, spec := range wire.Or(p.File.Deployments, nil) {
			declared[spec.Name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(p.owned[kind]), func(name string) bool { return declared[name] })
}

func (p *planner) pruneDeployment(ctx context.Context, name string, force bool) error {
	d, err := p.tx.LockDeployment(ctx, name)
	if err != nil {
		return err
	}
	if !p.By.MayDo("DeleteDeployment", d.Pool) {
		return nil
	}
	c := change{kind: api.ChangeKindDeployment, name: name, pool: d.Pool, action: api.Delete}
	if c.before, err = p.deploymentBefore(ctx, *d); err != nil {
		return err
	}
	c.after = approval.DeletionDocument(store.DeleteOptions{Force: force})
	if err := p.tx.DeleteDeployment(ctx, name, store.DeleteOptions{Force: force}, p.By.Name); err != nil {
		return p.collectInUse(err)
	}
	return p.record(ctx, c)
}

func (p *planner) pruneVariable(ctx context.Context, name string, force bool) error {
	if err := p.tx.DeleteVariable(ctx, name, store.DeleteOptions{Force: force}, p.By.Name); err != nil {
		return p.collectInUse(err)
	}
	return p.record(ctx, change{kind: api.ChangeKindVariable, name: name, action: api.Delete})
}

// pruneQueues deletes the queues of a pool that the file does not declare.
func (p *planner) pruneQueues(ctx context.Context, spec api.PoolSpec) error {
	queues, err := p.tx.ListQueues(ctx, spec.Name)
	if err != nil {
		return err
	}
	for _, q := range queues {
		declared := slices.ContainsFunc(
			wire.Or(spec.Queues, nil),
			func(s api.QueueSpec) bool { return s.Name == q.Name },
		)
		if declared || q.Name == wire.DefaultQueue || !p.By.MayDo("DeleteWorkQueue", spec.Name) {
			continue
		}
		if err := p.tx.DeleteQueue(ctx, spec.Name, q.Name, p.By.Name); err != nil {
			if err := p.collectInUse(err); err != nil {
				return err
			}
			continue
		}
		c := change{kind: api.ChangeKindQueue, name: queueName(spec.Name, q.Name), pool: spec.Name, action: api.Delete}
		if err := p.record(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// prunePool deletes a pool, but never deployments of others with it.
func (p *planner) prunePool(ctx context.Context, name string, force bool) error {
	if !p.By.MayDo("DeleteWorkPool", name) {
		return nil
	}
	others, _, err := p.tx.ListDeployments(ctx, store.DeploymentFilter{Pool: name}, store.Page{Limit: 1})
	if err != nil {
		return err
	}
	if len(others) > 0 {
		p.findings.Addf(
			problem.Code(store.Conflict),
			p.place,
			"work pool %q still has deployment %q, which does not belong to the project: move or delete it first, "+
				"or declare the pool",
			name,
			others[0].Name,
		)
		return nil
	}
	if err := p.tx.DeletePool(ctx, name, store.DeleteOptions{Force: force}, p.By.Name); err != nil {
		return p.collectInUse(err)
	}
	return p.record(ctx, change{kind: api.ChangeKindPool, name: name, pool: name, action: api.Delete})
}

// collectInUse keeps the reason why something cannot be deleted, so that one answer names all of them.
func (p *planner) collectInUse(err error) error {
	var inUse *store.Error
	if !errors.As(err, &inUse) {
		return err
	}
	p.inUse, p.inUseTotal = append(p.inUse, inUse.Users...), p.inUseTotal+inUse.UsersTotal
	switch inUse.Code {
	case store.Conflict, store.VariableInUse, store.PoolInUse, store.QueueInUse:
		p.findings.Addf(problem.Code(inUse.Code), p.place, "%s", inUse.Message)
	case store.DeploymentHasLiveRuns, store.PoolHasLiveRuns:
		p.findings.Addf(problem.Code(inUse.Code), p.place,
			"%s: wait for them, cancel them, or prune with force", inUse.Message)
	default:
		return err
	}
	return nil
}
