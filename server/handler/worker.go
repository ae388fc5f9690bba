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

// ListWorkers lists the workers of a pool, or of all pools that the key is for.
func (h *Handler) ListWorkers(
	ctx context.Context, r apiserver.ListWorkersRequestObject,
) (apiserver.ListWorkersResponseObject, error) {
	workers, err := h.store.ListWorkers(ctx, wire.Or(r.Params.Pool, ""))
	if err != nil {
		return nil, err
	}
	who := access.From(ctx)
	workers = slices.DeleteFunc(workers, func(w store.Worker) bool { return !who.MayDo("ListWorkers", w.Pool) })
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
	ctx context.Context, r apiserver.UpdateWorkerRequestObject,
) (apiserver.UpdateWorkerResponseObject, error) {
	pause, err := wire.PauseChange(&r.Body.Paused, r.Body.PauseReason)
	if err != nil {
		return nil, err
	}
	worker, err := h.store.UpdateWorkerPaused(ctx, r.Pool, r.Worker, *pause, actor(ctx))
	if err != nil {
		return nil, err
	}
	typed, err := h.withTypes(ctx, []store.Worker{*worker})
	if err != nil {
		return nil, err
	}
	if len(typed) == 0 {
		return nil, problem.Newf(problem.NotFound, "work pool %q does not exist", r.Pool)
	}
	return apiserver.UpdateWorker200JSONResponse(wire.Worker(typed[0], h.Now())), nil
}

// withTypes completes workers that have claimed but never said hello: their type is that of their pool.
// Workers of a deleted pool are left out.
func (h *Handler) withTypes(ctx context.Context, workers []store.Worker) ([]store.Worker, error) {
	var typed []store.Worker
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
		typed = append(typed, worker)
	}
	return typed, nil
}
