package handler

import (
	"context"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// GetWorkQueue returns a queue.
func (h *Handler) GetWorkQueue(
	ctx context.Context,
	r apiserver.GetWorkQueueRequestObject,
) (apiserver.GetWorkQueueResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	queue, err := h.store.GetQueue(ctx, r.Pool, r.Queue)
	if err != nil {
		return nil, err
	}
	return apiserver.GetWorkQueue200JSONResponse(wire.WorkQueue(*queue)), nil
}

// UpdateWorkQueue changes what is given.
func (h *Handler) UpdateWorkQueue(
	ctx context.Context,
	r apiserver.UpdateWorkQueueRequestObject,
) (apiserver.UpdateWorkQueueResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	unlimited := wire.Or(r.Body.NoConcurrencyLimit, false)
	if unlimited && r.Body.ConcurrencyLimit != nil {
		return nil, problem.Newf(problem.InvalidBody, "give concurrency_limit or no_concurrency_limit, not both").
			At("/no_concurrency_limit", "contradicts concurrency_limit")
	}
	queue, err := h.store.UpdateQueue(ctx, r.Pool, r.Queue, store.QueueChange{
		Priority: r.Body.Priority, ConcurrencyLimit: r.Body.ConcurrencyLimit, NoConcurrencyLimit: unlimited, Paused: r.Body.Paused,
	}, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.UpdateWorkQueue200JSONResponse(wire.WorkQueue(*queue)), nil
}

// DeleteWorkQueue deletes a queue that nothing uses.
func (h *Handler) DeleteWorkQueue(
	ctx context.Context,
	r apiserver.DeleteWorkQueueRequestObject,
) (apiserver.DeleteWorkQueueResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	if err := h.store.DeleteQueue(ctx, r.Pool, r.Queue, actor(ctx)); err != nil {
		return nil, err
	}
	return apiserver.DeleteWorkQueue204Response{}, nil
}
