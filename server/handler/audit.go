package handler

import (
	"context"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// ListAudit lists who changed what, newest first: everything, or what belongs to the pools that the key is
// for.
func (h *Handler) ListAudit(
	ctx context.Context,
	r api.ListAuditRequestObject,
) (api.ListAuditResponseObject, error) {
	p := r.Params
	entries, next, err := h.store.ListAudit(ctx, store.AuditFilter{
		Actor: value(
			p.Actor,
			"",
		), Action: store.AuditAction(value(p.Action, "")), Kind: store.AuditKind(value(p.Kind, "")),
		Name: value(p.Name, ""), Pool: value(p.Pool, ""), Pools: access.From(ctx).Pools,
		At: store.Span{After: p.After, Before: p.Before},
	}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return api.ListAudit200JSONResponse{Items: each(entries, wireAudit), NextCursor: optional(next)}, nil
}

func wireAudit(e store.AuditEntry) api.AuditEntry {
	return api.AuditEntry{
		ID: e.ID, At: e.At, Actor: e.Actor, KeyID: optional(e.Origin.KeyID), Address: optional(e.Origin.Address),
		Action: api.AuditAction(e.Action), Kind: api.AuditKind(e.Kind), Name: e.Name, Pool: optional(e.Pool),
		Detail: optional(e.Detail), Changes: each(e.Changes, wireAuditChange),
	}
}

func wireAuditChange(c store.AuditChange) api.AuditChange {
	return api.AuditChange{Field: c.Field, Before: c.Before, After: c.After, Digest: optional(c.Digest)}
}
