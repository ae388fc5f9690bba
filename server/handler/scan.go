package handler

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/berth-dev/berth/server/store"
)

// scanWait is how long a request waits for a slot.
const scanWait = 5 * time.Second

// scans bounds how many queries at a time may read many runs: lists that no index serves, and counts. They end in
// the time that queries of people have, and leave connections for queries that an index serves.
type scans struct{ slots *semaphore.Weighted }

func newScans(most int) scans { return scans{semaphore.NewWeighted(int64(max(1, most)))} }

// enter waits for a slot. Call leave after the query.
func (s scans) enter(ctx context.Context) (leave func(), err error) {
	return s.enterWithin(ctx, scanWait)
}

func (s scans) enterWithin(ctx context.Context, wait time.Duration) (leave func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := s.slots.Acquire(waiting, 1); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &store.Error{Code: store.QueryTimeout, Err: err,
			Message: "the server is busy with lists and counts of other requests that read many runs: try again " +
				"later, or filter by deployment or name, and not by text, tag, or time of the schedule or of the end"}
	}
	return func() { s.slots.Release(1) }, nil
}

// readsMany reports whether a list may have to read many runs to find a page of them. What else it asks for is served
// by an index, or nearly all runs match.
func readsMany(f store.RunFilter) bool {
	filtered := f.Text != "" || len(f.Tags) > 0 || f.Scheduled != store.TimeRange{} || f.Ended != store.TimeRange{}
	byTime := f.Sort == store.LatestDueFirst || f.Sort == store.EarliestDueFirst
	found := f.Name != "" || f.NamePrefix != "" || f.IDPrefix != "" || f.Deployment != ""
	return (filtered || byTime) && !found
}

// listRuns is ListRuns of the store. One that may read many runs takes a slot.
func (h *Handler) listRuns(
	ctx context.Context, f store.RunFilter, p store.Page,
) (runs []store.Run, next store.NextRuns, err error) {
	if readsMany(f) {
		leave, err := h.scans.enter(ctx)
		if err != nil {
			return nil, store.NextRuns{}, err
		}
		defer leave()
	}
	return h.store.ListRuns(ctx, f, p)
}
