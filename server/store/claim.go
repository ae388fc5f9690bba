package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
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
	look, err := s.look(ctx, r)
	if err != nil || look.Paused || r.Max <= 0 || !look.any() {
		return nil, err
	}
	given, err := s.handOut(ctx, r, look)
	if err != nil || len(given.list) == 0 {
		return nil, err
	}
	claims, err := s.view().claims(ctx, given)
	if err != nil {
		return nil, err
	}
	// Whose request id it was is not kept, so one of another pool must not be a way to that pool's runs.
	claims = slices.DeleteFunc(claims, func(c Claim) bool { return c.Pool != r.Pool })
	for i := range claims {
		claims[i].Repeated = given.again
	}
	if r.JobKeys {
		err = s.InTx(ctx, func(tx *Tx) error { return tx.giveJobKeys(ctx, claims) })
	}
	return claims, err
}

// given is what a claim was given.
type given struct {
	list  []handed
	fresh map[uuid.UUID]*claimRow // those of them that are known already, by attempt
	again bool                    // the request was answered before
}

func (s *Store) handOut(ctx context.Context, r ClaimRequest, look looked) (*given, error) {
	l := s.line(r.Pool)
	if l.open.Load() && look.plain() {
		g, err := s.handOutBeside(ctx, r, l)
		if !errors.Is(err, errAlone) && !answeredAtOnce(err) {
			return g, err
		}
	}
	leave, err := enter(ctx, l.alone)
	if err != nil {
		return nil, err
	}
	defer leave()
	return write(ctx, s, func(tx *Tx) (*given, error) {
		g := &given{fresh: map[uuid.UUID]*claimRow{}}
		return g, tx.handOut(ctx, r, look.Live, l, g)
	})
}

// line is where the claims of one pool queue in this process.
type line struct {
	alone  chan struct{} // one at a time
	beside chan struct{} // some at a time
	open   atomic.Bool   // whether claims may go beside each other, as the last one saw it
}

func (s *Store) line(pool string) *line {
	if l, ok := s.lines.Load(pool); ok {
		return l.(*line)
	}
	l, _ := s.lines.LoadOrStore(
		pool,
		&line{alone: make(chan struct{}, 1), beside: make(chan struct{}, besideMax)},
	)
	return l.(*line)
}

// enter waits for a place.
func enter(ctx context.Context, places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// handOut gives attempts to the worker, or those again that this request id was given before: those that can
// be taken over first, then what is due.
func (tx *Tx) handOut(ctx context.Context, r ClaimRequest, live bool, l *line, g *given) error {
	known, expired, stand := true, true, (*survey)(nil)
	if live { // a pool that is being deleted still has attempts to be taken over and ended
		if _, err := tx.lockPoolRow(ctx, r.Pool, poolForChange); err != nil {
			return err
		}
		var err error
		if stand, err = tx.survey(ctx, r); err != nil {
			return err
		}
		known, expired = stand.Known, stand.Expired
		l.open.Store(stand.open())
	}
	var err error
	if known {
		if g.list, g.again, err = tx.givenBefore(ctx, r); err != nil || g.again {
			return err
		}
	}
	if expired {
		if g.list, err = tx.takeOver(ctx, r); err != nil {
			return fmt.Errorf("take over attempts in work pool %q: %w", r.Pool, err)
		}
	}
	taken := len(g.list)
	if most := r.Max - taken; live && most > 0 && !stand.Paused {
		if err := tx.claimDue(ctx, r, stand, most, g); err != nil {
			return fmt.Errorf("claim runs of work pool %q: %w", r.Pool, err)
		}
	}
	if taken == 0 || len(g.list) > taken { // what is claimed is remembered with what was taken over
		return nil
	}
	remember, err := tx.remember(ctx, r.RequestID, g.list)
	if err != nil {
		return err
	}
	return tx.together(ctx, remember)
}

// handed is an attempt that was given to a worker, as kept with the request id.
type handed struct {
	AttemptID uuid.UUID `json:"attempt_id"`
	Epoch     int64     `json:"epoch"`
	Takeover  bool      `json:"takeover,omitempty"`
}

// looked says what a claim may find, so that one that finds nothing takes no lock.
type looked struct {
	Clock   *stamp `db:"clock"`
	SeenAt  *stamp `db:"seen_at"` // when the worker was last heard of; nil: never
	Paused  bool   `db:"paused"`  // the worker is
	Live    bool   `db:"live"`
	Known   bool   `db:"known"`
	Due     bool   `db:"due"`
	Expired bool   `db:"expired"`
	// Draining: a pool of that name was deleted and attempts of it are still held.
	Draining bool `db:"draining"`
}

func (l looked) any() bool { return l.Known || l.Due && l.Live || l.Expired }

// plain reports whether there is nothing but runs that are due.
func (l looked) plain() bool { return l.Live && !l.Known && !l.Expired }

// lookSQL is served by runs_ready through the pool's queues, and by attempts_active.
func (d dialect) lookSQL() string {
	return `
SELECT
	` + d.clock() + ` AS clock,
	(SELECT last_seen_at FROM workers WHERE pool = ? AND name = ?) AS seen_at,
	EXISTS (SELECT 1 FROM workers WHERE pool = ? AND name = ? AND paused) AS paused,
	EXISTS (SELECT 1 FROM pools WHERE name = ? AND deleted_at IS NULL) AS live,
	EXISTS (SELECT 1 FROM claim_requests WHERE id = ?) AS known,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN queues q ON q.pool_id = p.id
		WHERE p.name = ? AND p.deleted_at IS NULL AND NOT p.paused AND NOT q.paused
			AND EXISTS (SELECT 1 FROM runs r WHERE r.queue_id = q.id AND r.ready AND r.due_at <= ` + d.nowParam() + `)
	) AS due,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN attempts a ON a.pool_id = p.id
		WHERE p.name = ? AND a.cluster_id = ? AND a.ended_at IS NULL AND a.lease_expires_at <= ` + d.nowParam() + `
	) AS expired,
	EXISTS (
		SELECT 1
		FROM pools p
		JOIN attempts a ON a.pool_id = p.id
		WHERE p.name = ? AND p.deleted_at IS NOT NULL AND a.ended_at IS NULL
	) AS draining`
}

// look reads in one statement what there may be to claim, and notes that the worker is alive.
func (s *Store) look(ctx context.Context, r ClaimRequest) (looked, error) {
	var l looked
	tx := s.view()
	now, err := tx.nowArg(ctx)
	if err != nil {
		return l, err
	}
	err = tx.get(
		ctx,
		&l,
		s.dialect.lookSQL(),
		r.Pool,
		r.Worker,
		r.Pool,
		r.Worker,
		r.Pool,
		r.RequestID,
		r.Pool,
		now,
		r.Pool,
		r.ClusterID,
		now,
		r.Pool,
	)
	if err != nil {
		return l, fmt.Errorf("look for runs of work pool %q: %w", r.Pool, err)
	}
	tx.tell(l.Clock)
	gone := !l.Live && !l.Expired && !l.Known && !l.Draining
	if gone && r.Max > 0 && !l.Paused {
		return l, &Error{Code: NotFound, Message: fmt.Sprintf("work pool %q does not exist", r.Pool)}
	}
	return l, s.seen(ctx, r, l.SeenAt, tx.clock)
}

const givenSQL = `
SELECT claims
FROM claim_requests
WHERE id = ?`

// givenBefore returns what this request id was given before, as far as the worker still holds it, with leases
// that begin anew.
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

// remember keeps what a request id was given.
func (tx *Tx) remember(ctx context.Context, request uuid.UUID, given []handed) (statement, error) {
	now, err := tx.now(ctx)
	return statement{rememberSQL, []any{request, now, structured[[]handed]{given}}}, err
}

// claimDue claims up to so many runs that are due, and remembers them with what was taken over.
func (tx *Tx) claimDue(ctx context.Context, r ClaimRequest, stand *survey, most int, g *given) error {
	picked, err := tx.pick(ctx, stand, most)
	if err != nil || len(picked) == 0 {
		return err
	}
	// Slots that were counted as free had ended by now: in the history no attempt begins before the one whose
	// slot it got has ended. So the time is read anew, with the locks.
	tx.clock = time.Time{}
	runs, err := tx.lockRunsForClaim(ctx, picked)
	if err != nil {
		return err
	}
	chosen := make([]*lockedRun, 0, len(picked))
	for _, id := range picked { // somebody may have cancelled one since it was picked
		if run := runs[id]; run != nil && run.StateType == lifecycle.Scheduled {
			chosen = append(chosen, run)
			tx.tell(run.Clock)
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	return tx.insertAttempts(ctx, r, stand, chosen, runs, g)
}
