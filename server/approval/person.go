package approval

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/store"
)

// actorOf is the sender of a request.
func actorOf(who access.Principal) store.ApprovalActor {
	a := store.ApprovalActor{Name: who.Name, KeyID: who.KeyID, CreatedBy: who.CreatedBy}
	if who.Session != nil {
		a.Issuer, a.Subject = who.Session.Issuer, who.Session.Subject
	}
	return a
}

// keyReader reads the API keys there are.
type keyReader interface {
	ListKeys(ctx context.Context, f store.KeyFilter) ([]store.Key, error)
}

// samePerson reports whether two actors may be one person: two sessions of a person, keys of the same name, a
// person and a key of that name, or a key and whoever created it, at any distance. Two keys that a third
// created are two persons: an admin hands keys out.
func samePerson(ctx context.Context, keys keyReader, a, b store.ApprovalActor) (bool, error) {
	if a.Subject != "" && a.Subject == b.Subject && a.Issuer == b.Issuer {
		return true, nil
	}
	if a.KeyID != "" && a.KeyID == b.KeyID || strings.EqualFold(a.Name, b.Name) {
		return true, nil
	}
	list, err := keys.ListKeys(ctx, store.KeyFilter{})
	if err != nil {
		return false, err
	}
	return slices.Contains(creators(list, a), fold(b.Name)) || slices.Contains(creators(list, b), fold(a.Name)), nil
}

// creators are the names of the creator of a key, of the creator of that one, and so on.
func creators(keys []store.Key, a store.ApprovalActor) []string {
	by := map[string][]string{}
	for _, k := range keys {
		by[fold(k.Name)] = append(by[fold(k.Name)], fold(k.CreatedBy))
	}
	var names []string
	next := []string{fold(a.CreatedBy)}
	if a.Subject == "" {
		next = append(next, by[fold(a.Name)]...)
	}
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		if name == "" || slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
		next = append(next, by[name]...)
	}
	return names
}

func fold(name string) string { return strings.ToLower(name) }

// People knows the roles of people who sign in.
type People interface {
	// BindingsOf returns the roles that a person has by now.
	BindingsOf(person store.Person) []access.Binding
}

// lostRole says why the approver of a request may not approve it any more; empty if they may.
func (g *Gate) lostRole(ctx context.Context, tx *store.Tx, a *store.Approval) (string, error) {
	d := a.Decider
	bindings, why, err := g.bindingsNow(ctx, tx, d)
	if err != nil || why != "" {
		return why, err
	}
	role := access.Principal{Bindings: bindings}.RoleIn(a.Pool)
	if !access.AtLeast(role, approverRole(a.Approver)) {
		return fmt.Sprintf("%s, who approved it, does not have the role %s in the work pool any more",
			d.Name, a.Approver), nil
	}
	return "", nil
}

// bindingsNow returns the roles that an approver has now, or why it has none.
func (g *Gate) bindingsNow(
	ctx context.Context, tx *store.Tx, d *store.ApprovalActor,
) (bindings []access.Binding, why string, err error) {
	if d.Subject != "" {
		return g.personNow(ctx, tx, d)
	}
	key, err := tx.GetKey(ctx, d.KeyID)
	if store.IsCode(err, store.NotFound) {
		return nil, fmt.Sprintf("the API key of %s, who approved it, does not exist any more", d.Name), nil
	}
	if err != nil {
		return nil, "", err
	}
	switch {
	case key.RevokedAt != nil:
		return nil, fmt.Sprintf("the API key of %s, who approved it, was revoked", d.Name), nil
	case expired(key.ExpiresAt, g.Now()):
		return nil, fmt.Sprintf("the API key of %s, who approved it, has expired", d.Name), nil
	}
	return access.Bindings(key.Bindings), "", nil
}

func expired(at *time.Time, now time.Time) bool { return at != nil && !now.Before(*at) }

// personNow looks at the newest session of a person. Its end does not take an approval back, unless someone
// else ended it.
func (g *Gate) personNow(
	ctx context.Context, tx *store.Tx, d *store.ApprovalActor,
) (bindings []access.Binding, why string, err error) {
	sessions, _, err := tx.ListSessions(ctx,
		store.SessionFilter{Issuer: d.Issuer, Subject: d.Subject}, store.Page{Limit: 1})
	switch {
	case err != nil:
		return nil, "", err
	case len(sessions) == 0 || g.People == nil:
		return nil, fmt.Sprintf("%s, who approved it, cannot sign in any more", d.Name), nil
	case sessions[0].RevokedAt != nil && sessions[0].RevokedBy != sessions[0].Person.Actor:
		return nil, fmt.Sprintf("the session of %s, who approved it, was revoked by %s", d.Name,
			sessions[0].RevokedBy), nil
	}
	return g.People.BindingsOf(sessions[0].Person), "", nil
}
