package ui

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
)

// approvalStates are the states of requests, with the badge of each.
var approvalStates = map[api.ApprovalState]api.State{
	"open": {Type: api.PENDING, Name: "Open"}, "approved": {Type: api.COMPLETED, Name: "Approved"}, "used": {Type: api.SCHEDULED, Name: "Used"},
	"rejected": {Type: api.FAILED, Name: "Rejected"}, "withdrawn": {Type: api.CANCELLED, Name: "Withdrawn"},
	"lapsed": {Type: api.CANCELLED, Name: "Lapsed"}, "bypassed": {Type: api.CRASHED, Name: "Without approval"},
}

// approvalsPage lists requests for approvals.
func (s *Site) approvalsPage(v *visit) (page, error) {
	f, err := v.newFrame("Approvals", "Approvals", "approval")
	if err != nil {
		return page{}, err
	}
	params := api.ListApprovalsParams{Limit: limitOf(), Cursor: v.cursor(), Pool: optional(v.query.Get("pool"))}
	chosen := v.query.Get("state")
	if chosen != "" {
		params.State = &[]api.ApprovalState{api.ApprovalState(chosen)}
	}
	list, err := value(v.api.ListApprovalsWithResponse(v.Context(), &params))
	if err != nil {
		return page{}, err
	}
	view := tableView{
		Frame: f, Heading: "Approvals", About: "Changes that another person must approve, as the policy of their work pool says.",
		Columns: []string{"State", "Changes", "Pool", "Asked", "Decided or used by", "Reason"}, Empty: "No request is like that.",
		Links: []chip{{"All", v.without("state"), chosen == ""}, {"Open", v.with("state", "open"), chosen == "open"}},
	}
	for _, a := range list.Items {
		asked := at(a.AskedAt)
		asked.Lines = lines("by " + a.AskedBy)
		by := valueOf(a.DecidedBy)
		if by == "" {
			by = valueOf(a.UsedBy)
		}
		view.Rows = append(view.Rows, row{a.ID.String(), []cell{
			{Tags: []string{approvalStates[a.State].Name}}, {Text: summaryOf(a), Address: f.To("approvals", a.ID.String())},
			{Text: a.Pool, Address: f.To("pools", a.Pool)}, asked, plain(by), plain(valueOf(a.Reason)),
		}})
	}
	view.pagesOf(v, list.NextCursor)
	return page{template: "table", view: view}, nil
}

// summaryOf says what a request changes, in a few words.
func summaryOf(a api.Approval) string {
	if len(a.Items) == 0 {
		return a.Operation
	}
	first := a.Items[0]
	text := string(first.Action) + " " + string(first.Kind) + " " + first.Name
	if more := len(a.Items) - 1; more > 0 {
		text += " and " + number(more) + " more"
	}
	return text
}

// approvalView is one request, with its plan.
type approvalView struct {
	Frame
	Approval api.Approval
	State    api.State
	Summary  string
	Problem  string
	Decided  bool // by a page: what to do next
}

func (v *visit) approval() (approvalView, error) {
	id, err := uuid.Parse(v.path("approval"))
	if err != nil {
		return approvalView{}, refusal(http.StatusNotFound, "no request has the ID %q", v.path("approval"))
	}
	a, err := value(v.api.GetApprovalWithResponse(v.Context(), id))
	if err != nil {
		return approvalView{}, err
	}
	f, err := v.newFrame("Approval of "+summaryOf(a), "Approvals", "approval:"+id.String())
	return approvalView{Frame: f, Approval: a, State: approvalStates[a.State], Summary: summaryOf(a)}, err
}

// approvalPage shows a request.
func (s *Site) approvalPage(v *visit) (page, error) {
	view, err := v.approval()
	return page{template: "approval", view: view}, err
}

// decide approves, rejects or withdraws the plan that was on the page: a request that was changed meanwhile has another
// fingerprint, and is not approved.
func (s *Site) decide(v *visit) (page, error) {
	view, err := v.approval()
	if err != nil {
		return page{}, err
	}
	id, reason := view.Approval.ID, optional(v.PostFormValue("reason"))
	switch v.PostFormValue("decision") {
	case "approve":
		err = check(v.api.ApproveChangeWithResponse(v.Context(), id, api.ApprovalApprove{
			Comment: reason, Fingerprint: v.PostFormValue("fingerprint"),
		}))
	case "reject":
		err = check(v.api.RejectChangeWithResponse(v.Context(), id, api.ApprovalReject{Reason: valueOf(reason)}))
	case "withdraw":
		err = check(v.api.WithdrawChangeWithResponse(v.Context(), id, api.ApprovalWithdraw{Reason: reason}))
	default:
		err = refusal(http.StatusBadRequest, "decision %q is none of approve, reject, withdraw", v.PostFormValue("decision"))
	}
	if err == nil {
		return v.redirectTo("approvals", id.String()), nil
	}
	if isStatus(err, http.StatusForbidden) || isStatus(err, http.StatusUnauthorized) {
		return page{}, err
	}
	view.Problem = err.Error()
	return page{status: http.StatusConflict, template: "approval", view: view}, nil
}
