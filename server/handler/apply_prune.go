package handler

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// checkProject refuses what would delete without saying whose.
func checkProject(body *api.ApplyRequest) error {
	if value(body.Prune, false) && body.Project == nil {
		return problem.Newf(problem.InvalidBody, "prune deletes what belongs to a project: say which").
			At("/project", "is needed to prune")
	}
	return nil
}

// prune deletes what belongs to the project and is not described. A key that is limited to pools deletes in
// these only.
func (a *applying) prune(ctx context.Context, body *api.ApplyRequest) error {
	a.at = "/prune"
	force := value(body.Force, false)
	described := describedNames(body)
	for _, name := range undescribed(a.owned, described, store.OwnDeployment) {
		if err := a.pruneDeployment(ctx, name, force); err != nil {
			return err
		}
	}
	for i, spec := range value(body.Pools, nil) {
		if _, listed := a.poolFields[i]["queues"]; listed {
			if err := a.pruneQueues(ctx, spec); err != nil {
				return err
			}
		}
	}
	who := access.From(ctx)
	for _, name := range undescribed(a.owned, described, store.OwnVariable) {
		if who.Limited() {
			continue
		}
		if err := a.tx.DeleteVariable(ctx, name, actor(ctx)); err != nil {
			return err
		}
		if err := a.change(ctx, applied{kind: api.ChangeKindVariable, name: name, action: api.Delete}); err != nil {
			return err
		}
	}
	for _, name := range undescribed(a.owned, described, store.OwnPool) {
		if err := a.prunePool(ctx, name, force); err != nil {
			return err
		}
	}
	return a.refusal.errorOrNil()
}

func describedNames(body *api.ApplyRequest) store.Owned {
	names := store.Owned{}
	for _, p := range value(body.Pools, nil) {
		names[store.OwnPool] = append(names[store.OwnPool], p.Name)
	}
	for _, v := range value(body.Variables, nil) {
		names[store.OwnVariable] = append(names[store.OwnVariable], v.Name)
	}
	for _, d := range value(body.Deployments, nil) {
		names[store.OwnDeployment] = append(names[store.OwnDeployment], d.Name)
	}
	return names
}

func undescribed(owned, described store.Owned, kind store.Owner) []string {
	there := map[string]bool{}
	for _, name := range described[kind] {
		there[name] = true
	}
	var gone []string
	for _, name := range owned[kind] {
		if !there[name] {
			gone = append(gone, name)
		}
	}
	return gone
}

func (a *applying) pruneDeployment(ctx context.Context, name string, force bool) error {
	d, err := a.tx.HoldDeployment(ctx, name)
	if err != nil {
		return err
	}
	if !access.From(ctx).MayUsePool(d.Pool) {
		return nil
	}
	if err := a.tx.DeleteDeployment(ctx, name, force, actor(ctx)); err != nil {
		return a.refuseLive(err)
	}
	return a.change(ctx, applied{kind: api.ChangeKindDeployment, name: name, action: api.Delete})
}

// refuseLive says of everything that can not be deleted that and why.
func (a *applying) refuseLive(err error) error {
	var live *store.Error
	if !errors.As(err, &live) ||
		(live.Code != store.DeploymentHasLiveRuns && live.Code != store.PoolHasLiveRuns && live.Code != store.Conflict) {
		return err
	}
	message := live.Message
	if live.Code != store.Conflict {
		message += ": wait for them, cancel them, or force it"
	}
	a.refusal.say(problem.Code(live.Code), a.at, "%s", message)
	return nil
}

// pruneQueues deletes the queues of a pool that are not among those described.
func (a *applying) pruneQueues(ctx context.Context, spec api.PoolSpec) error {
	queues, err := a.tx.ListQueues(ctx, spec.Name)
	if err != nil {
		return err
	}
	for _, q := range queues {
		kept := slices.ContainsFunc(
			value(spec.Queues, nil),
			func(s api.QueueSpec) bool { return s.Name == q.Name },
		)
		if kept || q.Name == defaultQueue {
			continue
		}
		if err := a.tx.DeleteQueue(ctx, spec.Name, q.Name, actor(ctx)); err != nil {
			if err := a.refuseLive(err); err != nil {
				return err
			}
			continue
		}
		err := a.change(
			ctx,
			applied{kind: api.ChangeKindQueue, name: queueName(spec.Name, q.Name), action: api.Delete},
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// prunePool deletes a pool, but never somebody else's deployments with it.
func (a *applying) prunePool(ctx context.Context, name string, force bool) error {
	if !access.From(ctx).MayUsePool(name) {
		return nil
	}
	others, _, err := a.tx.ListDeployments(ctx, name, store.Page{Limit: 3})
	if err != nil {
		return err
	}
	if len(others) > 0 {
		first := others[0].Name
		a.refusal.say(
			problem.Code(store.Conflict),
			a.at,
			"pool %q still has deployment %q, which is not the project's: move or delete it first, or describe the pool",
			name,
			first,
		)
		return nil
	}
	if err := a.tx.DeletePool(ctx, name, force, actor(ctx)); err != nil {
		return a.refuseLive(err)
	}
	return a.change(ctx, applied{kind: api.ChangeKindPool, name: name, action: api.Delete})
}

func queueName(pool, queue string) string { return fmt.Sprintf("%s/%s", pool, queue) }
