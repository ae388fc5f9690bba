package store

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// Claim gives a worker attempts to run, up to r.Max. It never waits for work, and records that the worker is
// alive.
//
// Order: attempts whose lease expired, then due runs by queue priority and due time. The limits of pool,
// queue and deployment always hold: a claim that could reach one locks the pool and counts live attempts in a
// fresh snapshot (READ COMMITTED). Slots are the attempts that have not ended; there is no counter that could
// drift. Claims in pools without limits run concurrently (claim_unlimited.go).
//
// Repeating a request ID returns the same attempts. Errors: NotFound for the pool; database errors are
// retryable.
//
// The lock is held as briefly as possible: the state of the pool is read before it, the runs after it, and
// the claims of one process wait for it in the process, not each with a connection.
func (s *Store) Claim(ctx context.Context, r ClaimRequest) ([]Claim, error) {
	state, err := s.readPoolState(ctx, r)
	if err != nil || state.Paused || r.Max <= 0 || !state.mayClaim() {
		return nil, err
	}
	result, err := s.claim(ctx, r, state)
	if err != nil || len(result.attempts) == 0 {
		return nil, err
	}
	claims, err := s.session().claims(ctx, result)
	if err != nil {
		return nil, err
	}

	// The pool of a request ID is not stored. A request with the ID of another pool must not reveal its runs.
	claims = slices.DeleteFunc(claims, func(c Claim) bool { return c.Pool != r.Pool })
	for i := range claims {
		claims[i].Repeated = result.repeated
	}
	if r.JobKeys {
		err = s.InTx(ctx, func(tx *Tx) error { return tx.createJobKeys(ctx, claims) })
	}
	return claims, err
}

// claimResult is the answer to a claim.
type claimResult struct {
	attempts []claimedAttempt
	rows     map[uuid.UUID]*claimRow // by attempt, the rows that are already in memory
	repeated bool                    // the request ID was answered before
}

// claimedAttempt is an attempt in the stored answer to a request ID.
type claimedAttempt struct {
	AttemptID uuid.UUID `json:"attempt_id"`
	Epoch     int64     `json:"epoch"`
	Takeover  bool      `json:"takeover,omitempty"`
}

func (s *Store) claim(ctx context.Context, r ClaimRequest, state poolState) (*claimResult, error) {
	w := s.waitersOf(r.Pool)
	if w.poolUnlimited.Load() && state.onlyDue() {
		result, err := s.claimUnlimited(ctx, r, w)

		// The pool may have got a limit, or a request with the same ID was answered at the same time.
		if !errors.Is(err, errNeedsPoolLock) && !database.IsUniqueViolation(err, "claim_requests_pkey") {
			return result, err
		}
	}

	release, err := acquire(ctx, w.limited)
	if err != nil {
		return nil, err
	}
	defer release()
	return inTx(ctx, s, func(tx *Tx) (*claimResult, error) {
		result := &claimResult{rows: map[uuid.UUID]*claimRow{}}
		return result, tx.claimLimited(ctx, r, state.Live, w, result)
	})
}

// waiters bounds the claims of one pool that use the database at the same time in this process.
type waiters struct {
	limited       chan struct{} // one place
	unlimited     chan struct{} // unlimitedMax places
	poolUnlimited atomic.Bool   // as the last claim saw it: claims may run concurrently
}

func (s *Store) waitersOf(pool string) *waiters {
	if w, ok := s.waiters.Load(pool); ok {
		return w.(*waiters)
	}
	created := &waiters{limited: make(chan struct{}, 1), unlimited: make(chan struct{}, unlimitedMax)}
	w, _ := s.waiters.LoadOrStore(pool, created)
	return w.(*waiters)
}

// acquire waits for one of the places.
func acquire(ctx context.Context, places chan struct{}) (release func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
