package handler

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/berth-dev/berth/server/store"
)

// scanWait is how long a request waits for a slot.
const scanWait = 5 * time.Second

// scans bounds how many queries at a time may read many runs: a search for a text, and counts. They end in the
// time that queries of people have, and leave connections for queries that an index serves.
type scans struct{ slots *semaphore.Weighted }

func newScans(most int) scans { return scans{semaphore.NewWeighted(int64(max(1, most)))} }

// enter waits for a slot. Call leave after the query.
func (s scans) enter(ctx context.Context) (leave func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, scanWait)
	defer cancel()
	if err := s.slots.Acquire(waiting, 1); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &store.Error{Code: store.QueryTimeout, Err: err,
			Message: "the server is busy with searches and counts of other requests: try again later, or leave out " +
				"the text and filter by pool, deployment, state or name"}
	}
	return func() { s.slots.Release(1) }, nil
}

// listRuns is ListRuns of the store. A search for a text takes a slot.
func (h *Handler) listRuns(
	ctx context.Context, f store.RunFilter, p store.Page,
) (runs []store.Run, next string, err error) {
	if f.Text != "" {
		leave, err := h.scans.enter(ctx)
		if err != nil {
			return nil, "", err
		}
		defer leave()
	}
	return h.store.ListRuns(ctx, f, p)
}
