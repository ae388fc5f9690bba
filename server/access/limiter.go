package access

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// burstSeconds is how many seconds' worth of requests a key may send at once, having been quiet before.
	burstSeconds = 2
	// bucketsMax bounds what is remembered: the keys that were used of late.
	bucketsMax = 10_000
)

// Limiter bounds how often each key may do something. It is safe for concurrent use.
type Limiter struct {
	perSecond float64
	now       func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// NewLimiter makes a Limiter of so many times a second for each key, on average; 0 or less is no limit.
func NewLimiter(perSecond float64, now func() time.Time) *Limiter {
	return &Limiter{perSecond: perSecond, now: now, buckets: map[string]*rate.Limiter{}}
}

// Take counts one for the key, which may do it times as often as others. It returns 0, or how long the key
// has to wait before it is let through; then nothing was counted.
func (l *Limiter) Take(key string, times float64) time.Duration {
	if l.perSecond <= 0 {
		return 0
	}
	now := l.now()
	one := l.bucket(key, times, now).ReserveN(now, 1)
	wait := one.DelayFrom(now)
	if wait > 0 {
		one.CancelAt(now)
	}
	return wait
}

func (l *Limiter) bucket(key string, times float64, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, known := l.buckets[key]
	if !known {
		if len(l.buckets) >= bucketsMax {
			l.forget(now)
		}
		perSecond := l.perSecond * times
		bucket = rate.NewLimiter(rate.Limit(perSecond), int(math.Ceil(perSecond*burstSeconds)))
		l.buckets[key] = bucket
	}
	return bucket
}

// forget drops the buckets that are full, which are as good as new ones; and all where none is.
func (l *Limiter) forget(now time.Time) {
	for key, bucket := range l.buckets {
		if bucket.TokensAt(now) >= float64(bucket.Burst()) {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= bucketsMax {
		clear(l.buckets)
	}
}
