package wire

import (
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// APIKey converts a key without its secret.
func APIKey(k store.Key) api.APIKey {
	return api.APIKey{
		ID:             k.ID,
		Name:           k.Name,
		Kind:           keyKind(k),
		Owner:          OrNil(k.Owner.Name),
		OwnerID:        OrNil(k.Owner.ID),
		Token:          TokenIdentity(k.Token),
		Bindings:       Each(k.Bindings, binding),
		LapsedBindings: lapsed(k.Lapsed),
		CreatedAt:      Time(k.CreatedAt),
		CreatedBy:      k.CreatedBy,
		ExpiresAt:      TimePtr(k.ExpiresAt),
		LastUsedAt:     TimePtr(k.LastUsedAt),
		RevokedAt:      TimePtr(k.RevokedAt),
	}
}

func lapsed(bindings []store.Binding) *[]api.Binding {
	if len(bindings) == 0 {
		return nil
	}
	converted := Each(bindings, binding)
	return &converted
}

// keyKind says whose key it is. Keys that service accounts create are service accounts, too.
func keyKind(k store.Key) api.APIKeyKind {
	switch {
	case k.Token.Rule != "":
		return api.KeyCI
	case k.Owner.Kind == store.ActorPerson:
		return api.KeyPersonal
	}
	return api.KeyServiceAccount
}

// TokenIdentity converts whose token a key was made for; nil for other keys.
func TokenIdentity(t store.TokenIdentity) *api.TokenIdentity {
	if t.Rule == "" {
		return nil
	}
	return &api.TokenIdentity{Rule: t.Rule, Issuer: t.Issuer, Subject: t.Subject}
}

func binding(b store.Binding) api.Binding { return api.Binding{Role: api.Role(b.Role), Pool: b.Pool} }

// ReadBinding converts a binding of a request.
func ReadBinding(b api.Binding) store.Binding {
	return store.Binding{Role: string(b.Role), Pool: b.Pool}
}

// Variable converts a stored variable.
func Variable(v store.Variable) api.Variable {
	return api.Variable{Name: v.Name, Value: v.Value, Project: OrNil(v.Project), UpdatedAt: Time(v.UpdatedAt)}
}

// AuditEntry converts an entry of the audit.
func AuditEntry(e store.AuditEntry) api.AuditEntry {
	return api.AuditEntry{
		ID:        e.ID,
		At:        Time(e.At),
		Actor:     e.Actor,
		ActorKind: api.ActorKind(e.Origin.Kind),
		KeyID:     OrNil(e.Origin.KeyID),
		Address:   OrNil(e.Origin.Address),
		Action:    api.AuditAction(e.Action),
		Kind:      api.AuditKind(e.Kind),
		Name:      e.Name,
		Pool:      OrNil(e.Pool),
		Detail:    OrNil(e.Detail),
		Changes: Each(e.Changes, func(c store.AuditChange) api.AuditChange {
			return api.AuditChange{Field: c.Field, Before: c.Before, After: c.After, Digest: OrNil(c.Digest)}
		}),
	}
}
