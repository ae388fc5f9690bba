package ui

import (
	"net/http"
	"strings"

	"github.com/berth-dev/berth/server/api"
)

// roles that a key can have, in the order of what they may do.
var roles = []api.Role{api.RoleViewer, api.RoleOperator, api.RoleDeployer, api.RoleEditor, api.RoleAdmin, api.RoleWorker}

// keysPage lists API keys.
func (s *Site) keysPage(v *visit) (page, error) {
	f, err := v.newFrame("API keys", "API keys", "api-key")
	if err != nil {
		return page{}, err
	}
	list, err := value(v.api.ListAPIKeysWithResponse(v.Context(), &api.ListAPIKeysParams{}))
	if err != nil {
		return page{}, err
	}
	view := tableView{
		Frame: f, Heading: "API keys", About: "A key is shown once, when it is made.", Empty: "No key yet.", Command: "berth api-key create NAME --role viewer",
		Columns: []string{"Name", "Roles", "Made", "Last used", "Expires", "Actions"},
	}
	write := f.May("CreateAPIKey", "*")
	if write {
		view.Actions = []runAction{{Label: "New key…", Address: f.To("keys", "new"), Main: true}}
	}
	for _, k := range list.Items {
		bound := cell{}
		for _, b := range k.Bindings {
			bound.Tags = append(bound.Tags, bindingText(b))
		}
		actions := cell{}
		if write {
			actions.Actions = []runAction{{Label: "Revoke…", Address: f.To("keys", "revoke") + "?" + queryOf("key", k.ID), Question: true}}
		}
		made := at(k.CreatedAt)
		made.Lines = lines("by " + k.CreatedBy)
		view.Rows = append(view.Rows, row{k.ID, []cell{
			{Text: k.Name, Lines: lines(k.ID)}, bound, made, {At: k.LastUsedAt}, {At: k.ExpiresAt}, actions,
		}})
	}
	return page{template: "table", view: view}, nil
}

func bindingText(b api.Binding) string {
	if b.Pool == "" || b.Pool == "*" {
		return string(b.Role)
	}
	return string(b.Role) + " in " + string(b.Pool)
}

// newKeyView asks for a new key, and shows it once.
type newKeyView struct {
	Frame
	Roles   []api.Role
	Name    string
	Role    string
	Pool    string
	Expires string
	Secret  string // of the new key
	Problem string
}

func (v *visit) newKeyView() (newKeyView, error) {
	f, err := v.newFrameTo("CreateAPIKey", "*", "New API key", "API keys")
	return newKeyView{
		Frame: f, Roles: roles, Name: v.PostFormValue("name"), Role: v.PostFormValue("role"), Pool: v.PostFormValue("pool"),
		Expires: v.PostFormValue("expires"),
	}, err
}

// newKeyPage asks for a new key.
func (s *Site) newKeyPage(v *visit) (page, error) {
	view, err := v.newKeyView()
	return page{template: "key", view: view}, err
}

// newKey makes a key. Its secret is in this answer and nowhere after.
func (s *Site) newKey(v *visit) (page, error) {
	view, err := v.newKeyView()
	if err != nil {
		return page{}, err
	}
	pool := view.Pool
	if pool == "" {
		pool = "*"
	}
	wanted := api.APIKeyCreate{Name: view.Name, Bindings: []api.Binding{{Role: api.Role(view.Role), Pool: api.BindingPool(pool)}}}
	if wanted.ExpiresAt, err = moment("expires", view.Expires); err == nil {
		var made api.APIKeyCreated
		if made, err = created(v.api.CreateAPIKeyWithResponse(v.Context(), wanted)); err == nil {
			view.Secret = made.Secret
			return page{template: "key", view: view}, nil
		}
	}
	if isStatus(err, http.StatusForbidden) || isStatus(err, http.StatusUnauthorized) {
		return page{}, err
	}
	view.Problem = err.Error()
	return page{status: http.StatusUnprocessableEntity, template: "key", view: view}, nil
}

// revokeKeyQuestion asks before a key is revoked.
func revokeKeyQuestion(v *visit) (questionView, error) {
	key, err := v.key()
	if err != nil {
		return questionView{}, err
	}
	f, err := v.newFrameTo("RevokeAPIKey", "*", "Revoke "+key.Name+"?", "API keys")
	return questionView{
		Frame: f, Heading: f.Title, Button: "Revoke", Danger: true, Back: f.To("keys"),
		Lines:  []string{"Whoever uses the key is refused within seconds. It cannot be undone."},
		Fields: []field{{Kind: "text", Name: "name", Label: "Its name, to confirm", Required: true}},
	}, err
}

// key returns the key that the address names by its ID.
func (v *visit) key() (api.APIKey, error) {
	id := v.query.Get("key")
	list, err := value(v.api.ListAPIKeysWithResponse(v.Context(), &api.ListAPIKeysParams{}))
	if err != nil {
		return api.APIKey{}, err
	}
	for _, one := range list.Items {
		if one.ID == id {
			return one, nil
		}
	}
	return api.APIKey{}, refusal(http.StatusNotFound, "no API key has the ID %q", id)
}

// revokeKey revokes a key whose name was typed.
func (s *Site) revokeKey(v *visit) (page, error) {
	key, err := v.key()
	if err != nil {
		return page{}, err
	}
	if strings.TrimSpace(v.PostFormValue("name")) != key.Name {
		err = refusal(http.StatusUnprocessableEntity, "type the name of the key, %s, to confirm", key.Name)
	} else {
		err = check(v.api.RevokeAPIKeyWithResponse(v.Context(), key.ID))
	}
	if err == nil {
		return v.redirectTo("keys"), nil
	}
	q, asked := revokeKeyQuestion(v)
	if asked != nil {
		return page{}, asked
	}
	return q.again(v, err)
}
