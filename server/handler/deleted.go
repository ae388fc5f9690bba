package handler

import (
	"context"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/undo"
	"github.com/berth-dev/berth/server/wire"
)

// deletes runs a transaction that deletes something, and returns what can be restored of it.
func (h *Handler) deletes(ctx context.Context, do func(*store.Tx) error) (api.Deletion, error) {
	var gone store.Deletion
	err := h.store.InTx(ctx, func(tx *store.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		gone = tx.Deleted()
		return nil
	})
	return wire.Deletion(gone, h.Retention), err
}

func deleteOptions(force, permanently *bool) store.DeleteOptions {
	return store.DeleteOptions{Force: wire.Or(force, false), Permanently: wire.Or(permanently, false)}
}

// ListDeleted lists what the caller may restore.
func (h *Handler) ListDeleted(
	ctx context.Context, r apiserver.ListDeletedRequestObject,
) (apiserver.ListDeletedResponseObject, error) {
	p := r.Params
	items, next, err := h.store.ListDeleted(ctx, store.DeletedFilter{
		Deletion: wire.Or(p.Deletion, uuid.Nil), Kind: store.DeletedKind(wire.Or(p.Kind, "")),
		Name: wire.Or(p.Name, ""), Pool: wire.Or(p.Pool, ""), Scope: undo.Scope(access.From(ctx)),
	}, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return apiserver.ListDeleted200JSONResponse{
		Items: wire.DeletedItems(items, h.Retention), NextCursor: wire.OrNil(next),
	}, nil
}

// RestoreDeleted brings deleted objects back.
func (h *Handler) RestoreDeleted(
	ctx context.Context, r apiserver.RestoreDeletedRequestObject,
) (apiserver.RestoreDeletedResponseObject, error) {
	selection, err := undo.Selection(*r.Body)
	if err != nil {
		return nil, err
	}
	var restored []store.DeletedItem
	err = h.changesDeleted(ctx, selection, func(tx *store.Tx, items []store.DeletedItem) (err error) {
		check, err := h.Approvals.Begin(ctx, tx)
		if err != nil {
			return err
		}
		if restored, err = tx.RestoreDeleted(ctx, items, wire.Or(r.Body.As, ""), actor(ctx)); err != nil {
			return err
		}
		return admitRestored(ctx, tx, check, restored)
	})
	if err != nil {
		return nil, err
	}
	h.KeysChanged() // the keys of a restored pool have their roles again
	return apiserver.RestoreDeleted200JSONResponse{Items: wire.DeletedItems(restored, h.Retention)}, nil
}

// PurgeDeleted removes deleted objects for good.
func (h *Handler) PurgeDeleted(
	ctx context.Context, r apiserver.PurgeDeletedRequestObject,
) (apiserver.PurgeDeletedResponseObject, error) {
	selection, err := undo.Selection(api.RestoreRequest{
		Deletion: r.Body.Deletion, Kind: r.Body.Kind, Name: r.Body.Name, Pool: r.Body.Pool,
	})
	if err != nil {
		return nil, err
	}
	var purged []store.DeletedItem
	err = h.changesDeleted(ctx, selection, func(tx *store.Tx, items []store.DeletedItem) error {
		purged = items
		return tx.PurgeDeleted(ctx, items, actor(ctx))
	})
	if err != nil {
		return nil, err
	}
	return apiserver.PurgeDeleted200JSONResponse{Items: wire.DeletedItems(purged, h.Retention)}, nil
}

// changesDeleted runs a transaction on the deleted objects of a selection that the caller may delete.
func (h *Handler) changesDeleted(
	ctx context.Context, s store.DeletedSelection, do func(*store.Tx, []store.DeletedItem) error,
) error {
	who := access.From(ctx)
	return h.store.InTx(ctx, func(tx *store.Tx) error {
		items, err := tx.LockDeleted(ctx, s, undo.Scope(who))
		if err != nil {
			return undo.Missing(err, who, s)
		}
		return do(tx, items)
	})
}
