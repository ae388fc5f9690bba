package handler

import (
	"context"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListAudit lists who changed what, newest first, in the pools that the key is for.
func (h *Handler) ListAudit(
	ctx context.Context, r apiserver.ListAuditRequestObject,
) (apiserver.ListAuditResponseObject, error) {
	p := r.Params
	entries, next, err := h.store.ListAudit(ctx, store.AuditFilter{
		Actor:     wire.Or(p.Actor, ""),
		ActorKind: store.ActorKind(wire.Or(p.ActorKind, "")),
		Action:    store.AuditAction(wire.Or(p.Action, "")),
		Kind:      store.AuditKind(wire.Or(p.Kind, "")),
		Name:      wire.Or(p.Name, ""),
		Pool:      wire.Or(p.Pool, ""),
		Pools:     access.From(ctx).PoolsFor("ListAudit"),
		At:        store.TimeRange{After: p.After, Before: p.Before},
	}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return apiserver.ListAudit200JSONResponse{
		Items:      wire.Each(entries, wire.AuditEntry),
		NextCursor: wire.OrNil(next),
	}, nil
}
