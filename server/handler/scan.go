package handler

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/berth-dev/berth/server/store"
)

// scanWait is how long a request waits for a slot.
const scanWait = 5 * time.Second

// scans bounds how many queries at a time may read many runs. They end in the time that queries of people have, and
// leave connections for the others.
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
			Message: "the server is busy with counts of other requests that read many runs: try again later"}
	}
	return func() { s.slots.Release(1) }, nil
}
