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
	filter := store.AuditFilter{
		Actor:     wire.Or(p.Actor, ""),
		ActorKind: store.ActorKind(wire.Or(p.ActorKind, "")),
		Action:    store.AuditAction(wire.Or(p.Action, "")),
		Kind:      store.AuditKind(wire.Or(p.Kind, "")),
		Name:      wire.Or(p.Name, ""),
		Pool:      wire.Or(p.Pool, ""),
		Pools:     access.From(ctx).PoolsFor("ListAudit"),
		At:        store.TimeRange{After: p.After, Before: p.Before},
	}
	list, err := fromHistory(func(ctx context.Context) (apiserver.ListAudit200JSONResponse, error) {
		entries, next, err := h.store.ListAudit(ctx, filter, page(p.Limit, p.Cursor))
		return apiserver.ListAudit200JSONResponse{
			Items:      wire.Each(entries, wire.AuditEntry),
			NextCursor: wire.OrNil(next.Cursor),
			SearchedTo: next.SearchedTo,
		}, err
	})(ctx)
	if err != nil {
		return nil, err
	}
	return list, nil
}
