package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// Claim hands out attempts to a worker: first those whose holder has let the lease run out, then runs that
// are due, by the priority of their queue and then by due time, within the limits of pool, queue and
// deployment. The same request id gets the same answer. It does not wait; it notes that the worker is alive.
//
// Where anything in the pool is limited, no two claims of it overlap: the pool is locked, and what is counted
// and picked after that is seen by a fresh snapshot (READ COMMITTED), so a limit is never overshot. Slots are
// the attempts that have not ended; nothing else counts them, so that none can leak. Where nothing is limited
// there is nothing to count, and claims go beside each other (claim_beside.go).
//
// The lock is held for as little as can be: looking comes before it, reading what was handed out after it,
// and the claims of one process queue here and not each in a connection of its own.
func (s *Store) Claim(ctx context.Context, r ClaimRequest) ([]Claim, error) {
	look, err := s.readPoolState(ctx, r)
	if err != nil || look.Paused || r.Max <= 0 || !look.mayClaim() {
		return nil, err
	}
	given, err := s.claim(ctx, r, look)
	if err != nil || len(given.attempts) == 0 {
		return nil, err
	}
	claims, err := s.session().claims(ctx, given)
	if err != nil {
		return nil, err
	}
	// Whose request id it was is not kept, so one of another pool must not be a way to that pool's runs.
	claims = slices.DeleteFunc(claims, func(c Claim) bool { return c.Pool != r.Pool })
	for i := range claims {
		claims[i].Repeated = given.repeated
	}
	if r.JobKeys {
		err = s.InTx(ctx, func(tx *Tx) error { return tx.giveJobKeys(ctx, claims) })
	}
	return claims, err
}

// claimResult is what a claim was given.
type claimResult struct {
	attempts []claimedAttempt
	rows     map[uuid.UUID]*claimRow // those of them that are known already, by attempt
	repeated bool                    // the request was answered before
}

func (s *Store) claim(ctx context.Context, r ClaimRequest, look poolState) (*claimResult, error) {
	l := s.poolWaiters(r.Pool)
	if l.isUnlimited.Load() && look.onlyDue() {
		g, err := s.claimUnlimited(ctx, r, l)
		if !errors.Is(err, errNeedsPoolLock) && !database.IsUniqueViolation(err, "claim_requests_pkey") {
			return g, err
		}
	}
	leave, err := acquire(ctx, l.limited)
	if err != nil {
		return nil, err
	}
	defer leave()
	return write(ctx, s, func(tx *Tx) (*claimResult, error) {
		g := &claimResult{rows: map[uuid.UUID]*claimRow{}}
		return g, tx.claimLimited(ctx, r, look.Live, l, g)
	})
}

// waiters is where the claims of one pool queue in this process.
type waiters struct {
	limited     chan struct{} // one at a time
	unlimited   chan struct{} // some at a time
	isUnlimited atomic.Bool   // whether claims may go beside each other, as the last one saw it
}

func (s *Store) poolWaiters(pool string) *waiters {
	if l, ok := s.waiters.Load(pool); ok {
		return l.(*waiters)
	}
	l, _ := s.waiters.LoadOrStore(
		pool,
		&waiters{limited: make(chan struct{}, 1), unlimited: make(chan struct{}, unlimitedMax)},
	)
	return l.(*waiters)
}

// acquire waits for a place.
func acquire(ctx context.Context, places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// claimLimited gives attempts to the worker, or those again that this request id was given before: those that can
// be taken over first, then what is due.
func (tx *Tx) claimLimited(ctx context.Context, r ClaimRequest, live bool, l *waiters, g *claimResult) error {
	known, expired, stand := true, true, (*lockedPoolState)(nil)
	if live { // a pool that is being deleted still has attempts to be taken over and ended
		if _, err := tx.lockPoolRow(ctx, r.Pool, poolForChange); err != nil {
			return err
		}
		var err error
		if stand, err = tx.readLockedPoolState(ctx, r); err != nil {
			return err
		}
		known, expired = stand.Known, stand.Expired
		l.isUnlimited.Store(stand.unlimited())
	}
	var err error
	if known {
		if g.attempts, g.repeated, err = tx.repeatedClaim(ctx, r); err != nil || g.repeated {
			return err
		}
	}
	if expired {
		if g.attempts, err = tx.takeOver(ctx, r); err != nil {
			return fmt.Errorf("take over attempts in work pool %q: %w", r.Pool, err)
		}
	}
	taken := len(g.attempts)
	if most := r.Max - taken; live && most > 0 && !stand.Paused {
		if err := tx.claimDue(ctx, r, stand, most, g); err != nil {
			return fmt.Errorf("claim runs of work pool %q: %w", r.Pool, err)
		}
	}
	if taken == 0 || len(g.attempts) > taken { // what is claimed is remembered with what was taken over
		return nil
	}
	remember, err := tx.rememberClaim(ctx, r.RequestID, g.attempts)
	if err != nil {
		return err
	}
	return tx.db.ExecBatch(ctx, remember)
}

// claimedAttempt is an attempt that was given to a worker, as kept with the request id.
type claimedAttempt struct {
	AttemptID uuid.UUID `json:"attempt_id"`
	Epoch     int64     `json:"epoch"`
	Takeover  bool      `json:"takeover,omitempty"`
}

// poolState says what a claim may find, so that one that finds nothing takes no lock.
type poolState struct {
	Clock   *database.Time `db:"clock"`
	SeenAt  *database.Time `db:"seen_at"` // when the worker was last heard of; nil: never
	Paused  bool           `db:"paused"`  // the worker is
	Live    bool           `db:"live"`
	Known   bool           `db:"known"`
	Due     bool           `db:"due"`
	Expired bool           `db:"expired"`
	// Draining: a pool of that name was deleted and attempts of it are still held.
	Draining bool `db:"draining"`
}

func (l poolState) mayClaim() bool { return l.Known || l.Due && l.Live || l.Expired }

// onlyDue reports whether there is nothing but runs that are due.
func (l poolState) onlyDue() bool { return l.Live && !l.Known && !l.Expired }

// poolStateSQL is served by runs_ready through the pool's queues, and by attempts_active.
func poolStateSQL(d database.Dialect) string {
	return `
SELECT
	` + d.Clock() + ` AS clock,
	(SELECT last_seen_at FROM workers WHERE pool = ? AND name = ?) AS seen_at,
	EXISTS (SELECT 1 FROM workers WHERE pool = ? AND name = ? AND paused) AS paused,
	EXISTS (SELECT 1 FROM pools WHERE name = ? AND deleted_at IS NULL) AS live,
	EXISTS (SELECT 1 FROM claim_requests WHERE id = ?) AS known,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN queues q ON q.pool_id = p.id
		WHERE p.name = ? AND p.deleted_at IS NULL AND NOT p.paused AND NOT q.paused
			AND EXISTS (SELECT 1 FROM runs r WHERE r.queue_id = q.id AND r.ready AND r.due_at <= ` + d.NowParam() + `)
	) AS due,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN attempts a ON a.pool_id = p.id
		WHERE p.name = ? AND a.cluster_id = ? AND a.ended_at IS NULL AND a.lease_expires_at <= ` + d.NowParam() + `
	) AS expired,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN attempts a ON a.pool_id = p.id
		WHERE p.name = ? AND p.deleted_at IS NOT NULL AND a.ended_at IS NULL
	) AS draining`
}

// readPoolState reads in one statement what there may be to claim, and notes that the worker is alive.
func (s *Store) readPoolState(ctx context.Context, r ClaimRequest) (poolState, error) {
	var l poolState
	reader := s.session()
	nowArg, err := reader.db.NowArg(ctx)
	if err != nil {
		return l, err
	}
	err = reader.db.Get(ctx, &l, poolStateSQL(s.db.Dialect()),
		r.Pool, r.Worker, r.Pool, r.Worker, r.Pool, r.RequestID, r.Pool, nowArg, r.Pool, r.ClusterID, nowArg, r.Pool)
	if err != nil {
		return l, fmt.Errorf("read the state of work pool %q: %w", r.Pool, err)
	}

	gone := !l.Live && !l.Expired && !l.Known && !l.Draining
	if gone && r.Max > 0 && !l.Paused {
		return l, &Error{Code: NotFound, Message: fmt.Sprintf("work pool %q does not exist", r.Pool)}
	}

	reader.db.AdvanceClock(l.Clock)
	now, err := reader.db.Now(ctx)
	if err != nil {
		return l, err
	}
	return l, s.seen(ctx, r, l.SeenAt, now)
}

const repeatedClaimSQL = `
SELECT claims
FROM claim_requests
WHERE id = ?`

// repeatedClaim returns what this request id was given before, as far as the worker still holds it, with leases
// that begin anew.
func (tx *Tx) repeatedClaim(ctx context.Context, r ClaimRequest) ([]claimedAttempt, bool, error) {
	var kept []database.Structured[[]claimedAttempt]
	if err := tx.db.All(ctx, &kept, repeatedClaimSQL, r.RequestID); err != nil {
		return nil, false, fmt.Errorf("read claim %s: %w", r.RequestID, err)
	}
	if len(kept) == 0 {
		return nil, false, nil
	}
	given := kept[0].V
	leases := make([]Lease, len(given))
	for i, h := range given {
		leases[i] = Lease{AttemptID: h.AttemptID, Epoch: h.Epoch}
	}
	renewed, err := tx.renew(ctx, leases, r.Lease)
	if err != nil {
		return nil, false, err
	}
	var still []claimedAttempt
	for _, h := range given {
		if renewed[h.AttemptID] {
			still = append(still, h)
		}
	}
	return still, true, nil
}

const rememberClaimSQL = `
INSERT INTO claim_requests (id, created_at, claims)
VALUES (?, ?, ?)`

// rememberClaim keeps what a request id was given.
func (tx *Tx) rememberClaim(ctx context.Context, request uuid.UUID, given []claimedAttempt) (database.Statement, error) {
	now, err := tx.db.Now(ctx)
	return database.NewStatement(rememberClaimSQL, request, now, database.Structured[[]claimedAttempt]{V: given}), err
}

// claimDue claims up to so many runs that are due, and remembers them with what was taken over.
func (tx *Tx) claimDue(ctx context.Context, r ClaimRequest, stand *lockedPoolState, most int, g *claimResult) error {
	picked, err := tx.pick(ctx, stand, most)
	if err != nil || len(picked) == 0 {
		return err
	}
	// Slots that were counted as free had ended by now: in the history no attempt begins before the one whose
	// slot it got has ended. So the time is read anew, with the locks.
	tx.db.ResetClock()
	runs, err := tx.lockRunsForClaim(ctx, picked)
	if err != nil {
		return err
	}
	chosen := make([]*lockedRun, 0, len(picked))
	for _, id := range picked { // somebody may have cancelled one since it was picked
		if run := runs[id]; run != nil && run.StateType == lifecycle.Scheduled {
			chosen = append(chosen, run)
			tx.db.AdvanceClock(run.Clock)
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	return tx.insertAttempts(ctx, r, stand, chosen, runs, g)
}
