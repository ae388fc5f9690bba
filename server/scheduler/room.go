package scheduler

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// room bounds how many schedules are decided at the same time, in all and of one work pool.
type room struct {
	all     *semaphore.Weighted
	perPool int64

	mu    sync.Mutex
	pools map[string]*semaphore.Weighted
}

func newRoom(all, perPool int64) *room {
	return &room{all: semaphore.NewWeighted(all), perPool: perPool, pools: map[string]*semaphore.Weighted{}}
}

// enter waits for room, first for that of the pool. leave gives it back.
func (r *room) enter(ctx context.Context, pool string) (leave func(), err error) {
	r.mu.Lock()
	own := r.pools[pool]
	if own == nil {
		own = semaphore.NewWeighted(r.perPool)
		r.pools[pool] = own
	}
	r.mu.Unlock()
	if err := own.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	if err := r.all.Acquire(ctx, 1); err != nil {
		own.Release(1)
		return nil, err
	}
	return func() { r.all.Release(1); own.Release(1) }, nil
}
