package approval

import (
	"context"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// Decision is what a caller does with a request.
type Decision struct {
	ID    uuid.UUID
	By    access.Principal
	State store.ApprovalState // approved, rejected or withdrawn
	// Fingerprint is that of the plan that was reviewed; only for approvals.
	Fingerprint string
	Reason      string
}

// Decide approves, rejects or withdraws a request.
func (g *Gate) Decide(ctx context.Context, d Decision) (api.Approval, error) {
	var shown api.Approval
	err := g.Store.InTx(ctx, func(tx *store.Tx) error {
		a, err := tx.LockApproval(ctx, d.ID)
		if err != nil {
			return err
		}
		if err := g.mayDecide(ctx, tx, d, a); err != nil {
			return err
		}
		decided, err := tx.UpdateApproval(ctx, d.ID, store.ApprovalUpdate{
			State: d.State, By: actorOf(d.By), Reason: d.Reason,
		})
		if err != nil {
			return err
		}
		shown, err = g.show(ctx, tx, *decided, d.By)
		return err
	})
	return shown, err
}

func (g *Gate) mayDecide(ctx context.Context, tx *store.Tx, d Decision, a *store.Approval) error {
	if d.State == store.ApprovalWithdrawn {
		own, err := samePerson(ctx, tx, actorOf(d.By), a.Asker)
		if err == nil && !own {
			err = problem.Newf(problem.Code(store.Conflict),
				"%s asked for this change, and only who asked can withdraw it; reject it instead", a.Asker.Name)
		}
		return err
	}
	if d.State == store.ApprovalApproved && d.Fingerprint != a.Fingerprint {
		return problem.Newf(problem.PlanChanged,
			"approval request %s is for another plan than the one with fingerprint %q; look at it again", a.ID,
			problem.Clip(d.Fingerprint))
	}
	return g.mayReview(ctx, tx, d.By, a)
}

// mayReview refuses who may not approve or reject a request, whatever its state.
func (g *Gate) mayReview(ctx context.Context, keys keyReader, who access.Principal, a *store.Approval) error {
	if !who.Authenticated {
		return problem.Newf(problem.Forbidden,
			"this server runs without API keys, so that it cannot tell two persons apart; an admin can use break_glass")
	}
	if who.Kind != api.CallerUser && who.Kind != api.CallerAPIKey {
		return problem.Newf(problem.Forbidden, "%s may not decide about this request: people do, with their account or an API key",
			who)
	}
	if role := who.RoleIn(a.Pool); !access.AtLeast(role, approverRole(a.Approver)) {
		return problem.Newf(problem.Forbidden,
			"%s may not decide about this request: it has role %s in work pool %q, and needs %s", who, role, a.Pool, a.Approver)
	}
	same, err := samePerson(ctx, keys, actorOf(who), a.Asker)
	if err != nil {
		return err
	}
	if same {
		return problem.Newf(problem.Forbidden,
			"%s asked for this change, or is an API key of who asked, or created that key: another person must decide; "+
				"who asked can withdraw it", who)
	}
	return nil
}

func approverRole(name string) api.Role { return api.Role(name) }

// Get returns a request with its plan, as the caller sees it.
func (g *Gate) Get(ctx context.Context, id uuid.UUID, who access.Principal) (api.Approval, error) {
	a, err := g.Store.GetApproval(ctx, id)
	if err != nil {
		return api.Approval{}, err
	}
	return g.show(ctx, g.Store, *a, who)
}

// List lists requests as the caller sees them, without their plans.
func (g *Gate) List(
	ctx context.Context, f store.ApprovalFilter, page store.Page, who access.Principal,
) ([]api.Approval, string, error) {
	list, next, err := g.Store.ListApprovals(ctx, f, page)
	if err != nil {
		return nil, "", err
	}
	keys, err := g.Store.ListKeys(ctx, store.KeyFilter{})
	if err != nil {
		return nil, "", err
	}
	shown := make([]api.Approval, len(list))
	for i, a := range list {
		if shown[i], err = g.summary(ctx, knownKeys(keys), a, who); err != nil {
			return nil, "", err
		}
	}
	return shown, next, nil
}

// knownKeys are keys that were read before.
type knownKeys []store.Key

// ListKeys returns them.
func (k knownKeys) ListKeys(context.Context, store.KeyFilter) ([]store.Key, error) { return k, nil }

// show is a request with its plan.
func (g *Gate) show(ctx context.Context, keys keyReader, a store.Approval, who access.Principal) (api.Approval, error) {
	shown, err := g.summary(ctx, keys, a, who)
	if err != nil {
		return shown, err
	}
	shown.Items, err = describe(a)
	return shown, err
}

// summary is a request without its plan.
func (g *Gate) summary(ctx context.Context, keys keyReader, a store.Approval, who access.Principal) (api.Approval, error) {
	shown := api.Approval{
		ID: a.ID, Pool: a.Pool, State: api.ApprovalState(a.State), Fingerprint: a.Fingerprint, Operation: a.Operation,
		Subjects: a.Subjects, Approver: api.ApproverRole(a.Approver), AskedBy: a.Asker.Name,
		AskedAt: wire.Time(a.AskedAt), DecidedAt: wire.TimePtr(a.DecidedAt), UsedBy: wire.OrNil(a.UsedBy),
		EndedAt: wire.TimePtr(a.EndedAt), Reason: wire.OrNil(a.Reason),
	}
	if a.Decider != nil {
		shown.DecidedBy = &a.Decider.Name
	}
	var err error
	if shown.Items, err = items(a); err != nil || !a.State.Live() {
		return shown, err
	}
	expires := wire.Time(a.ExpiresAt)
	shown.ExpiresAt = &expires
	return shown, g.permissions(ctx, keys, a, who, &shown)
}

// permissions says what the caller can do with a live request.
func (g *Gate) permissions(
	ctx context.Context, keys keyReader, a store.Approval, who access.Principal, to *api.Approval,
) error {
	own, err := samePerson(ctx, keys, actorOf(who), a.Asker)
	if err != nil {
		return err
	}
	to.MayWithdraw = own && who.MayDo("WithdrawChange", a.Pool)
	refused := g.mayReview(ctx, keys, who, &a)
	if refused == nil {
		to.MayReject, to.MayApprove = true, a.State == store.ApprovalOpen
		return nil
	}
	if problem.From(refused).Code != problem.Forbidden {
		return refused
	}
	why := problem.From(refused).Detail
	to.MayNot = &why
	return nil
}
