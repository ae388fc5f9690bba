package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// NewApproval is a change that needs an approval, or was carried out without.
type NewApproval struct {
	Pool        string
	Fingerprint string
	Operation   string
	Subjects    []string
	Approver    string
	Lifetime    time.Duration
	Items       json.RawMessage
	Plan        json.RawMessage
	Asker       ApprovalActor
	// OpenFor is how long the request waits for an approver.
	OpenFor time.Duration
	// Bypass is the reason of an admin who carries the change out without an approval; empty: it is asked for.
	Bypass string
}

const insertApprovalSQL = `
INSERT INTO approvals (id, pool_id, state, fingerprint, operation, subjects, approver, lifetime_s, items, plan, asker,
	asked_at, expires_at, used_by, ended_at, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING`

// CreateApproval stores a request. Where there is a live one for the same plan, it returns that and created is
// false.
func (tx *Tx) CreateApproval(ctx context.Context, n NewApproval) (a *Approval, created bool, err error) {
	pool, err := tx.poolRef(ctx, n.Pool)
	if err != nil {
		return nil, false, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, false, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, false, fmt.Errorf("generate an ID: %w", err)
	}
	state, usedBy, reason := ApprovalOpen, "", database.CleanText(n.Bypass)
	var endedAt *time.Time
	if n.Bypass != "" {
		state, usedBy, endedAt = ApprovalBypassed, n.Asker.Name, &now
	}
	inserted, err := tx.db.Exec(ctx, insertApprovalSQL, id, pool, state, n.Fingerprint, n.Operation,
		database.StringsOf(n.Subjects), n.Approver, int64(n.Lifetime/time.Second), database.JSON(n.Items),
		database.JSON(n.Plan), database.Structured[ApprovalActor]{V: n.Asker}, now, now.Add(n.OpenFor), usedBy,
		database.TimeOf(endedAt), reason)
	if err != nil {
		return nil, false, fmt.Errorf("request the approval of a change in work pool %q: %w", n.Pool, err)
	}
	if inserted == 0 {
		a, err = tx.FindLiveApproval(ctx, n.Pool, n.Fingerprint)
		if err == nil && a == nil {
			err = &Error{Code: Unavailable, Message: "the approval request was ended at this moment; try again"}
		}
		return a, false, err
	}
	if a, err = tx.GetApproval(ctx, id); err != nil {
		return nil, false, err
	}
	action := AuditRequest
	if state == ApprovalBypassed {
		action = AuditBreakGlass
	}
	tx.db.Hint(PoolTopic(n.Pool))
	return a, true, tx.approvalChanged(ctx, "", *a, action, n.Asker.Name)
}

// ApprovalUpdate takes a request to another state.
type ApprovalUpdate struct {
	State  ApprovalState
	By     ApprovalActor
	Reason string
}

const updateApprovalSQL = `
UPDATE approvals
SET state = ?,
	decider = ?,
	decided_at = ?,
	expires_at = ?,
	used_by = ?,
	ended_at = ?,
	reason = ?
WHERE id = ?`

// UpdateApproval takes a live request to another state. The error is Conflict if it has ended or lapsed, or
// cannot be used because it is not approved.
func (tx *Tx) UpdateApproval(ctx context.Context, id uuid.UUID, u ApprovalUpdate) (*Approval, error) {
	a, err := tx.LockApproval(ctx, id)
	if err != nil {
		return nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.allows(u.State, now); err != nil {
		return nil, err
	}

	before := a.State
	a.State = u.State
	if u.Reason != "" {
		a.Reason = database.CleanText(u.Reason)
	}
	switch u.State {
	case ApprovalApproved:
		a.Decider, a.DecidedAt, a.ExpiresAt = &u.By, &now, now.Add(a.Lifetime)
	case ApprovalRejected:
		a.Decider, a.DecidedAt = &u.By, &now
	case ApprovalUsed:
		a.UsedBy = u.By.Name
	}
	if !u.State.Live() {
		a.EndedAt = &now
	}
	if err := tx.saveApproval(ctx, a); err != nil {
		return nil, err
	}
	tx.db.Hint(PoolTopic(a.Pool))
	return a, tx.approvalChanged(ctx, before, *a, approvalActions[u.State], u.By.Name)
}

func (tx *Tx) saveApproval(ctx context.Context, a *Approval) error {
	var decider *string
	if a.Decider != nil {
		text, err := database.Structured[ApprovalActor]{V: *a.Decider}.Text()
		if err != nil {
			return err
		}
		decider = &text
	}
	_, err := tx.db.Exec(ctx, updateApprovalSQL, a.State, decider, database.TimeOf(a.DecidedAt), truncated(a.ExpiresAt),
		a.UsedBy, database.TimeOf(a.EndedAt), a.Reason, a.ID)
	if err != nil {
		return fmt.Errorf("update approval request %s: %w", a.ID, err)
	}
	return nil
}

// UpdateApproval runs Tx.UpdateApproval in a transaction.
func (s *Store) UpdateApproval(ctx context.Context, id uuid.UUID, u ApprovalUpdate) (*Approval, error) {
	return inTx(ctx, s, func(tx *Tx) (*Approval, error) { return tx.UpdateApproval(ctx, id, u) })
}

var approvalActions = map[ApprovalState]AuditAction{
	ApprovalApproved: AuditApprove, ApprovalRejected: AuditReject, ApprovalWithdrawn: AuditWithdraw,
	ApprovalUsed: AuditUse, ApprovalLapsed: AuditLapse,
}

// allows reports why a request cannot go to a state; nil if it can.
func (a *Approval) allows(to ApprovalState, now time.Time) error {
	refuse := func(format string, args ...any) error {
		return &Error{
			Code: Conflict, Message: fmt.Sprintf("approval request %s %s", a.ID, fmt.Sprintf(format, args...)),
		}
	}
	switch {
	case !a.State.Live():
		return refuse("is %s already", a.State)
	case to == ApprovalApproved && a.State == ApprovalApproved:
		return refuse("was approved already by %s", a.Decider.Name)
	case to == ApprovalUsed && a.State != ApprovalApproved:
		return refuse("is not approved")
	case (to == ApprovalApproved || to == ApprovalUsed) && !now.Before(a.ExpiresAt):
		return refuse("has lapsed; ask again")
	}
	return nil
}

// approvalChanged audits what becomes of a request, with the fingerprint of its plan.
func (tx *Tx) approvalChanged(
	ctx context.Context, before ApprovalState, a Approval, action AuditAction, actor string,
) error {
	d, err := tx.newChangeSet(ctx)
	if err != nil {
		return err
	}
	d.field("state", valueOrNil(before), a.State).
		field("fingerprint", nil, a.Fingerprint).
		field("operation", nil, a.Operation).
		field("items", nil, rawValue(a.Items)).
		field("asked_by", nil, a.Asker.Name)
	if a.Decider != nil {
		d.field("decided_by", nil, a.Decider.Name)
	}
	return tx.auditChanges(ctx, d, AuditEntry{
		Actor: actor, Action: action, Kind: AuditApproval, Name: a.ID.String(), Pool: a.Pool, Detail: a.Reason,
	})
}

// Served by approvals_expiry.
const overdueApprovalsSQL = `
SELECT id
FROM approvals
WHERE expires_at <= ?
	AND state IN ('open', 'approved')
	AND pool_id IN (SELECT id FROM pools WHERE deleted_at IS NULL)
ORDER BY expires_at
LIMIT ?`

// lapseOverdue ends requests that were not approved in time, and approvals that were not used in time.
func (tx *Tx) lapseOverdue(ctx context.Context) (int, error) {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return 0, err
	}
	var ids []uuid.UUID
	query := overdueApprovalsSQL + tx.db.Dialect().Lock("FOR UPDATE SKIP LOCKED")
	if err := tx.db.All(ctx, &ids, query, now, sweepBatch); err != nil {
		return 0, err
	}
	for _, id := range ids {
		_, err := tx.UpdateApproval(ctx, id, ApprovalUpdate{
			State: ApprovalLapsed, By: ApprovalActor{Name: sweepActor}, Reason: "its time has run out",
		})
		if err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// Served by approvals_ended.
const oldApprovalsSQL = `
DELETE FROM approvals
WHERE id IN (SELECT id FROM approvals WHERE ended_at < ? ORDER BY ended_at LIMIT ?)`

// retainApprovals removes requests that ended long ago; they stay as long as their audit entries.
func (s *Store) retainApprovals(ctx context.Context, keep Retention, removed *Expired) error {
	if keep.Audit <= 0 {
		return nil
	}
	return s.batches(ctx, retainRows, &removed.Approvals, func(tx *Tx) (int64, error) {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return 0, err
		}
		return tx.db.Exec(ctx, oldApprovalsSQL, now.Add(-keep.Audit), retainRows)
	})
}

func policyOrNil(p ApprovalPolicy) any {
	if len(p.Require) == 0 {
		return nil
	}
	return p
}
