package access

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// burstSeconds is how many seconds' worth of requests an idle key may send at once.
	burstSeconds = 2
	// bucketsMax bounds the number of keys in memory.
	bucketsMax = 10_000
)

// Limiter limits the rate of each key with a token bucket. It is safe for concurrent use.
type Limiter struct {
	perSecond float64
	now       func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// NewLimiter returns a Limiter with perSecond as the average rate of each key; 0 or less means no limit.
func NewLimiter(perSecond float64, now func() time.Time) *Limiter {
	return &Limiter{perSecond: perSecond, now: now, buckets: map[string]*rate.Limiter{}}
}

// Take takes a token of the key, whose rate is factor times the normal rate. It returns 0, or how long the
// key has to wait; then no token was taken.
func (l *Limiter) Take(key string, factor float64) time.Duration {
	if l.perSecond <= 0 {
		return 0
	}
	now := l.now()
	reservation := l.bucket(key, factor, now).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

func (l *Limiter) bucket(key string, factor float64, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, known := l.buckets[key]
	if !known {
		if len(l.buckets) >= bucketsMax {
			l.evict(now)
		}
		perSecond := l.perSecond * factor
		bucket = rate.NewLimiter(rate.Limit(perSecond), int(math.Ceil(perSecond*burstSeconds)))
		l.buckets[key] = bucket
	}
	return bucket
}

// evict removes the full buckets, which equal new ones, or all buckets if none is full.
func (l *Limiter) evict(now time.Time) {
	for key, bucket := range l.buckets {
		if bucket.TokensAt(now) >= float64(bucket.Burst()) {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= bucketsMax {
		clear(l.buckets)
	}
}
