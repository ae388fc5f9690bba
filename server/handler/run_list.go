package handler

import (
	"cmp"
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/explain"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// ListRuns lists runs, newest first by default.
func (h *Handler) ListRuns(
	ctx context.Context, r apiserver.ListRunsRequestObject,
) (apiserver.ListRunsResponseObject, error) {
	p := r.Params
	filter := runFilter(ctx, runQuery{
		Pool: p.Pool, Queue: p.Queue, Deployment: p.Deployment, State: p.State, Tag: p.Tag, Text: p.Text,
		AnyTag: p.AnyTag, Cause: p.Cause, CreatedBy: p.CreatedBy, Schedule: p.Schedule,
		Created:   store.TimeRange{After: p.CreatedAfter, Before: p.CreatedBefore},
		Scheduled: store.TimeRange{After: p.ScheduledAfter, Before: p.ScheduledBefore},
		Ended:     store.TimeRange{After: p.EndedAfter, Before: p.EndedBefore},
	})
	filter.Name = wire.Or(p.Name, "")
	filter.NamePrefix = wire.Or(p.NamePrefix, "")
	filter.IDPrefix = wire.Or(p.IDPrefix, "")
	filter.Sort = store.RunSort(wire.Or(p.Sort, ""))

	read := func(ctx context.Context) (apiserver.ListRuns200JSONResponse, error) {
		runs, next, err := h.store.ListRuns(ctx, filter, page(p.Limit, p.Cursor))
		if err != nil {
			return apiserver.ListRuns200JSONResponse{}, err
		}
		items, err := h.withDerivedStates(ctx, runs, wire.ListedRun)
		return apiserver.ListRuns200JSONResponse{
			Items: items, NextCursor: wire.OrNil(next.Cursor), SearchedTo: next.SearchedTo,
		}, err
	}
	// The command line resolves a reference to a run with these, right after it was created.
	resolves := filter.Name != "" || filter.NamePrefix != "" || filter.IDPrefix != ""
	if !resolves {
		read = fromHistory(read)
	}
	list, err := read(ctx)
	if err != nil {
		return nil, err
	}
	return list, nil
}

// CountRuns counts the runs that a list with the same filter has.
func (h *Handler) CountRuns(
	ctx context.Context, r apiserver.CountRunsRequestObject,
) (apiserver.CountRunsResponseObject, error) {
	p := r.Params
	filter := runFilter(ctx, runQuery{
		Pool: p.Pool, Queue: p.Queue, Deployment: p.Deployment, State: p.State, Tag: p.Tag, Text: p.Text,
		AnyTag: p.AnyTag, Cause: p.Cause, CreatedBy: p.CreatedBy, Schedule: p.Schedule,
		Created:   store.TimeRange{After: p.CreatedAfter, Before: p.CreatedBefore},
		Scheduled: store.TimeRange{After: p.ScheduledAfter, Before: p.ScheduledBefore},
		Ended:     store.TimeRange{After: p.EndedAfter, Before: p.EndedBefore},
	})
	filter.Name = wire.Or(p.Name, "")
	counts, err := fromHistory(func(ctx context.Context) (store.RunCounts, error) {
		return h.store.CountRuns(ctx, filter)
	})(ctx)
	if err != nil {
		return nil, err
	}
	answer := apiserver.CountRuns200JSONResponse{ByState: map[string]int64{}, AtLeast: counts.AtLeast}
	for state, n := range counts.States {
		answer.ByState[string(state)] = n
		answer.Total += n
	}
	return answer, nil
}

// runQuery is a filter of runs. The generated code has another type for it in each operation.
type runQuery struct {
	Pool, Queue, Deployment, Text, CreatedBy, Schedule *string

	State                     *[]api.StateType
	Cause                     *[]api.Category
	Tag, AnyTag               *[]string
	Created, Scheduled, Ended store.TimeRange
	operation                 string // what is done to the runs; empty: they are listed
}

// runFilter is a filter for the store, over all pools in which the caller may do the operation unless the
// query names one.
func runFilter(ctx context.Context, q runQuery) store.RunFilter {
	filter := store.RunFilter{
		Pool:       wire.Or(q.Pool, ""),
		Queue:      wire.Or(q.Queue, ""),
		Deployment: wire.Or(q.Deployment, ""),
		Tags:       wire.Or(q.Tag, nil),
		AnyTags:    wire.Or(q.AnyTag, nil),
		Categories: wire.Or(q.Cause, nil),
		CreatedBy:  wire.Or(q.CreatedBy, ""),
		Schedule:   wire.Or(q.Schedule, ""),
		Text:       wire.Or(q.Text, ""),
		Created:    q.Created,
		Scheduled:  q.Scheduled,
		Ended:      q.Ended,
	}
	if filter.Pool == "" {
		filter.Pools = access.From(ctx).PoolsFor(cmp.Or(q.operation, "ListRuns"))
	}
	for _, state := range wire.Or(q.State, nil) {
		filter.States = append(filter.States, lifecycle.StateType(state))
	}
	return filter
}

// lateAfter is how long a run may be due before it is shown as Late. A live worker claims every few seconds.
const lateAfter = 15 * time.Second

// withDerivedStates converts runs by convert, with what is not stored: the state names AwaitingSlot and Late, and what a run
// waits for.
func (h *Handler) withDerivedStates(
	ctx context.Context, runs []store.Run, convert func(store.Run) api.Run,
) ([]api.Run, error) {
	now := h.Now()
	var due []uuid.UUID
	for _, r := range runs {
		if isDue(r, now) {
			due = append(due, r.ID)
		}
	}
	var lanes map[[3]string]store.ClaimGates
	var ahead map[uuid.UUID]int
	if len(due) > 0 {
		var err error
		if lanes, err = h.store.ListClaimGates(ctx, due); err != nil {
			return nil, err
		}
		if ahead, err = h.store.ListAhead(ctx, due); err != nil {
			return nil, err
		}
	}
	return wire.Each(runs, func(r store.Run) api.Run {
		lane := lanes[[3]string{r.Pool, r.Queue, r.Deployment}]
		shown := withDerivedState(r, convert(r), lane, now)
		shown.Waits = wire.OrNil(explain.Brief(r, lane, ahead[r.ID], now))
		return shown
	}), nil
}

// withDerivedState sets the state of a run that waits in a queue.
func withDerivedState(r store.Run, shown api.Run, lane store.ClaimGates, now time.Time) api.Run {
	switch {
	case !isDue(r, now):
	case lane.Full():
		shown.State.Name = lifecycle.AwaitingSlot
	case now.Sub(r.DueAt) > lateAfter:
		shown.State.Name = lifecycle.Late
	}
	return shown
}

func isDue(r store.Run, now time.Time) bool {
	return r.State.Type == lifecycle.Scheduled && !r.DueAt.After(now)
}
