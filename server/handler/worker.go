package handler

import (
	"context"
	"slices"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListWorkers lists workers as they were last heard of.
func (h *Handler) ListWorkers(
	ctx context.Context,
	r apiserver.ListWorkersRequestObject,
) (apiserver.ListWorkersResponseObject, error) {
	pool := wire.Or(r.Params.Pool, "")
	if pool != "" {
		if err := access.From(ctx).CheckPool(pool); err != nil {
			return nil, err
		}
	}
	workers, err := h.store.ListWorkers(ctx, pool)
	if err != nil {
		return nil, err
	}
	workers = slices.DeleteFunc(
		workers,
		func(w store.Worker) bool { return !access.From(ctx).MayUsePool(w.Pool) },
	)
	if workers, err = h.withTypes(ctx, workers); err != nil {
		return nil, err
	}
	shown := []api.Worker{}
	for _, record := range workers {
		worker := wire.Worker(record, h.Now())
		if r.Params.Alive == nil || *r.Params.Alive == worker.Alive {
			shown = append(shown, worker)
		}
	}
	return apiserver.ListWorkers200JSONResponse{Items: shown}, nil
}

// UpdateWorker pauses or resumes a worker.
func (h *Handler) UpdateWorker(
	ctx context.Context,
	r apiserver.UpdateWorkerRequestObject,
) (apiserver.UpdateWorkerResponseObject, error) {
	if err := access.From(ctx).CheckPool(r.Pool); err != nil {
		return nil, err
	}
	worker, err := h.store.SetWorkerPaused(ctx, r.Pool, r.Worker, r.Body.Paused, actor(ctx))
	if err != nil {
		return nil, err
	}
	known, err := h.withTypes(ctx, []store.Worker{*worker})
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return nil, problem.Newf(problem.NotFound, "work pool %q does not exist", r.Pool)
	}
	return apiserver.UpdateWorker200JSONResponse(wire.Worker(known[0], h.Now())), nil
}

// withTypes says of which type a worker is that has claimed but not said hello: it can only be its pool's.
// One whose pool is gone is left out.
func (h *Handler) withTypes(ctx context.Context, workers []store.Worker) ([]store.Worker, error) {
	var known []store.Worker
	for _, worker := range workers {
		if worker.Type == "" {
			pool, err := h.store.GetPool(ctx, worker.Pool)
			if store.IsCode(err, store.NotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			worker.Type = pool.Type
		}
		known = append(known, worker)
	}
	return known, nil
}
