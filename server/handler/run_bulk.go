package handler

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// maxBulk bounds how many runs one call changes.
const maxBulk = 500

// CancelRuns cancels many runs, each by itself.
func (h *Handler) CancelRuns(
	ctx context.Context, r apiserver.CancelRunsRequestObject,
) (apiserver.CancelRunsResponseObject, error) {
	result, err := h.changeRuns(ctx, r.Body, bulkChange{
		states:    []lifecycle.StateType{lifecycle.Scheduled, lifecycle.Pending, lifecycle.Running},
		operation: "CancelRuns",
		check:     h.guard.CheckRun,
		apply:     h.store.CancelRun,
	})
	if err != nil {
		return nil, err
	}
	return apiserver.CancelRuns200JSONResponse(*result), nil
}

// RetryRuns gives many runs that have ended another attempt, each by itself.
func (h *Handler) RetryRuns(
	ctx context.Context, r apiserver.RetryRunsRequestObject,
) (apiserver.RetryRunsResponseObject, error) {
	result, err := h.changeRuns(ctx, r.Body, bulkChange{
		states:    []lifecycle.StateType{lifecycle.Failed, lifecycle.Crashed}, // who cancelled a run meant it
		operation: "RetryRuns",
		check:     h.guard.CheckRetry,
		apply: func(ctx context.Context, id uuid.UUID, actor string) (*store.Run, error) {
			return h.runs.Retry(ctx, id, actor, mayIn(ctx, "RetryRuns"))
		},
	})
	if err != nil {
		return nil, err
	}
	return apiserver.RetryRuns200JSONResponse(*result), nil
}

// bulkChange is what is done to each of many runs.
type bulkChange struct {
	operation string
	states    []lifecycle.StateType // of the runs that a filter without states selects
	check     func(ctx context.Context, who access.Principal, operation string, id uuid.UUID) error
	apply     func(ctx context.Context, id uuid.UUID, actor string) (*store.Run, error)
}

// changeRuns changes each selected run. A run that is refused is part of the answer. Any other error ends the
// call, which the caller may repeat.
func (h *Handler) changeRuns(
	ctx context.Context, selection *api.RunSelection, change bulkChange,
) (*api.RunBulkResult, error) {
	ids, next, err := h.selectRuns(ctx, selection, change)
	if err != nil {
		return nil, err
	}
	result := &api.RunBulkResult{Done: []api.Run{}, Refused: []api.RunRefused{}, NextCursor: wire.OrNil(next)}
	who := access.From(ctx)
	for _, id := range ids {
		var run *store.Run
		err := change.check(ctx, who, change.operation, id)
		if err == nil {
			run, err = change.apply(ctx, id, who.Name)
		}

		var refused *store.Error
		var forbidden *problem.Error
		switch {
		case err == nil:
			result.Done = append(result.Done, wire.ListedRun(*run))
		case errors.As(err, &refused) && refused.Code != store.Unavailable:
			result.Refused = append(result.Refused,
				api.RunRefused{ID: id, Code: string(refused.Code), Message: refused.Message})
		case errors.As(err, &forbidden):
			result.Refused = append(result.Refused,
				api.RunRefused{ID: id, Code: string(forbidden.Code), Message: forbidden.Detail})
		default:
			return nil, err
		}
	}
	return result, nil
}

// selectRuns returns the named runs, or a page of the runs that a filter selects.
func (h *Handler) selectRuns(
	ctx context.Context, s *api.RunSelection, change bulkChange,
) (ids []uuid.UUID, next string, err error) {
	if (s.Ids == nil) == (s.Filter == nil) {
		return nil, "", problem.Newf(problem.InvalidBody, "set either ids or filter").
			At("/filter", "set this or ids")
	}
	if s.Ids != nil {
		return *s.Ids, "", nil
	}
	f := s.Filter
	filter := runFilter(ctx, runQuery{
		Pool: f.Pool, Queue: f.Queue, Deployment: f.Deployment, State: f.States, Tag: f.Tags, Text: f.Text,
		AnyTag: f.AnyTags, Cause: f.Causes, CreatedBy: f.CreatedBy, Schedule: f.Schedule,
		Created:   store.TimeRange{After: f.CreatedAfter, Before: f.CreatedBefore},
		operation: change.operation,
	})
	if filter.States == nil {
		filter.States = change.states
	}
	page := store.Page{Limit: int(wire.Or(s.Limit, maxBulk)), Cursor: wire.Or(s.Cursor, "")}
	runs, rest, err := h.store.ListRuns(ctx, filter, page)
	return wire.Each(runs, func(r store.Run) uuid.UUID { return r.ID }), rest.Cursor, err
}
