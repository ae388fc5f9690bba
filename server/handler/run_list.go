package handler

import (
	"context"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// ListRuns lists runs, newest first unless another order is asked for.
func (h *Handler) ListRuns(ctx context.Context, r api.ListRunsRequestObject) (api.ListRunsResponseObject, error) {
	p := r.Params
	filter, err := runFilter(ctx, runQuery{
		Pool: p.Pool, Queue: p.Queue, Deployment: p.Deployment, State: p.State, Tag: p.Tag, Text: p.Text,
		Created: store.Span{After: p.CreatedAfter, Before: p.CreatedBefore}, Scheduled: store.Span{After: p.ScheduledAfter, Before: p.ScheduledBefore},
		Ended: store.Span{After: p.EndedAfter, Before: p.EndedBefore},
	})
	if err != nil {
		return nil, err
	}
	sort := store.RunSort(value(p.Sort, api.ListRunsParamsSort(store.NewestFirst)))
	runs, next, err := h.store.ListRunsBy(ctx, filter, sort, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return api.ListRuns200JSONResponse{Items: each(runs, h.wireRun), NextCursor: optional(next)}, nil
}

// CountRuns counts what a list would hold.
func (h *Handler) CountRuns(ctx context.Context, r api.CountRunsRequestObject) (api.CountRunsResponseObject, error) {
	p := r.Params
	filter, err := runFilter(ctx, runQuery{
		Pool: p.Pool, Queue: p.Queue, Deployment: p.Deployment, State: p.State, Tag: p.Tag, Text: p.Text,
		Created: store.Span{After: p.CreatedAfter, Before: p.CreatedBefore}, Scheduled: store.Span{After: p.ScheduledAfter, Before: p.ScheduledBefore},
		Ended: store.Span{After: p.EndedAfter, Before: p.EndedBefore},
	})
	if err != nil {
		return nil, err
	}
	counts, err := h.store.CountRuns(ctx, filter)
	if err != nil {
		return nil, err
	}
	answer := api.CountRuns200JSONResponse{ByState: map[string]int64{}}
	for state, n := range counts {
		answer.ByState[string(state)] = n
		answer.Total += n
	}
	return answer, nil
}

// runQuery is a filter as it is asked for; the generated code has a type of its own for each operation.
type runQuery struct {
	Pool, Queue, Deployment, Text *string
	State                         *[]api.StateType
	Tag                           *[]string
	Created, Scheduled, Ended     store.Span
}

// runFilter narrows a filter to what the key is for.
func runFilter(ctx context.Context, q runQuery) (store.RunFilter, error) {
	filter := store.RunFilter{
		Pool: value(q.Pool, ""), Queue: value(q.Queue, ""), Deployment: value(q.Deployment, ""), Tags: value(q.Tag, nil),
		Text: value(q.Text, ""), Created: q.Created, Scheduled: q.Scheduled, Ended: q.Ended,
	}
	for _, state := range value(q.State, nil) {
		filter.States = append(filter.States, lifecycle.StateType(state))
	}
	who := access.From(ctx)
	if filter.Pool != "" {
		return filter, who.CheckPool(filter.Pool)
	}
	if who.Limited() {
		filter.Pools = list(who.Pools)
	}
	return filter, nil
}

// late is for how long a run may be due before it is shown as Late: a worker that is alive asks every few seconds.
const late = 15 * time.Second

// wireRun is a run as the API shows it. Late is derived here, when it is read, and stored nowhere.
func (h *Handler) wireRun(r store.Run) api.Run {
	run := wireRun(r)
	if r.State.Type == lifecycle.Scheduled && h.Now().Sub(r.DueAt) > late {
		run.State.Name = lifecycle.Late
	}
	return run
}
