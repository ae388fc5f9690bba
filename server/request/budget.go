package request

import (
	"context"
	"net/http"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/berth-dev/berth/server/problem"
)

// Budget bounds the memory of all bodies of requests that are under way. Each takes its length until its
// request ends. Half is for workers: however much people send, workers report and renew their leases.
type Budget struct {
	bytes           int64 // of one half
	people, workers *semaphore.Weighted
}

// NewBudget returns a Budget of so many bytes. One body of the greatest length always fits.
func NewBudget(bytes int64) *Budget {
	half := max(bytes/2, MaxOutputBody)
	return &Budget{bytes: half, people: semaphore.NewWeighted(half), workers: semaphore.NewWeighted(half)}
}

type reservationKey struct{}

// Reserve takes the length of the request's body from the budget, or refuses the request. The request that it
// returns must be passed to Release.
func (o *Operation) Reserve(b *Budget, r *http.Request) (*http.Request, error) {
	if o.route.Operation.RequestBody == nil || r.ContentLength == 0 {
		return r, nil
	}
	length, most := r.ContentLength, boundsOf(o.ID).bytes
	if length < 0 {
		length = most // it says its length with its end
	}
	if length > most {
		return r, nil // it is refused before it is read
	}

	half := b.people
	if o.Protocol {
		half = b.workers
	}
	if !half.TryAcquire(length) {
		// Unavailable has a Retry-After.
		return r, problem.Newf(problem.Unavailable, "the bodies of the requests that this server is handling have "+
			"%d bytes in all, as many as it takes at a time: try again", b.bytes)
	}
	release := sync.OnceFunc(func() { half.Release(length) })
	return r.WithContext(context.WithValue(r.Context(), reservationKey{}, release)), nil
}

// Release returns what the body of the request has taken from the budget. It may be called before the request
// ends, once the body is no longer needed, and more than once.
func Release(ctx context.Context) {
	if release, ok := ctx.Value(reservationKey{}).(func()); ok {
		release()
	}
}
