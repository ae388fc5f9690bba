package identity

import (
	"slices"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/store"
)

// personRoles are the roles that people can have.
func personRoles() []string {
	var names []string
	for _, role := range access.Roles() {
		if role != api.RoleWorker {
			names = append(names, string(role))
		}
	}
	return names
}

// bindings returns the roles of grants in pools.
func bindings(grants []Grant) []access.Binding {
	var all []access.Binding
	for _, grant := range grants {
		pools := grant.Pools
		if pools == nil {
			pools = []string{access.AllPools}
		}
		for _, pool := range pools {
			binding := access.Binding{Role: grant.Role, Pool: pool}
			if !slices.Contains(all, binding) {
				all = append(all, binding)
			}
		}
	}
	return all
}

// BindingsOf returns the roles of a person by the current access file; none for a person who may not sign in.
func (s *Service) BindingsOf(person store.Person) []access.Binding {
	if s.check(person) != nil {
		return nil
	}
	return bindings(s.grants.Of(person))
}

func principal(token apikey.Key, session *store.Session, grants []Grant) access.Principal {
	p := session.Person
	idToken := func() string {
		text, err := openToken(token, session.IDToken)
		if err != nil {
			return "" // it has none, or a damaged one: the provider asks the person then
		}
		return text
	}
	return access.Principal{
		Name: p.Actor, KeyID: session.ID, Bindings: bindings(grants), Authenticated: true,
		Kind: api.CallerUser, ExpiresAt: &session.ExpiresAt,
		Session: &access.SignedIn{Issuer: p.Issuer, Subject: p.Subject, Email: p.Email, Name: p.Name, IDToken: idToken},
	}
}
