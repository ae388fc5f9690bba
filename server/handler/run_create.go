package handler

import (
	"context"
	"maps"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/request"
	"github.com/berth-dev/berth/server/wire"
)

// CreateRun creates a run of a deployment, or returns the run that the idempotency key created before.
func (h *Handler) CreateRun(
	ctx context.Context, r apiserver.CreateRunRequestObject,
) (apiserver.CreateRunResponseObject, error) {
	body, _ := request.Document(ctx).(map[string]any)
	wanted, err := newRunRequest(*r.Body, wire.Or(r.Params.IdempotencyKey, ""), body)
	if err != nil {
		return nil, err
	}
	created, err := h.runs.Create(ctx, r.Deployment, wanted, access.From(ctx))
	if err != nil {
		return nil, err
	}

	shown := wire.Run(created.Run)
	shown.Warnings = nilIfEmpty(created.Warnings)
	if created.Existed {
		return apiserver.CreateRun200JSONResponse(shown), nil
	}
	return apiserver.CreateRun201JSONResponse(shown), nil
}

// CreateRuns creates many runs of a deployment, all or none.
func (h *Handler) CreateRuns(
	ctx context.Context, r apiserver.CreateRunsRequestObject,
) (apiserver.CreateRunsResponseObject, error) {
	body, _ := request.Document(ctx).(map[string]any)
	items, _ := body["runs"].([]any)
	wanted := make([]newrun.Request, len(r.Body.Runs))
	for i, item := range r.Body.Runs {
		document, _ := items[i].(map[string]any)
		spec := api.RunCreate{
			Name:          item.Name,
			Parameters:    item.Parameters,
			JobVariables:  item.JobVariables,
			Tags:          item.Tags,
			ScheduledTime: item.ScheduledTime,
			Timezone:      item.Timezone,
		}
		var err error
		if wanted[i], err = newRunRequest(spec, wire.Or(item.IdempotencyKey, ""), document); err != nil {
			return nil, err
		}
	}

	created, err := h.runs.CreateAll(ctx, r.Deployment, wanted, access.From(ctx))
	if err != nil {
		return nil, err
	}
	answer := apiserver.CreateRuns200JSONResponse{Items: make([]api.Run, len(created))}
	for i, one := range created {
		answer.Items[i] = wire.ListedRun(one.Run)
		if one.Existed {
			answer.Existed++
		} else {
			answer.Created++
		}
		if i == 0 {
			answer.Warnings = nilIfEmpty(one.Warnings)
		}
	}
	return answer, nil
}

// newRunRequest is a run to create. An idempotency key is good for one body, so that it comes with the hash
// of the body without the key: alone or in a list, a run has the same hash.
func newRunRequest(spec api.RunCreate, key string, body map[string]any) (newrun.Request, error) {
	r := newrun.Request{Spec: spec, IdempotencyKey: key}
	if key == "" {
		return r, nil
	}
	hashed := maps.Clone(body)
	delete(hashed, "idempotency_key")
	var err error
	r.BodyHash, err = jsondoc.Hash(hashed)
	return r, err
}

func nilIfEmpty[T any](items []T) *[]T {
	if len(items) == 0 {
		return nil
	}
	return &items
}
