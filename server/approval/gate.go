package approval

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// Options are what a Gate works with.
type Options struct {
	Store *store.Store
	// People knows the roles of people who sign in; nil where no person can.
	People People
	Now    func() time.Time
}

// Gate keeps changes from being carried out without the approval that a policy requires.
type Gate struct{ Options }

// New makes a Gate.
func New(o Options) *Gate { return &Gate{o} }

// call is the request that a change is part of.
type call struct {
	operation  string
	breakGlass string // the reason; empty: not asked for
}

type callKey struct{}

// WithCall returns a context for a request to an operation; breakGlass is the reason to do without an approval,
// empty where the request does not ask for that.
func WithCall(ctx context.Context, operation, breakGlass string) context.Context {
	return context.WithValue(ctx, callKey{}, call{operation: operation, breakGlass: breakGlass})
}

func callOf(ctx context.Context) call {
	c, _ := ctx.Value(callKey{}).(call)
	return c
}

// Answer returns an error as it is, but for a *Required: it stores the requests, and returns a refusal that
// names them. Call it when the transaction that asked has ended.
func (g *Gate) Answer(ctx context.Context, err error) error {
	var required *Required
	if errors.As(err, &required) {
		return g.ask(ctx, callOf(ctx), required)
	}
	return err
}

// Required means that a change needs approvals that it does not have. Its transaction must not commit.
type Required struct {
	plans []*plan
	// lapsed are approvals that can no longer be used, and the reasons.
	lapsed map[uuid.UUID]string
}

func (r *Required) Error() string { return "the change needs an approval" }

// Check decides about the changes of one transaction.
type Check struct {
	gate     *Gate
	tx       *store.Tx
	who      access.Principal
	call     call
	policies map[string]store.ApprovalPolicy
}

// Begin reads the policies that count. Call it before the transaction changes anything: a policy does not
// count for the change that introduces it.
func (g *Gate) Begin(ctx context.Context, tx *store.Tx) (*Check, error) {
	policies, err := tx.ListApprovalPolicies(ctx)
	if err != nil {
		return nil, err
	}
	return &Check{gate: g, tx: tx, who: access.From(ctx), call: callOf(ctx), policies: policies}, nil
}

// Admit begins a check and asks for the changes at once.
func (g *Gate) Admit(ctx context.Context, tx *store.Tx, changes ...Change) error {
	check, err := g.Begin(ctx, tx)
	if err != nil {
		return err
	}
	return check.Admit(ctx, changes)
}

// Admit returns nil if the changes may be carried out, and uses the approvals that they need. Otherwise it
// returns a *Required, or why the caller may not break the glass.
func (c *Check) Admit(ctx context.Context, changes []Change) error {
	all, err := plans(c.policies, changes)
	if err != nil {
		return err
	}
	required := &Required{lapsed: map[uuid.UUID]string{}}
	for _, p := range all {
		admitted, err := c.use(ctx, p, required)
		if err == nil && !admitted && c.call.breakGlass != "" {
			admitted, err = true, c.bypass(ctx, p)
		}
		if err != nil {
			return err
		}
		if !admitted {
			required.plans = append(required.plans, p)
		}
	}
	if len(required.plans) > 0 {
		return required
	}
	return c.lapseOthers(ctx, changes)
}

// use uses the approval of a plan. It reports whether there was one.
func (c *Check) use(ctx context.Context, p *plan, required *Required) (bool, error) {
	found, err := c.tx.FindLiveApproval(ctx, p.pool, p.fingerprint)
	if err != nil || found == nil || found.State != store.ApprovalApproved || !c.gate.Now().Before(found.ExpiresAt) {
		return false, err
	}
	lost, err := c.gate.lostRole(ctx, c.tx, found)
	if err != nil {
		return false, err
	}
	if lost != "" {
		required.lapsed[found.ID] = lost
		return false, nil
	}
	_, err = c.tx.UpdateApproval(ctx, found.ID, store.ApprovalUpdate{State: store.ApprovalUsed, By: actorOf(c.who)})
	return err == nil, err
}

// bypass carries a plan out without an approval, which only admins may.
func (c *Check) bypass(ctx context.Context, p *plan) error {
	if c.who.RoleIn(p.pool) != api.RoleAdmin {
		return problem.Newf(problem.Forbidden,
			"%s may not carry out a change without an approval in work pool %q: it needs role admin there", c.who, p.pool)
	}
	n, err := p.newApproval(c.call.operation, actorOf(c.who))
	if err != nil {
		return err
	}
	n.Bypass = c.call.breakGlass
	_, _, err = c.tx.CreateApproval(ctx, n)
	return err
}

// Needs returns the approvals that the changes need and do not have yet, without asking for them.
func (c *Check) Needs(ctx context.Context, changes []Change) ([]api.ApprovalNeed, error) {
	all, err := plans(c.policies, changes)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	needs := make([]api.ApprovalNeed, len(all))
	for i, p := range all {
		found, err := c.tx.FindLiveApproval(ctx, p.pool, p.fingerprint)
		if err != nil {
			return nil, err
		}
		needs[i] = p.need(found)
	}
	return needs, nil
}

func (p *plan) need(found *store.Approval) api.ApprovalNeed {
	need := api.ApprovalNeed{
		Pool: p.pool, Subjects: p.subjects, Fingerprint: p.fingerprint, Approver: api.ApproverRole(p.policy.Approver),
	}
	if found != nil {
		state, expires := api.ApprovalState(found.State), wire.Time(found.ExpiresAt)
		need.ID, need.State, need.ExpiresAt = &found.ID, &state, &expires
	}
	return need
}

// lapseOthers ends the requests about objects that have changed now: their plans are out of date.
func (c *Check) lapseOthers(ctx context.Context, changes []Change) error {
	byPool := map[string][]Change{}
	for _, change := range changes {
		if governs(c.policies[change.Pool], Policy) {
			byPool[change.Pool] = append(byPool[change.Pool], change)
		}
	}
	for pool, changed := range byPool {
		live, err := c.tx.ListLiveApprovals(ctx, pool)
		if err != nil {
			return err
		}
		for _, a := range live {
			why, err := outdated(a, changed)
			if err != nil {
				return err
			}
			if why == "" {
				continue
			}
			_, err = c.tx.UpdateApproval(ctx, a.ID, store.ApprovalUpdate{
				State: store.ApprovalLapsed, By: actorOf(c.who), Reason: why,
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// outdated says why the plan of a request is out of date after changes in its pool; empty if it is not.
func outdated(a store.Approval, changes []Change) (string, error) {
	asked, err := items(a)
	if err != nil {
		return "", err
	}
	for _, c := range changes {
		if c.Subject == Policy {
			return "the approval policy of the work pool has changed", nil
		}
		for _, item := range asked {
			if item.Kind == c.Kind && item.Name == c.Name {
				return fmt.Sprintf("%s %q has changed", c.Kind, c.Name), nil
			}
			if c.Subject == Templates && item.Kind == api.ChangeKindDeployment {
				return "the template of the work pool has changed", nil
			}
		}
	}
	return "", nil
}

// ask stores a request for each plan and returns the refusal that names them.
func (g *Gate) ask(ctx context.Context, c call, r *Required) error {
	asker := actorOf(access.From(ctx))
	refusal := &problem.Error{Code: problem.ApprovalRequired}
	err := g.Store.InTx(ctx, func(tx *store.Tx) error {
		refusal.Approvals, refusal.Detail = nil, ""
		for id, why := range r.lapsed {
			_, err := tx.UpdateApproval(ctx, id, store.ApprovalUpdate{
				State: store.ApprovalLapsed, By: asker, Reason: why,
			})
			if err != nil && !store.IsCode(err, store.Conflict) { // someone else did
				return err
			}
		}
		for _, p := range r.plans {
			a, err := g.askForPlan(ctx, tx, p, c.operation, asker)
			if err != nil {
				return err
			}
			refusal.Approvals = append(refusal.Approvals, p.need(a))
		}
		return nil
	})
	if err != nil {
		return err
	}
	refusal.Detail = requiredText(refusal.Approvals)
	return refusal
}

func (g *Gate) askForPlan(
	ctx context.Context, tx *store.Tx, p *plan, operation string, asker store.ApprovalActor,
) (*store.Approval, error) {
	live, err := tx.ListLiveApprovals(ctx, p.pool)
	if err != nil {
		return nil, err
	}
	open := 0
	for _, a := range live {
		if a.Fingerprint == p.fingerprint {
			return &a, nil
		}
		ended, err := g.replaceOwn(ctx, tx, a, p, operation, asker)
		if err != nil {
			return nil, err
		}
		if !ended && a.State == store.ApprovalOpen {
			open++
		}
	}
	if open >= maxOpen {
		return nil, problem.Newf(problem.Code(store.Conflict),
			"work pool %q has %d open approval requests; approve, reject or withdraw some first", p.pool, open)
	}
	n, err := p.newApproval(operation, asker)
	if err != nil {
		return nil, err
	}
	a, _, err := tx.CreateApproval(ctx, n)
	return a, err
}

// replaceOwn ends an earlier request of the same asker about the same objects: its plan is not what they want
// any more.
func (g *Gate) replaceOwn(
	ctx context.Context, tx *store.Tx, a store.Approval, p *plan, operation string, asker store.ApprovalActor,
) (bool, error) {
	own := a.Asker.Name == asker.Name && a.Asker.Issuer == asker.Issuer && a.Asker.Subject == asker.Subject
	if !own || a.Operation != operation {
		return false, nil
	}
	asked, err := items(a)
	if err != nil {
		return false, err
	}
	overlaps := slices.ContainsFunc(asked, func(item api.Change) bool {
		return slices.ContainsFunc(p.changes, func(c Change) bool { return c.Kind == item.Kind && c.Name == item.Name })
	})
	if !overlaps {
		return false, nil
	}
	_, err = tx.UpdateApproval(ctx, a.ID, store.ApprovalUpdate{
		State: store.ApprovalLapsed, By: asker, Reason: "another plan for the same objects was asked for",
	})
	return err == nil, err
}

// requiredText says which approvals are missing and what to do.
func requiredText(needs []api.ApprovalNeed) string {
	lines := make([]string, len(needs))
	for i, n := range needs {
		lines[i] = fmt.Sprintf("work pool %q needs an approval of %s: request %s, by another person with role %s or higher "+
			"in the pool (berth approve %s)", n.Pool, strings.Join(n.Subjects, " and "), n.ID, n.Approver, n.ID)
	}
	return strings.Join(lines, "; ") + "; send the change again when it is approved"
}
