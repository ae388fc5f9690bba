package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
)

// Claim hands out attempts to a worker: first those whose holder has let the lease run out, then runs that are due, by
// the priority of their queue and then by due time, within the limits of pool, queue and deployment. The same request
// id gets the same answer. It does not wait; it notes that the worker is alive.
//
// No two claims of a pool overlap: the row of the pool is locked, and what is counted and picked after that is seen by a
// fresh snapshot (READ COMMITTED), so a limit is never overshot. Slots are the attempts that have not ended; nothing
// else counts them, so that none can leak.
//
// The lock is held for as little as can be: looking comes before it, reading what was handed out after it, and the claims
// of one process queue here and not each in a connection of its own.
func (s *Store) Claim(ctx context.Context, r ClaimRequest) ([]Claim, error) {
	look, err := write(ctx, s, func(tx *Tx) (looked, error) {
		if paused, err := tx.seen(ctx, r); err != nil || paused || r.Max <= 0 {
			return looked{}, err
		}
		return tx.look(ctx, r)
	})
	if err != nil || !look.any() {
		return nil, err
	}
	given, again, err := s.handOut(ctx, r, look.Live)
	if err != nil || len(given) == 0 {
		return nil, err
	}
	claims, err := s.view().claims(ctx, given)
	if err != nil {
		return nil, err
	}
	for i := range claims {
		claims[i].Again = again
	}
	if r.JobKeys {
		err = s.InTx(ctx, func(tx *Tx) error { return tx.giveJobKeys(ctx, claims) })
	}
	return claims, err
}

func (s *Store) handOut(ctx context.Context, r ClaimRequest, live bool) (given []handed, again bool, err error) {
	gate := s.gate(r.Pool)
	select {
	case gate <- struct{}{}:
		defer func() { <-gate }()
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	err = s.InTx(ctx, func(tx *Tx) error {
		given, again, err = tx.handOut(ctx, r, live)
		return err
	})
	return given, again, err
}

// gate lets one claim of a pool at a time through in this process.
func (s *Store) gate(pool string) chan struct{} {
	gate, _ := s.gates.LoadOrStore(pool, make(chan struct{}, 1))
	return gate.(chan struct{})
}

// handOut gives attempts to the worker, or those again that this request id was given before.
func (tx *Tx) handOut(ctx context.Context, r ClaimRequest, live bool) (given []handed, again bool, err error) {
	if live { // a pool that is being deleted still has attempts to be taken over and ended
		if _, err := tx.lockPool(ctx, r.Pool, poolForChange); err != nil {
			return nil, false, err
		}
	}
	given, again, err = tx.givenBefore(ctx, r)
	if err != nil || again {
		return given, again, err
	}
	given, err = tx.hand(ctx, r, live)
	if err != nil || len(given) == 0 {
		return nil, false, err
	}
	return given, false, tx.remember(ctx, r.RequestID, given)
}

// hand takes over what can be taken over, then claims what is due.
func (tx *Tx) hand(ctx context.Context, r ClaimRequest, live bool) ([]handed, error) {
	given, err := tx.takeOver(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("take over attempts in work pool %q: %w", r.Pool, err)
	}
	if r.Max -= len(given); r.Max <= 0 || !live {
		return given, nil
	}
	claimed, err := tx.claimDue(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("claim runs of work pool %q: %w", r.Pool, err)
	}
	return append(given, claimed...), nil
}

// handed is an attempt that was given to a worker, as kept with the request id.
type handed struct {
	AttemptID uuid.UUID `json:"attempt_id"`
	Epoch     int64     `json:"epoch"`
	Takeover  bool      `json:"takeover,omitempty"`
}

// looked says what a claim may find, so that one that finds nothing takes no lock.
type looked struct {
	Live    bool `db:"live"`
	Known   bool `db:"known"`
	Due     bool `db:"due"`
	Expired bool `db:"expired"`
	// Draining: a pool of that name was deleted and attempts of it are still held.
	Draining bool `db:"draining"`
}

func (l looked) any() bool { return l.Known || l.Due && l.Live || l.Expired }

// Served by runs_ready through the pool's queues, and by attempts_active.
const lookSQL = `
SELECT
	EXISTS (SELECT 1 FROM pools WHERE name = ? AND deleted_at IS NULL) AS live,
	EXISTS (SELECT 1 FROM claim_requests WHERE id = ?) AS known,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN queues q ON q.pool_id = p.id
		WHERE p.name = ? AND p.deleted_at IS NULL AND NOT p.paused AND NOT q.paused
			AND EXISTS (SELECT 1 FROM runs r WHERE r.queue_id = q.id AND r.ready AND r.due_at <= ?)
	) AS due,
	EXISTS (
		SELECT 1
		FROM attempts a
		JOIN pools p ON p.id = a.pool_id
		WHERE p.name = ? AND a.cluster_id = ? AND a.ended_at IS NULL AND a.lease_expires_at <= ?
	) AS expired,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN attempts a ON a.pool_id = p.id
		WHERE p.name = ? AND p.deleted_at IS NOT NULL AND a.ended_at IS NULL
	) AS draining`

func (tx *Tx) look(ctx context.Context, r ClaimRequest) (looked, error) {
	var l looked
	now, err := tx.now(ctx)
	if err != nil {
		return l, err
	}
	if err := tx.get(ctx, &l, lookSQL, r.Pool, r.RequestID, r.Pool, now, r.Pool, r.ClusterID, now, r.Pool); err != nil {
		return l, fmt.Errorf("look for runs of work pool %q: %w", r.Pool, err)
	}
	if !l.Live && !l.Expired && !l.Known && !l.Draining {
		return l, &Error{Code: NotFound, Message: fmt.Sprintf("work pool %q does not exist", r.Pool)}
	}
	return l, nil
}

const givenSQL = `
SELECT claims
FROM claim_requests
WHERE id = ?`

// givenBefore returns what this request id was given before, as far as the worker still holds it, with leases that
// begin anew.
func (tx *Tx) givenBefore(ctx context.Context, r ClaimRequest) ([]handed, bool, error) {
	var kept []structured[[]handed]
	if err := tx.all(ctx, &kept, givenSQL, r.RequestID); err != nil {
		return nil, false, fmt.Errorf("read claim %s: %w", r.RequestID, err)
	}
	if len(kept) == 0 {
		return nil, false, nil
	}
	given := kept[0].v
	leases := make([]Lease, len(given))
	for i, h := range given {
		leases[i] = Lease{AttemptID: h.AttemptID, Epoch: h.Epoch}
	}
	renewed, err := tx.renew(ctx, leases, r.Lease)
	if err != nil {
		return nil, false, err
	}
	var still []handed
	for _, h := range given {
		if renewed[h.AttemptID] {
			still = append(still, h)
		}
	}
	return still, true, nil
}

const rememberSQL = `
INSERT INTO claim_requests (id, created_at, claims)
VALUES (?, ?, ?)`

func (tx *Tx) remember(ctx context.Context, request uuid.UUID, given []handed) error {
	now, err := tx.now(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.exec(ctx, rememberSQL, request, now, structured[[]handed]{given}); err != nil {
		return fmt.Errorf("remember claim %s: %w", request, err)
	}
	return nil
}

// claimDue claims runs that are due.
func (tx *Tx) claimDue(ctx context.Context, r ClaimRequest) ([]handed, error) {
	p, err := tx.lockPool(ctx, r.Pool, poolForChange) // locked already; what it says now is what counts
	if err != nil || p.Paused {
		return nil, err
	}
	picked, err := tx.pick(ctx, p, r.Max)
	if err != nil || len(picked) == 0 {
		return nil, err
	}
	runs, err := tx.lockRuns(ctx, picked, true)
	if err != nil {
		return nil, err
	}
	chosen := make([]*liveRun, 0, len(picked))
	for _, id := range picked { // somebody may have cancelled one since it was picked
		if run := runs[id]; run != nil && run.StateType == lifecycle.Scheduled {
			chosen = append(chosen, run)
		}
	}
	if len(chosen) == 0 {
		return nil, nil
	}
	// Slots that were counted as free had ended by now: in the history no attempt begins before the one whose slot it got
	// has ended.
	tx.clock = time.Time{}
	return tx.insertAttempts(ctx, r, p, chosen, runs)
}
