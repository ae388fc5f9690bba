package ui

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
)

// variablesPage lists variables. A value is shown when it is asked for.
func (s *Site) variablesPage(v *visit) (page, error) {
	f, err := v.newFrame("Variables", "Variables", "variable")
	if err != nil {
		return page{}, err
	}
	list, err := value(v.api.ListVariablesWithResponse(v.Context(), &api.ListVariablesParams{Limit: limitOf(), Cursor: v.cursor()}))
	if err != nil {
		return page{}, err
	}
	view := tableView{
		Frame: f, Heading: "Variables", About: "Templates and job variables read them as {{ berth.variables.NAME }}. They are no secrets.",
		Columns: []string{"Name", "Value", "Project", "Changed", "Actions"}, Empty: "No variable yet.", Command: "berth variable set NAME VALUE",
	}
	write := f.May("SetVariable", "*")
	if write {
		view.Actions = []runAction{{Label: "New variable…", Address: f.To("variables", "set"), Question: true, Main: true}}
	}
	for _, one := range list.Items {
		text, err := indented(one.Value)
		if err != nil {
			return page{}, err
		}
		actions := cell{}
		if write {
			actions.Actions = []runAction{
				{Label: "Change…", Address: f.To("variables", "set") + "?" + queryOf("name", one.Name), Question: true},
				{Label: "Delete…", Address: f.To("variables", "delete") + "?" + queryOf("name", one.Name), Question: true},
			}
		}
		view.Rows = append(view.Rows, row{one.Name, []cell{plain(one.Name), {Hidden: text}, plain(valueOf(one.Project)), at(one.UpdatedAt), actions}})
	}
	view.pagesOf(v, list.NextCursor)
	return page{template: "table", view: view}, nil
}

// setVariableQuestion asks for the value of a variable.
func setVariableQuestion(v *visit) (questionView, error) {
	name := v.query.Get("name")
	f, err := v.newFrameTo("SetVariable", "*", "Set a variable", "Variables")
	if err != nil {
		return questionView{}, err
	}
	text := ""
	if name != "" {
		one, err := value(v.api.GetVariableWithResponse(v.Context(), name))
		if err != nil {
			return questionView{}, err
		}
		if text, err = indented(one.Value); err != nil {
			return questionView{}, err
		}
	}
	return questionView{
		Frame: f, Heading: f.Title, Button: "Save", Back: f.To("variables"),
		Fields: []field{
			{Kind: "text", Name: "name", Label: "Name", Value: name, Required: true},
			{Kind: "textarea", Name: "value", Label: "Value, as JSON or YAML", Value: text, Hint: `A text that looks like a number needs quotes: "007".`},
		},
	}, nil
}

// setVariable saves a variable.
func (s *Site) setVariable(v *visit) (page, error) {
	err := v.saveVariable(v.PostFormValue("name"), v.PostFormValue("value"))
	if err == nil {
		return v.redirectTo("variables"), nil
	}
	q, asked := setVariableQuestion(v)
	if asked != nil {
		return page{}, asked
	}
	return q.again(v, err)
}

func (v *visit) saveVariable(name, text string) error {
	document, err := templating.DecodeYAML([]byte(text))
	if err != nil {
		return refusal(http.StatusUnprocessableEntity, "the value cannot be read: %v", err)
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		return refusal(http.StatusUnprocessableEntity, "the value cannot be read: %v", err)
	}
	return check(v.api.SetVariableWithResponse(v.Context(), name, api.VariableSet{Value: encoded}))
}

// deleteVariableQuestion asks before a variable is deleted.
func deleteVariableQuestion(v *visit) (questionView, error) {
	name := v.query.Get("name")
	f, err := v.newFrameTo("DeleteVariable", "*", "Delete variable "+name+"?", "Variables")
	if err != nil {
		return questionView{}, err
	}
	if _, err := value(v.api.GetVariableWithResponse(v.Context(), name)); err != nil {
		return questionView{}, err
	}
	return questionView{
		Frame: f, Heading: f.Title, Button: "Delete", Danger: true, Back: f.To("variables"),
		Lines: []string{"A deployment that refers to it keeps it from being deleted. It can be restored for 30 days: berth variable restore " + name},
	}, nil
}

// deleteVariable deletes a variable.
func (s *Site) deleteVariable(v *visit) (page, error) {
	answer, err := v.api.DeleteVariableWithResponse(v.Context(), v.query.Get("name"), &api.DeleteVariableParams{})
	if err = check(answer, err); err == nil {
		return v.redirectTo("variables"), nil
	}
	q, asked := deleteVariableQuestion(v)
	if asked != nil {
		return page{}, asked
	}
	for _, user := range usersOf(err) {
		q.Names = append(q.Names, strings.TrimSpace(string(user.Kind)+" "+user.Name))
	}
	return q.again(v, err)
}
