package ui

import (
	"encoding/json"
	"net/http"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
)

// rulesPage lists the rules that count in a pool, or those of the installation.
func (s *Site) rulesPage(v *visit) (page, error) {
	f, err := v.newFrame("Rules", "Rules", "rule")
	if err != nil {
		return page{}, err
	}
	pool := v.query.Get("pool")
	list, err := v.rulesOf(pool)
	if err != nil {
		return page{}, err
	}
	view := tableView{
		Frame: f, Heading: "Rules", About: "What a Job must look like before it may run. Rules of the installation count in every work pool.",
		Columns: []string{"Rule", "Action", "Of", "Expression", "Message", "Change"}, Empty: "No rule counts here.",
		Filter: []field{{Name: "pool", Label: "Pool", Value: pool, Hint: "the installation"}},
	}
	if mayChangeRules(f, pool) {
		view.Actions = []runAction{{Label: "New rule…", Address: f.To("rules", "edit") + "?" + queryOf("pool", pool), Main: true}}
	}
	for _, one := range list.Items {
		of := valueOf(one.Pool)
		actions := cell{}
		if mayChangeRules(f, of) {
			actions.Actions = []runAction{
				{Label: "Edit…", Address: f.To("rules", "edit") + "?" + queryOf("pool", of, "rule", one.Name)},
				{Label: "Delete…", Address: f.To("rules", "delete") + "?" + queryOf("pool", of, "rule", one.Name), Question: true},
			}
		}
		where := "the installation"
		if of != "" {
			where = of
		}
		view.Rows = append(view.Rows, row{of + "-" + one.Name, []cell{
			{Text: one.Name, Lines: lines(valueOf(one.Description))}, plain(string(one.Action)), plain(where),
			{Lines: lines(one.Expression)}, plain(valueOf(one.Message)), actions,
		}})
	}
	return page{template: "table", view: view}, nil
}

func mayChangeRules(f Frame, pool string) bool { return allowRules(f, pool) == nil }

// allowRules refuses whoever may not change the rules of a pool, or those of the installation.
func allowRules(f Frame, pool string) error {
	if pool == "" {
		return f.allow("SetRule", "*")
	}
	return f.allow("SetPoolRule", pool)
}

// ruleView is the form of a rule, with what it would do.
type ruleView struct {
	Frame
	Pool, Name                             string
	Action, From, Expression, Message      string
	MessageExpression, Params, Description string
	Test                                   *api.RuleTest
	Problem                                string
}

// spec reads the form.
func (r ruleView) spec() (api.RuleSpec, error) {
	action := api.RuleAction(r.Action)
	spec := api.RuleSpec{
		Action: &action, Description: optional(r.Description), Expression: optional(r.Expression), From: optional(r.From),
		Message: optional(r.Message), MessageExpression: optional(r.MessageExpression),
	}
	if r.Params != "" {
		params, err := templating.DecodeYAML([]byte(r.Params))
		if err != nil {
			return spec, refusal(http.StatusUnprocessableEntity, "the parameters cannot be read: %v", err)
		}
		if spec.Params, err = json.Marshal(params); err != nil {
			return spec, refusal(http.StatusUnprocessableEntity, "the parameters cannot be read: %v", err)
		}
	}
	return spec, nil
}

// rulePage shows the form of a rule.
func (s *Site) rulePage(v *visit) (page, error) {
	view, err := v.ruleView()
	if err != nil {
		return page{}, err
	}
	if view.Name == "" {
		view.Action = "deny"
		return page{template: "rule", view: view}, nil
	}
	one, err := v.rule(view.Pool, view.Name)
	if err != nil {
		return page{}, err
	}
	view.Action, view.From, view.Description = string(one.Action), valueOf(one.From), valueOf(one.Description)
	view.Message, view.MessageExpression, view.Params = valueOf(one.Message), valueOf(one.MessageExpression), string(one.Params)
	if view.From == "" {
		view.Expression = one.Expression
	}
	return page{template: "rule", view: view}, nil
}

// rulesOf returns the rules that count in a pool, or, for the empty name, those of the installation.
func (v *visit) rulesOf(pool string) (api.RuleList, error) {
	if pool == "" {
		return value(v.api.ListRulesWithResponse(v.Context()))
	}
	return value(v.api.ListPoolRulesWithResponse(v.Context(), pool))
}

// rule returns a rule of a pool, or of the installation.
func (v *visit) rule(pool, name string) (api.Rule, error) {
	list, err := v.rulesOf(pool)
	if err != nil {
		return api.Rule{}, err
	}
	for _, one := range list.Items {
		if one.Name == name && valueOf(one.Pool) == pool {
			return one, nil
		}
	}
	return api.Rule{}, refusal(http.StatusNotFound, "no rule is called %q here", name)
}

func (v *visit) ruleView() (ruleView, error) {
	f, err := v.newFrame("Rule", "Rules", "rule")
	if err == nil {
		err = allowRules(f, v.FormValue("pool"))
	}
	return ruleView{Frame: f, Pool: v.FormValue("pool"), Name: v.FormValue("rule")}, err
}

// changeRule tests a rule, or saves it.
func (s *Site) changeRule(v *visit) (page, error) {
	view, err := v.ruleView()
	if err != nil {
		return page{}, err
	}
	form := v.PostFormValue
	view.Action, view.From, view.Expression, view.Message = form("action"), form("from"), form("expression"), form("message")
	view.MessageExpression, view.Params, view.Description = form("message_expression"), form("params"), form("description")
	spec, err := view.spec()
	if err == nil && form("do") == "save" {
		if err = v.saveRule(view.Pool, view.Name, spec); err == nil {
			return page{redirect: v.root() + "rules?" + queryOf("pool", view.Pool)}, nil
		}
	} else if err == nil {
		var result api.RuleTest
		if result, err = v.testRule(view.Pool, api.RuleTestRequest{Name: optional(view.Name), Rule: spec}); err == nil {
			view.Test = &result
			return page{template: "rule", view: view}, nil
		}
	}
	if isStatus(err, http.StatusForbidden) || isStatus(err, http.StatusUnauthorized) {
		return page{}, err
	}
	view.Problem = err.Error()
	return page{status: http.StatusUnprocessableEntity, template: "rule", view: view}, nil
}

func (v *visit) saveRule(pool, name string, spec api.RuleSpec) error {
	if pool == "" {
		return check(v.api.SetRuleWithResponse(v.Context(), name, spec))
	}
	return check(v.api.SetPoolRuleWithResponse(v.Context(), pool, name, &api.SetPoolRuleParams{}, spec))
}

func (v *visit) testRule(pool string, request api.RuleTestRequest) (api.RuleTest, error) {
	if pool == "" {
		return value(v.api.TestRuleWithResponse(v.Context(), request))
	}
	return value(v.api.TestPoolRuleWithResponse(v.Context(), pool, request))
}

// deleteRuleQuestion asks before a rule is deleted.
func deleteRuleQuestion(v *visit) (questionView, error) {
	pool, name := v.query.Get("pool"), v.query.Get("rule")
	f, err := v.newFrame("Delete rule "+name+"?", "Rules")
	if err == nil {
		err = allowRules(f, pool)
	}
	if err == nil {
		_, err = v.rule(pool, name)
	}
	return questionView{
		Frame: f, Heading: f.Title, Button: "Delete", Danger: true, Back: f.To("rules") + "?" + queryOf("pool", pool),
		Lines: []string{"Jobs that it has refused can run from then on."},
	}, err
}

// deleteRule deletes a rule.
func (s *Site) deleteRule(v *visit) (page, error) {
	pool, name := v.query.Get("pool"), v.query.Get("rule")
	var err error
	if pool == "" {
		err = check(v.api.DeleteRuleWithResponse(v.Context(), name))
	} else {
		err = check(v.api.DeletePoolRuleWithResponse(v.Context(), pool, name, &api.DeletePoolRuleParams{}))
	}
	if err == nil {
		return page{redirect: v.root() + "rules?" + queryOf("pool", pool)}, nil
	}
	q, asked := deleteRuleQuestion(v)
	if asked != nil {
		return page{}, asked
	}
	return q.again(v, err)
}
