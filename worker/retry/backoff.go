package retry

import (
	"context"
	"math/rand/v2"
	"time"
)

// maxDoublings keeps the shift of Min within the range of a duration.
const maxDoublings = 20

// Backoff waits twice as long after every failure, from Min up to Max. A random part of each wait keeps a
// fleet of workers from returning to a server all at once.
type Backoff struct {
	Min, Max time.Duration

	failures int
}

// Reset starts again with Min.
func (b *Backoff) Reset() { b.failures = 0 }

// Failures is the number of waits since the last reset.
func (b *Backoff) Failures() int { return b.failures }

// Wait sleeps for the next interval, but at least atLeast. It returns false if ctx ended first.
func (b *Backoff) Wait(ctx context.Context, atLeast time.Duration) bool {
	timer := time.NewTimer(max(atLeast, b.next()))
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (b *Backoff) next() time.Duration {
	ceiling := b.Max
	if b.failures < maxDoublings {
		ceiling = min(b.Max, b.Min<<b.failures)
	}
	b.failures++
	return ceiling/2 + rand.N(ceiling/2+1)
}
