package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// ApprovalPolicy says which changes of a pool another person must approve. The zero value asks for none.
type ApprovalPolicy struct {
	// Require are subjects: templates, rules, deploys.
	Require []string `json:"require"`
	// Approver is the least role of an approver in the pool.
	Approver string `json:"approver"`
	// Lifetime is how long an approval can be used, in seconds.
	Lifetime int64 `json:"lifetime_seconds"`
}

// Equal reports whether two policies say the same.
func (p ApprovalPolicy) Equal(other ApprovalPolicy) bool {
	return slices.Equal(p.Require, other.Require) && p.Approver == other.Approver && p.Lifetime == other.Lifetime
}

// ApprovalState is how far the approval of a change has come.
type ApprovalState string

// The states. The first two are live, the others ended.
const (
	ApprovalOpen      ApprovalState = "open"
	ApprovalApproved  ApprovalState = "approved"
	ApprovalUsed      ApprovalState = "used"
	ApprovalRejected  ApprovalState = "rejected"
	ApprovalWithdrawn ApprovalState = "withdrawn"
	ApprovalLapsed    ApprovalState = "lapsed"
	ApprovalBypassed  ApprovalState = "bypassed" // carried out by an admin without an approval
)

// Live reports whether the request can still lead to a change.
func (s ApprovalState) Live() bool { return s == ApprovalOpen || s == ApprovalApproved }

// ApprovalActor is who asked for a change or decided about it, in a form by which two of them can be told
// apart.
type ApprovalActor struct {
	Name  string `json:"name"`
	KeyID string `json:"key_id,omitempty"` // of an API key or a session
	// Issuer and Subject identify a person who signed in.
	Issuer    string `json:"issuer,omitempty"`
	Subject   string `json:"subject,omitempty"`
	CreatedBy string `json:"created_by,omitempty"` // of an API key
}

// Approval is a request for the approval of a change in one pool, and what became of it.
type Approval struct {
	ID          uuid.UUID
	Pool        string
	State       ApprovalState
	Fingerprint string
	Operation   string
	Subjects    []string
	Approver    string // the least role of the approver
	Lifetime    time.Duration
	Items       json.RawMessage // what changes, without values
	Plan        json.RawMessage // what changes, with its values; nil in lists
	Asker       ApprovalActor
	AskedAt     time.Time
	ExpiresAt   time.Time // when a live request lapses
	Decider     *ApprovalActor
	DecidedAt   *time.Time
	UsedBy      string
	EndedAt     *time.Time
	Reason      string
}

type approvalRow struct {
	ID          uuid.UUID                          `db:"id"`
	Pool        string                             `db:"pool"`
	State       ApprovalState                      `db:"state"`
	Fingerprint string                             `db:"fingerprint"`
	Operation   string                             `db:"operation"`
	Subjects    database.Strings                   `db:"subjects"`
	Approver    string                             `db:"approver"`
	Lifetime    int64                              `db:"lifetime_s"`
	Items       database.JSON                      `db:"items"`
	Plan        database.JSON                      `db:"plan"`
	Asker       database.Structured[ApprovalActor] `db:"asker"`
	AskedAt     database.Time                      `db:"asked_at"`
	ExpiresAt   database.Time                      `db:"expires_at"`
	Decider     *string                            `db:"decider"`
	DecidedAt   *database.Time                     `db:"decided_at"`
	UsedBy      string                             `db:"used_by"`
	EndedAt     *database.Time                     `db:"ended_at"`
	Reason      string                             `db:"reason"`
}

func (r approvalRow) approval() (Approval, error) {
	a := Approval{
		ID: r.ID, Pool: r.Pool, State: r.State, Fingerprint: r.Fingerprint, Operation: r.Operation,
		Subjects: r.Subjects.V, Approver: r.Approver, Lifetime: time.Duration(r.Lifetime) * time.Second,
		Items: r.Items.Raw(), Plan: r.Plan.Raw(), Asker: r.Asker.V, AskedAt: r.AskedAt.Time(), ExpiresAt: r.ExpiresAt.Time(),
		DecidedAt: r.DecidedAt.Ptr(), UsedBy: r.UsedBy, EndedAt: r.EndedAt.Ptr(), Reason: r.Reason,
	}
	if r.Decider == nil {
		return a, nil
	}
	a.Decider = &ApprovalActor{}
	if err := json.Unmarshal([]byte(*r.Decider), a.Decider); err != nil {
		return a, fmt.Errorf("read who decided about approval %s: %w", r.ID, err)
	}
	return a, nil
}

// Lists leave the plans out: they are as long as the templates in them.
const (
	approvalColumnsSQL = `
SELECT a.id, p.name AS pool, a.state, a.fingerprint, a.operation, a.subjects, a.approver, a.lifetime_s, a.items, a.asker,
	a.asked_at, a.expires_at, a.decider, a.decided_at, a.used_by, a.ended_at, a.reason, `
	approvalTablesSQL = `
FROM approvals a
JOIN pools p ON p.id = a.pool_id
WHERE p.deleted_at IS NULL`
	approvalSQL      = approvalColumnsSQL + "a.plan" + approvalTablesSQL
	listApprovalsSQL = approvalColumnsSQL + "NULL AS plan" + approvalTablesSQL
)

// GetApproval returns a request, also one that has ended.
func (q Reader) GetApproval(ctx context.Context, id uuid.UUID) (*Approval, error) {
	return q.approval(ctx, id, "")
}

func (q Reader) approval(ctx context.Context, id uuid.UUID, lock string) (*Approval, error) {
	var row approvalRow
	if err := q.db.Get(ctx, &row, approvalSQL+" AND a.id = ?"+lock, id); err != nil {
		return nil, database.NotFoundError(err, "approval request %s", id)
	}
	a, err := row.approval()
	return &a, err
}

// LockApproval is GetApproval with a lock against other changes until the transaction ends.
func (tx *Tx) LockApproval(ctx context.Context, id uuid.UUID) (*Approval, error) {
	return tx.approval(ctx, id, tx.db.Dialect().Lock("FOR UPDATE OF a"))
}

// FindLiveApproval returns the open or approved request for a plan, locked until the transaction ends; nil for
// none. Served by approvals_live.
func (tx *Tx) FindLiveApproval(ctx context.Context, pool, fingerprint string) (*Approval, error) {
	list, err := tx.approvals(ctx, " AND p.name = ? AND a.fingerprint = ? AND a.state IN ('open', 'approved')"+
		tx.db.Dialect().Lock("FOR UPDATE OF a"), pool, fingerprint)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// ListLiveApprovals lists the open and approved requests of a pool, the oldest first.
func (q Reader) ListLiveApprovals(ctx context.Context, pool string) ([]Approval, error) {
	return q.approvals(ctx, " AND p.name = ? AND a.state IN ('open', 'approved') ORDER BY a.id", pool)
}

func (q Reader) approvals(ctx context.Context, rest string, args ...any) ([]Approval, error) {
	var rows []approvalRow
	if err := q.db.All(ctx, &rows, listApprovalsSQL+rest, args...); err != nil {
		return nil, fmt.Errorf("list approval requests: %w", err)
	}
	list := make([]Approval, len(rows))
	for i, r := range rows {
		var err error
		if list[i], err = r.approval(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// ApprovalFilter narrows a list of requests; empty fields do not.
type ApprovalFilter struct {
	Pool   string
	Pools  []string // only requests of these pools, beside Pool; nil: all
	States []ApprovalState
}

// ListApprovals lists requests, the newest first. Served by approvals_pool for one pool, else by the primary
// key.
func (q Reader) ListApprovals(ctx context.Context, f ApprovalFilter, page Page) ([]Approval, string, error) {
	after, more, err := page.AfterID("approvals")
	if err != nil {
		return nil, "", err
	}
	var c conditions
	if more {
		c.add("a.id < ?", after)
	}
	if f.Pool != "" {
		pool, err := q.poolRef(ctx, f.Pool)
		if err != nil {
			return nil, "", err
		}
		c.add("a.pool_id = ?", pool)
	}
	if f.Pools != nil {
		c.add("p.name IN "+q.db.Dialect().List("text"), database.ListOf(f.Pools))
	}
	if len(f.States) > 0 {
		c.add("a.state IN "+q.db.Dialect().List("text"), database.ListOf(f.States))
	}
	rest := ""
	for _, condition := range c.where {
		rest += " AND " + condition
	}
	list, err := q.approvals(ctx, rest+" ORDER BY a.id DESC LIMIT ?", append(c.args, page.Size()+1)...)
	if err != nil {
		return nil, "", err
	}
	list, next := database.CutPage(list, page, "approvals", func(a Approval) string { return a.ID.String() })
	return list, next, nil
}

const approvalPoliciesSQL = `
SELECT p.name, p.approval_policy
FROM pools p
WHERE p.approval_policy IS NOT NULL
	AND p.deleted_at IS NULL`

// ListApprovalPolicies returns the policies of the pools that have one, by the name of the pool.
func (q Reader) ListApprovalPolicies(ctx context.Context) (map[string]ApprovalPolicy, error) {
	var rows []struct {
		Name   string                              `db:"name"`
		Policy database.Structured[ApprovalPolicy] `db:"approval_policy"`
	}
	if err := q.db.All(ctx, &rows, approvalPoliciesSQL); err != nil {
		return nil, fmt.Errorf("list approval policies: %w", err)
	}
	policies := make(map[string]ApprovalPolicy, len(rows))
	for _, r := range rows {
		policies[r.Name] = r.Policy.V
	}
	return policies, nil
}

// readPolicy reads the stored policy of a pool; NULL is the zero value.
func readPolicy(text *string) ApprovalPolicy {
	var policy ApprovalPolicy
	if text == nil {
		return policy
	}
	if err := json.Unmarshal([]byte(*text), &policy); err != nil {
		// Only this package writes the column. What cannot be read must not ask for less than it did.
		return ApprovalPolicy{Require: []string{"templates", "rules", "deploys"}, Approver: "admin", Lifetime: 60}
	}
	return policy
}

func policyText(p ApprovalPolicy) (*string, error) {
	if len(p.Require) == 0 {
		return nil, nil
	}
	text, err := database.Structured[ApprovalPolicy]{V: p}.Text()
	return &text, err
}
