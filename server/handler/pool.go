package handler

import (
	"context"
	"encoding/json"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListWorkPools lists the pools that the key is for.
func (h *Handler) ListWorkPools(
	ctx context.Context,
	r apiserver.ListWorkPoolsRequestObject,
) (apiserver.ListWorkPoolsResponseObject, error) {
	pools, next, err := h.store.ListPoolsOf(
		ctx,
		access.From(ctx).Pools,
		page(r.Params.Limit, r.Params.Cursor),
	)
	if err != nil {
		return nil, err
	}
	return apiserver.ListWorkPools200JSONResponse{Items: wire.Each(pools, wire.WorkPool), NextCursor: wire.OrNil(next)}, nil
}

// CreateWorkPool makes a pool with its first template version, the default one where none is given.
func (h *Handler) CreateWorkPool(
	ctx context.Context,
	r apiserver.CreateWorkPoolRequestObject,
) (apiserver.CreateWorkPoolResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Body.Name); err != nil {
		return nil, err
	}
	doc, err := h.poolTemplate(r.Body.Type, r.Body.BaseJobTemplate)
	if err != nil {
		return nil, finding.ErrorUnder(err, "/base_job_template")
	}
	pool, err := h.store.CreatePool(ctx, store.NewPool{
		Name: r.Body.Name, Type: string(r.Body.Type), Description: wire.Or(r.Body.Description, ""),
		ConcurrencyLimit: r.Body.ConcurrencyLimit, Paused: wire.Or(r.Body.Paused, false), Template: doc,
	}, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.CreateWorkPool201JSONResponse(wire.WorkPool(*pool)), nil
}

// poolTemplate is the given template, checked, or the default one of the pool's type.
func (h *Handler) poolTemplate(
	kind api.PoolType,
	given json.RawMessage,
) (store.TemplateDoc, error) {
	if given == nil {
		return h.Templates.Default(string(kind))
	}
	checked, err := h.Templates.Check(given)
	if err != nil {
		return store.TemplateDoc{}, err
	}
	return checked.Doc, nil
}

// GetWorkPool returns a pool.
func (h *Handler) GetWorkPool(
	ctx context.Context,
	r apiserver.GetWorkPoolRequestObject,
) (apiserver.GetWorkPoolResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	pool, err := h.store.GetPool(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	return apiserver.GetWorkPool200JSONResponse(wire.WorkPool(*pool)), nil
}

// UpdateWorkPool changes what is given.
func (h *Handler) UpdateWorkPool(
	ctx context.Context,
	r apiserver.UpdateWorkPoolRequestObject,
) (apiserver.UpdateWorkPoolResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	unlimited := wire.Or(r.Body.NoConcurrencyLimit, false)
	if unlimited && r.Body.ConcurrencyLimit != nil {
		return nil, problem.Newf(problem.InvalidBody, "give concurrency_limit or no_concurrency_limit, not both").
			At("/no_concurrency_limit", "contradicts concurrency_limit")
	}
	pool, err := h.store.UpdatePool(ctx, r.Pool, store.PoolChange{
		Description: r.Body.Description, ConcurrencyLimit: r.Body.ConcurrencyLimit,
		NoConcurrencyLimit: unlimited, Paused: r.Body.Paused,
	}, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.UpdateWorkPool200JSONResponse(wire.WorkPool(*pool)), nil
}

// DeleteWorkPool deletes a pool and what is in it.
func (h *Handler) DeleteWorkPool(
	ctx context.Context,
	r apiserver.DeleteWorkPoolRequestObject,
) (apiserver.DeleteWorkPoolResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	if err := h.store.DeletePool(ctx, r.Pool, wire.Or(r.Params.Force, false), actor(ctx)); err != nil {
		return nil, err
	}
	return apiserver.DeleteWorkPool204Response{}, nil
}

// ListWorkQueues lists a pool's queues.
func (h *Handler) ListWorkQueues(
	ctx context.Context,
	r apiserver.ListWorkQueuesRequestObject,
) (apiserver.ListWorkQueuesResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	queues, err := h.store.ListQueues(ctx, r.Pool)
	if err != nil {
		return nil, err
	}
	return apiserver.ListWorkQueues200JSONResponse{Items: wire.Each(queues, wire.WorkQueue)}, nil
}

// CreateWorkQueue adds a queue to a pool.
func (h *Handler) CreateWorkQueue(
	ctx context.Context,
	r apiserver.CreateWorkQueueRequestObject,
) (apiserver.CreateWorkQueueResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	queue, err := h.store.CreateQueue(ctx, store.Queue{
		Pool: r.Pool, Name: r.Body.Name, Priority: wire.Or(r.Body.Priority, 1), ConcurrencyLimit: r.Body.ConcurrencyLimit,
	}, actor(ctx))
	if err != nil {
		return nil, err
	}
	return apiserver.CreateWorkQueue201JSONResponse(wire.WorkQueue(*queue)), nil
}
