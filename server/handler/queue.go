package handler

import (
	"context"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListWorkQueues lists the queues of a pool.
func (h *Handler) ListWorkQueues(
	ctx context.Context, r apiserver.ListWorkQueuesRequestObject,
) (apiserver.ListWorkQueuesResponseObject, error) {
	queues, err := h.store.ListQueues(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	waits, err := h.store.ListQueueWaits(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	items := wire.Each(queues, func(q store.Queue) api.WorkQueue { return wire.WorkQueueWithWait(q, waits[q.ID]) })
	return apiserver.ListWorkQueues200JSONResponse{Items: items}, nil
}

// CreateWorkQueue adds a queue to a pool.
func (h *Handler) CreateWorkQueue(
	ctx context.Context, r apiserver.CreateWorkQueueRequestObject,
) (apiserver.CreateWorkQueueResponseObject, error) {
	objective, err := wire.ReadObjective(r.Body.Objective)
	if err != nil {
		return nil, err
	}
	queue, err := h.store.CreateQueue(ctx, store.Queue{
		Pool:             r.Pool,
		Name:             r.Body.Name,
		Priority:         wire.Or(r.Body.Priority, 1),
		ConcurrencyLimit: r.Body.ConcurrencyLimit,
		Objective:        wire.Or(objective, 0),
	}, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.CreateWorkQueue201JSONResponse(wire.WorkQueue(*queue)), nil
}

// GetWorkQueue returns a queue.
func (h *Handler) GetWorkQueue(
	ctx context.Context, r apiserver.GetWorkQueueRequestObject,
) (apiserver.GetWorkQueueResponseObject, error) {
	queue, err := h.store.GetQueue(ctx, r.Pool, r.Queue)
	if err != nil {
		return nil, err
	}
	waits, err := h.store.ListQueueWaits(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	return apiserver.GetWorkQueue200JSONResponse(wire.WorkQueueWithWait(*queue, waits[queue.ID])), nil
}

// UpdateWorkQueue changes the fields that the body has.
func (h *Handler) UpdateWorkQueue(
	ctx context.Context, r apiserver.UpdateWorkQueueRequestObject,
) (apiserver.UpdateWorkQueueResponseObject, error) {
	noLimit := wire.Or(r.Body.NoConcurrencyLimit, false)
	if err := checkLimit(r.Body.ConcurrencyLimit, noLimit); err != nil {
		return nil, err
	}
	objective, err := wire.ReadObjective(r.Body.Objective)
	if err != nil {
		return nil, err
	}
	if wire.Or(r.Body.NoObjective, false) {
		if objective != nil {
			return nil, invalidField("/no_objective", "cannot be combined with objective")
		}
		objective = new(time.Duration)
	}
	pause, err := wire.PauseChange(r.Body.Paused, r.Body.PauseReason)
	if err != nil {
		return nil, err
	}
	queue, err := h.store.UpdateQueue(ctx, r.Pool, r.Queue, store.QueueUpdate{
		Priority:           r.Body.Priority,
		ConcurrencyLimit:   r.Body.ConcurrencyLimit,
		NoConcurrencyLimit: noLimit,
		Objective:          objective,
		Pause:              pause,
	}, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.UpdateWorkQueue200JSONResponse(wire.WorkQueue(*queue)), nil
}

// DeleteWorkQueue deletes a queue that no deployment and no run uses.
func (h *Handler) DeleteWorkQueue(
	ctx context.Context, r apiserver.DeleteWorkQueueRequestObject,
) (apiserver.DeleteWorkQueueResponseObject, error) {
	gone, err := h.deletes(ctx, func(tx *store.Tx) error {
		return tx.DeleteQueue(ctx, r.Pool, r.Queue, actor(ctx))
	})
	if err != nil {
		return nil, err
	}
	return apiserver.DeleteWorkQueue200JSONResponse(gone), nil
}
