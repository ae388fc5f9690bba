package ui

import (
	"net/http"
	"slices"

	"github.com/berth-dev/berth/server/api"
)

// breakGlassField is the field of a form with the reason to make a change without the approval that it needs. The API takes it as
// the parameter of this name.
const breakGlassField = "break_glass"

// approvalNeededView is the page of a change that another person must approve first. It holds the form that was sent, which can be
// sent again: once it is approved, or by an admin with a reason.
type approvalNeededView struct {
	Frame
	Needs   []api.ApprovalNeed
	Fields  []field // of the form, hidden
	MayPass bool    // without the approval
	Back    string
	Label   string
}

// approvalNeeded shows what was refused for want of an approval.
func (v *visit) approvalNeeded(refused *api.Problem) (page, error) {
	back, label := listOf(v.URL.Path)
	f, err := v.newFrame(refused.Title, label)
	if err != nil {
		return page{}, err
	}
	view := approvalNeededView{Frame: f, Needs: valueOf(refused.Approvals), Back: f.Root + back, Label: label}
	view.MayPass = !slices.ContainsFunc(view.Needs, func(need api.ApprovalNeed) bool { return !f.isAdminIn(need.Pool) })
	for _, name := range sortedNames(v.PostForm) {
		for _, value := range v.PostForm[name] {
			if name != breakGlassField {
				view.Fields = append(view.Fields, field{Name: name, Value: value})
			}
		}
	}
	return page{status: http.StatusConflict, template: "approval_needed", view: view}, nil
}

// isAdminIn reports whether whoever looks has the role that changes a work pool without an approval.
func (f Frame) isAdminIn(pool string) bool {
	return f.Who != nil && slices.ContainsFunc(f.Who.Bindings, func(b api.Binding) bool {
		return b.Role == api.RoleAdmin && (b.Pool == "" || b.Pool == "*" || string(b.Pool) == pool)
	})
}
