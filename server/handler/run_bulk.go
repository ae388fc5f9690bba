package handler

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// maxBulk is how many runs one call changes at most.
const maxBulk = 500

// CancelRuns cancels many runs, each by itself.
func (h *Handler) CancelRuns(
	ctx context.Context,
	r apiserver.CancelRunsRequestObject,
) (apiserver.CancelRunsResponseObject, error) {
	live := []lifecycle.StateType{lifecycle.Scheduled, lifecycle.Pending, lifecycle.Running}
	result, err := h.bulk(ctx, r.Body, live, h.store.CancelRun)
	if err != nil {
		return nil, err
	}
	return apiserver.CancelRuns200JSONResponse(*result), nil
}

// RetryRuns makes new attempts of many runs, each by itself.
func (h *Handler) RetryRuns(
	ctx context.Context,
	r apiserver.RetryRunsRequestObject,
) (apiserver.RetryRunsResponseObject, error) {
	ended := []lifecycle.StateType{lifecycle.Failed, lifecycle.Crashed, lifecycle.Cancelled}
	result, err := h.bulk(ctx, r.Body, ended, h.retry)
	if err != nil {
		return nil, err
	}
	return apiserver.RetryRuns200JSONResponse(*result), nil
}

type runAction func(ctx context.Context, id uuid.UUID, actor string) (*store.Run, error)

// bulk does to each selected run what is to be done. What the store refuses of one is part of the answer;
// anything else ends the call, and the caller may repeat it.
func (h *Handler) bulk(
	ctx context.Context,
	s *api.RunSelection,
	usual []lifecycle.StateType,
	act runAction,
) (*api.RunBulkResult, error) {
	ids, next, err := h.selected(ctx, s, usual)
	if err != nil {
		return nil, err
	}
	result := &api.RunBulkResult{Done: []api.Run{}, Refused: []api.RunRefused{}, NextCursor: wire.OrNil(next)}
	for _, id := range ids {
		run, err := h.run(ctx, id)
		if err == nil {
			run, err = act(ctx, id, actor(ctx))
		}
		var refused *store.Error
		var forbidden *problem.Error
		switch {
		case err == nil:
			result.Done = append(result.Done, wire.Run(*run))
		case errors.As(err, &refused) && refused.Code != store.Unavailable:
			result.Refused = append(
				result.Refused,
				api.RunRefused{ID: id, Code: string(refused.Code), Message: refused.Message},
			)
		case errors.As(err, &forbidden):
			result.Refused = append(
				result.Refused,
				api.RunRefused{ID: id, Code: string(forbidden.Code), Message: forbidden.Detail},
			)
		default:
			return nil, err
		}
	}
	return result, nil
}

// selected are the runs that are named, or a page of those that a filter finds.
func (h *Handler) selected(
	ctx context.Context,
	s *api.RunSelection,
	usual []lifecycle.StateType,
) ([]uuid.UUID, string, error) {
	if (s.Ids == nil) == (s.Filter == nil) {
		return nil, "", problem.Newf(problem.InvalidBody, "give either ids or a filter").
			At("/filter", "give this or ids")
	}
	if s.Ids != nil {
		return *s.Ids, "", nil
	}
	f := s.Filter
	filter, err := runFilter(ctx, runQuery{
		Pool: f.Pool, Queue: f.Queue, Deployment: f.Deployment, State: f.States, Tag: f.Tags, Text: f.Text,
		Created: store.Span{After: f.CreatedAfter, Before: f.CreatedBefore},
	})
	if err != nil {
		return nil, "", err
	}
	if filter.States == nil {
		filter.States = usual
	}
	runs, next, err := h.store.ListRuns(
		ctx,
		filter,
		store.Page{Limit: int(wire.Or(s.Limit, maxBulk)), Cursor: wire.Or(s.Cursor, "")},
	)
	return wire.Each(runs, func(r store.Run) uuid.UUID { return r.ID }), next, err
}
