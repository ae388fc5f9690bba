package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/apikey"
)

// Claim gives a worker attempts to run, up to r.Max. It never waits for work, and notes that the worker is alive.
//
// Order: attempts whose lease has ended, then due runs by queue priority and due time. The limits of pool, queue and
// deployment always hold. Slots are the rows of live; there is no counter that could drift. A claim that could reach a
// limit has the pool for itself, and counts in a snapshot that is taken after that (READ COMMITTED). Other claims go
// beside each other: each locks the rows of ready that it takes, and skips locked rows.
//
// Repeating the last request that took something returns the same attempts, as far as they are still held. Errors:
// NotFound for the pool, SessionUnknown for a worker that has not said hello; database errors are retryable.
func (s *Store) Claim(ctx context.Context, r ClaimRequest) ([]Claim, error) {
	state, err := s.readClaimState(ctx, r)
	if err != nil || !state.mayClaim(r) {
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
	first, err := s.session().namespacesDiffer(ctx, r.Pool, r.ClusterID)
	if err != nil {
		return nil, err
	}
	for i := range claims {
		claims[i].Repeated, claims[i].ManifestFirst = result.repeated, first
	}
	return claims, nil
}

// namespacesSQL is served by the primary key.
const namespacesSQL = `
SELECT COUNT(DISTINCT namespaces)
FROM workers
WHERE pool = ?
	AND cluster_id = ?`

// namespacesDiffer reports whether workers of a cluster serve different namespaces. A worker that takes an attempt over
// finds its Job by the labels in the namespaces that it serves, unless these are not the ones of the earlier holder.
func (q Reader) namespacesDiffer(ctx context.Context, pool, cluster string) (bool, error) {
	var sets int
	if err := q.db.Get(ctx, &sets, namespacesSQL, pool, cluster); err != nil {
		return false, fmt.Errorf("compare the namespaces of the workers of work pool %q: %w", pool, err)
	}
	return sets > 1, nil
}

// claimResult is the answer to a claim.
type claimResult struct {
	attempts []claimedAttempt
	rows     map[uuid.UUID]*claimRow  // by attempt, the rows that are already in memory
	keys     map[uuid.UUID]apikey.Key // by attempt, where the claim asks for keys
	bytes    int                      // of the documents of the attempts
	repeated bool                     // the request ID was answered before
}

// claimedAttempt is an attempt in the answer to a claim.
type claimedAttempt struct {
	AttemptID uuid.UUID `db:"attempt_id"`
	Epoch     int64     `db:"epoch"`
	Takeover  bool      `db:"taken_over"`
	// Waited is for how long its run was due and had not been claimed; nil for attempts that were claimed before.
	Waited *time.Duration `db:"-"`
}

// errNeedsPool says that a claim has to have the pool for itself.
var errNeedsPool = errors.New("the work pool has limits")

func (s *Store) claim(ctx context.Context, r ClaimRequest, state claimState) (*claimResult, error) {
	if !state.exclusive() {
		result, err := s.claimOnce(ctx, r, state.Expired, false)
		if !errors.Is(err, errNeedsPool) { // it may have got a limit since
			return result, err
		}
	}
	return s.claimOnce(ctx, r, state.Expired, true)
}

// claimOnce claims due runs, after attempts without a lease where there are some.
func (s *Store) claimOnce(ctx context.Context, r ClaimRequest, expired, exclusive bool) (*claimResult, error) {
	w := s.waitersOf(r.Pool)
	places, lock := w.shared, poolForClaims
	if exclusive {
		places, lock = w.exclusive, poolForChange
	}
	release, err := acquire(ctx, places)
	if err != nil {
		return nil, err
	}
	defer release()
	return inTx(ctx, s, func(tx *Tx) (*claimResult, error) {
		if err := tx.waitForPool(ctx, r.Pool, lock); err != nil {
			return nil, err
		}
		result := &claimResult{rows: map[uuid.UUID]*claimRow{}, keys: map[uuid.UUID]apikey.Key{}}
		if err := tx.claim(ctx, r, expired, exclusive, result); err != nil {
			return nil, err
		}
		return result, tx.addJobKeys(ctx, r, result)
	})
}

// claim claims in the pool that it has locked: first the attempts of an earlier request with the same ID, then
// takeovers, then due runs.
func (tx *Tx) claim(ctx context.Context, r ClaimRequest, expired, exclusive bool, result *claimResult) error {
	session, err := tx.lockSession(ctx, r.session())
	if err != nil {
		return err
	}
	if session.LastRequest != nil && *session.LastRequest == r.RequestID {
		result.repeated = true
		result.attempts, err = tx.repeatedClaim(ctx, r)
		return err
	}
	if r.Max <= 0 {
		return nil
	}
	pool, err := tx.readClaimPool(ctx, r)
	if err != nil {
		return err
	}
	if !exclusive && pool.needsExclusive() {
		return errNeedsPool
	}
	if expired {
		if err := tx.takeOver(ctx, r, result); err != nil {
			return fmt.Errorf("take over attempts in work pool %q: %w", r.Pool, err)
		}
	}
	runs := map[uuid.UUID]*lockedRun{}
	if limit := r.Max - len(result.attempts); pool.exists() && limit > 0 && !pool.Paused {
		if runs, err = tx.claimDue(ctx, r, pool, limit, exclusive, result); err != nil {
			return fmt.Errorf("claim runs of work pool %q: %w", r.Pool, err)
		}
	}
	return tx.saveClaim(ctx, r, runs, result)
}

// saveClaim stores what a claim took, with its request ID, in one batch.
func (tx *Tx) saveClaim(
	ctx context.Context, r ClaimRequest, runs map[uuid.UUID]*lockedRun, result *claimResult,
) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	changes, err := tx.changesOf(ctx, runs)
	if err != nil {
		return err
	}
	if len(result.attempts) > 0 {
		changes = append(changes, extension(r.Session, now, r.Lease, &r.RequestID))
	}
	if err := tx.db.ExecBatch(ctx, changes...); err != nil {
		return fmt.Errorf("save the claim: %w", err)
	}
	return nil
}

// repeatedClaimSQL is served by live_session.
const repeatedClaimSQL = `
SELECT attempt_id, epoch, leased_at > claimed_at AS taken_over
FROM live
WHERE session_id = ?
	AND request_id = ?
ORDER BY attempt_id`

// repeatedClaim returns the attempts that an earlier request with this ID claimed and that the worker still
// holds, with a renewed lease.
func (tx *Tx) repeatedClaim(ctx context.Context, r ClaimRequest) ([]claimedAttempt, error) {
	var attempts []claimedAttempt
	if err := tx.db.All(ctx, &attempts, repeatedClaimSQL, r.Session, r.RequestID); err != nil {
		return nil, fmt.Errorf("read claim %s: %w", r.RequestID, err)
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	return attempts, tx.extendSession(ctx, r.Session, now, r.Lease)
}

// waiters bounds the claims of one pool that use the database at the same time in this process: they wait in the
// process, not each with a connection.
type waiters struct{ exclusive, shared chan struct{} }

// sharedMax is how many claims of a pool go beside each other in this process: more of them only skip each other's
// runs.
const sharedMax = 4

func (s *Store) waitersOf(pool string) *waiters {
	if w, ok := s.waiters.Load(pool); ok {
		return w.(*waiters)
	}
	w, _ := s.waiters.LoadOrStore(pool, &waiters{make(chan struct{}, 1), make(chan struct{}, sharedMax)})
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

// claimDue claims up to limit due runs and returns the runs that it has changed.
func (tx *Tx) claimDue(
	ctx context.Context, r ClaimRequest, pool *claimPool, limit int, exclusive bool, result *claimResult,
) (map[uuid.UUID]*lockedRun, error) {
	picked, err := tx.pick(ctx, pool, limit, exclusive)
	if err != nil || len(picked) == 0 {
		return nil, err
	}

	runs := make(map[uuid.UUID]*lockedRun, len(picked))
	for _, d := range picked {
		runs[d.ID] = &d.lockedRun
	}
	// The clock goes with the rows: slots that were counted as free had ended by then, so that in the history no attempt
	// starts before the one whose slot it got has ended.
	if err := tx.locked(ctx, runs); err != nil {
		return nil, err
	}
	settings, err := tx.settings(ctx, func(yield func(claimSetting) bool) {
		for _, d := range picked {
			if !yield(d.setting(pool)) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	held, err := tx.holdFrozen(ctx, result.fitting(r, picked, settings, pool), settings, pool)
	if err != nil || len(held) == 0 {
		return runs, err
	}
	return runs, tx.startAttempts(ctx, r, pool, held, settings, result)
}

// session is the session that asks.
func (r ClaimRequest) session() SessionRef {
	return SessionRef{ID: r.Session, Pool: r.Pool, Worker: r.Worker}
}

// inOrder sorts due runs by their due time.
func inOrder(due []*dueRun) {
	slices.SortStableFunc(due, func(a, b *dueRun) int {
		if c := a.DueAt.Time().Compare(b.DueAt.Time()); c != 0 {
			return c
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
}
