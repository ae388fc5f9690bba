package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// clockSlack is how far ahead of the database's time a stored time may be before the clock must have gone
// back since it was stored.
const clockSlack = time.Minute

// Now returns the database's time.
func (q Reader) Now(ctx context.Context) (time.Time, error) { return q.db.Now(ctx) }

// RestDeadlines makes Sweep leave start deadlines and timeouts alone, or not any longer.
func (s *Store) RestDeadlines(rest bool) { s.deadlinesRest.Store(rest) }

// ClockCorrection is what was corrected after the database's clock went back.
type ClockCorrection struct {
	Schedules []TakenBackSchedule
	Leases    int64
	Attempts  int64 // under way, that were claimed, released or started in a time that has not come
	Runs      int64 // that are due earlier
}

// TakenBackSchedule is a schedule whose slots had been decided up to a time that has not come yet.
type TakenBackSchedule struct {
	Deployment, Name string
	DecidedUntil     time.Time
}

// Any reports whether anything was corrected.
func (c ClockCorrection) Any() bool {
	return len(c.Schedules) > 0 || c.Leases > 0 || c.Attempts > 0 || c.Runs > 0
}

// CorrectClock corrects what was stored while the database's clock was ahead, so that nothing waits until that
// time comes: schedules, leases, attempts and the due times of runs. lease is the duration of a lease. Every server may
// call it at any time.
func (s *Store) CorrectClock(ctx context.Context, lease time.Duration) (ClockCorrection, error) {
	return inTx(ctx, s, func(tx *Tx) (ClockCorrection, error) {
		var c ClockCorrection
		now, err := tx.db.Now(ctx)
		if err != nil {
			return c, err
		}
		if c.Schedules, err = tx.takeBackSchedules(ctx, now); err != nil {
			return c, fmt.Errorf("take schedules back: %w", err)
		}
		if c.Leases, err = tx.db.Exec(ctx, cutLeasesSQL, now.Add(lease), now,
			now.Add(lease+clockSlack)); err != nil {
			return c, fmt.Errorf("cut leases: %w", err)
		}
		if c.Attempts, err = tx.takeBackAttempts(ctx, now); err != nil {
			return c, fmt.Errorf("take attempts back: %w", err)
		}
		if c.Runs, err = tx.db.Exec(ctx, dueEarlierSQL, now, now, now.Add(clockSlack)); err != nil {
			return c, fmt.Errorf("make runs due earlier: %w", err)
		}
		return c, nil
	})
}

const (
	aheadSchedulesSQL = `
SELECT s.id, d.name AS deployment, s.name, s.decided_until, s.waiting, s.active AND NOT d.paused AS runs
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id
WHERE d.deleted_at IS NULL
	AND (s.decided_until > ? OR s.seen_until > ? OR s.held_until > ?)
ORDER BY s.id`
	takeBackScheduleSQL = `
UPDATE schedules
SET decided_until = ?,
	seen_until = ?,
	waiting = ?,
	next_due = ?,
	held_until = NULL,
	last_error = ?,
	last_error_at = ?
WHERE id = ?`
	cutLeasesSQL = `
UPDATE worker_sessions
SET expires_at = ?,
	seen_at = ?
WHERE expires_at > ?`
	aheadAttemptsSQL = `
SELECT attempt_id
FROM live
WHERE leased_at > ? OR running_at > ? OR started_at > ?`
	// takeBackAttemptsSQL keeps leased_at after claimed_at where it is: that tells a takeover. The sweep then looks for
	// the deadline again.
	takeBackAttemptsSQL = `
UPDATE live
SET leased_at = CASE WHEN leased_at <= ? THEN leased_at WHEN leased_at > claimed_at THEN ? ELSE ? END,
	claimed_at = CASE WHEN claimed_at > ? THEN ? ELSE claimed_at END,
	submitted_at = CASE WHEN submitted_at > ? THEN ? ELSE submitted_at END,
	running_at = CASE WHEN running_at > ? THEN ? ELSE running_at END,
	timeout_at = CASE WHEN started_at > ? THEN timeout_at - (started_at - ?) ELSE timeout_at END,
	started_at = CASE WHEN started_at > ? THEN ? ELSE started_at END,
	deadline_at = CASE WHEN deadline_at > ? THEN ? ELSE deadline_at END
WHERE attempt_id IN `
	// dueEarlierSQL shifts the due times of runs that were made, retried or handed back while the clock was ahead. A run
	// that was asked for at a time that the caller chose keeps it.
	dueEarlierSQL = `
UPDATE ready
SET due_at = CASE WHEN due_at <= state_at THEN ? ELSE due_at - (state_at - ?) END
WHERE state_at > ?
	AND (
		due_at <= state_at
		OR state_name = 'AwaitingRetry'
		OR handed_back_id IS NOT NULL
		OR EXISTS (SELECT 1 FROM runs r WHERE r.id = ready.run_id AND r.schedule_id IS NOT NULL)
	)`
)

// takeBackSchedules makes schedules continue from now. Slots that have a run keep it: the run of a slot is
// created once.
func (tx *Tx) takeBackSchedules(ctx context.Context, now time.Time) ([]TakenBackSchedule, error) {
	var rows []struct {
		ID           uuid.UUID     `db:"id"`
		Deployment   string        `db:"deployment"`
		Name         string        `db:"name"`
		DecidedUntil database.Time `db:"decided_until"`
		Waiting      instants      `db:"waiting"`
		Runs         bool          `db:"runs"`
	}
	ahead := now.Add(clockSlack)
	query := aheadSchedulesSQL + tx.db.Dialect().Lock("FOR UPDATE OF s SKIP LOCKED")
	if err := tx.db.All(ctx, &rows, query, ahead, ahead, ahead); err != nil {
		return nil, err
	}

	var taken []TakenBackSchedule
	for _, r := range rows {
		until := r.DecidedUntil.Time()
		reason := ""
		if until.After(now) {
			reason = fmt.Sprintf("the database's clock went back from %s to %s: the slots between are decided again",
				until.Format(time.RFC3339), now.Format(time.RFC3339))
			taken = append(taken, TakenBackSchedule{r.Deployment, r.Name, until})
			until = now
		}
		var waiting []time.Time
		for _, slot := range r.Waiting.V {
			if !slot.After(now) {
				waiting = append(waiting, slot)
			}
		}
		var next *time.Time
		if r.Runs {
			next = &now
		}
		var at *time.Time
		if reason != "" {
			at = &now
		}
		_, err := tx.db.Exec(ctx, takeBackScheduleSQL, until, until, instantsOf(waiting), database.TimeOf(next), reason,
			database.TimeOf(at), r.ID)
		if err != nil {
			return nil, fmt.Errorf("schedule %q of deployment %q: %w", r.Name, r.Deployment, err)
		}
	}
	return taken, nil
}

// takeBackAttempts makes attempts under way older: the lease of one that was released, or whose claim was never answered,
// would not end until the time comes, and neither would its timeout. live is small, and nothing is locked in most cases.
func (tx *Tx) takeBackAttempts(ctx context.Context, now time.Time) (int64, error) {
	ahead := now.Add(clockSlack)
	var ids []uuid.UUID
	if err := tx.db.All(ctx, &ids, aheadAttemptsSQL, ahead, ahead, ahead); err != nil || len(ids) == 0 {
		return 0, err
	}
	leases := make([]Lease, len(ids))
	for i, id := range ids {
		leases[i].AttemptID = id
	}
	if err := tx.lockAttempts(ctx, leases); err != nil {
		return 0, err
	}
	return tx.db.Exec(ctx, takeBackAttemptsSQL+tx.db.Dialect().List("uuid"), now, now.Add(time.Microsecond), now, now, now, now,
		now, now, now, now, now, now, now, now, now, database.ListOf(ids))
}
