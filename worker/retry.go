package worker

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff waits longer after every failure, up to a bound, each time by a random part of it, so that a fleet
// of workers does not come back to a server all at once.
type backoff struct {
	least, most time.Duration
	failures    int
}

func (b *backoff) reset() { b.failures = 0 }

// next is how long to wait now. atLeast is what the server asked for.
func (b *backoff) next(atLeast time.Duration) time.Duration {
	ceiling := b.most
	if b.failures < 20 {
		ceiling = min(b.most, b.least<<b.failures)
	}
	b.failures++
	return max(atLeast, ceiling/2+rand.N(ceiling/2+1))
}

// wait sleeps for the next interval and reports whether ctx still lives.
func (b *backoff) wait(ctx context.Context, atLeast time.Duration) bool {
	timer := time.NewTimer(b.next(atLeast))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
