package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// dueSchedulesSQL is served by schedules_due: its cost depends on the number of due schedules only.
const dueSchedulesSQL = `
SELECT s.id
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id
WHERE s.next_due <= ?
	AND (s.held_until IS NULL OR s.held_until <= ?)
	AND NOT d.paused
	AND d.deleted_at IS NULL
ORDER BY s.next_due
LIMIT ?`

func holdSchedulesSQL(d database.Dialect) string {
	return `
UPDATE schedules
SET held_until = ?
WHERE id IN ` + d.List("uuid")
}

// AcquireDueSchedules returns due schedules and keeps them from other servers for the duration hold, within
// which the caller stores the progress with UpdateScheduleProgress. now is the database's time.
func (s *Store) AcquireDueSchedules(
	ctx context.Context, most int, hold time.Duration,
) (due []Schedule, now time.Time, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		if now, err = tx.db.Now(ctx); err != nil {
			return err
		}
		var ids []uuid.UUID
		if err := tx.db.All(ctx, &ids, dueSchedulesSQL+tx.db.Dialect().Lock("FOR UPDATE OF s SKIP LOCKED"), now, now, most); err != nil ||
			len(ids) == 0 {
			due = nil
			return err
		}
		list := database.ListOf(ids)
		if _, err := tx.db.Exec(ctx, holdSchedulesSQL(tx.db.Dialect()), now.Add(hold), list); err != nil {
			return err
		}
		due, err = tx.schedules(ctx, " WHERE s.id IN "+tx.db.Dialect().List("uuid")+" ORDER BY s.next_due",
			list)
		return err
	})
	if err != nil {
		return nil, now, fmt.Errorf("acquire due schedules: %w", err)
	}
	return due, now, nil
}

// ScheduleProgress is what became of the slots of a schedule.
type ScheduleProgress struct {
	ID uuid.UUID
	// DecidedBefore is the instant up to which slots had been decided: where it is another by now, another
	// transaction has settled the schedule, or changed it.
	DecidedBefore time.Time
	DecidedUntil  time.Time   // slots up to here are decided now
	Waiting       []time.Time // slots that wait for the end of a run
	NextDue       *time.Time  // nil: the schedule has ended
	LastSlot      *time.Time  // the newest slot that created a run; nil: none
	LastError     string      // why the newest slot created none
	Failing       bool        // it could not, though no policy had left it out
	Gaps          []ScheduleGap
}

const settleScheduleSQL = `
UPDATE schedules
SET decided_until = ?,
	seen_until = ?,
	waiting = ?,
	next_due = ?,
	held_until = NULL,
	last_slot = COALESCE(?, last_slot),
	last_error_at = CASE WHEN last_error = ? THEN last_error_at ELSE ? END,
	last_error = ?,
	failing = ?
WHERE id = ?
	AND decided_until = ?
	AND active`

// UpdateScheduleProgress moves a schedule on.
func (tx *Tx) UpdateScheduleProgress(ctx context.Context, o ScheduleProgress) error {
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	var failed *time.Time
	if o.LastError != "" {
		failed = &now
	}
	n, err := tx.db.Exec(ctx, settleScheduleSQL, o.DecidedUntil, o.DecidedUntil, instantsOf(o.Waiting),
		database.TimeOf(o.NextDue), database.TimeOf(o.LastSlot), o.LastError, database.TimeOf(failed),
		o.LastError, o.Failing, o.ID, o.DecidedBefore)
	if err != nil {
		return fmt.Errorf("update the progress of schedule %s: %w", o.ID, err)
	}
	if n == 0 {
		return nil // another transaction has settled or changed it
	}
	for _, gap := range o.Gaps {
		if err := tx.addGap(ctx, o.ID, gap); err != nil {
			return err
		}
	}
	return nil
}

// UpdateScheduleProgress runs Tx.UpdateScheduleProgress in a transaction.
func (s *Store) UpdateScheduleProgress(ctx context.Context, o ScheduleProgress) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.UpdateScheduleProgress(ctx, o) })
}

// ScheduleRun is a run that has not ended.
type ScheduleRun struct {
	ID             uuid.UUID `db:"id"`
	IdempotencyKey string    `db:"idempotency_key"`
	Cancelling     bool      `db:"cancelling"`
}

// liveOfScheduleSQL is served by the keys of ready and live.
const liveOfScheduleSQL = `
SELECT r.id, COALESCE(r.idempotency_key, '') AS idempotency_key, u.cancelling
FROM (
	SELECT w.run_id, FALSE AS cancelling
	FROM schedules s
	JOIN ready w ON w.deployment_id = s.deployment_id
	WHERE s.id = ?
	UNION ALL
	SELECT l.run_id, l.state_type = 'CANCELLING'
	FROM schedules s
	JOIN live l ON l.deployment_id = s.deployment_id
	WHERE s.id = ?
) AS u
JOIN runs r ON r.id = u.run_id
WHERE r.schedule_id = ?
ORDER BY r.id`

// ListLiveRunsOfSchedule lists the runs of a schedule that have not ended, oldest first.
func (q Reader) ListLiveRunsOfSchedule(ctx context.Context, schedule uuid.UUID) ([]ScheduleRun, error) {
	var runs []ScheduleRun
	if err := q.db.All(ctx, &runs, liveOfScheduleSQL, schedule, schedule, schedule); err != nil {
		return nil, fmt.Errorf("read the live runs of schedule %s: %w", schedule, err)
	}
	return runs, nil
}

// hasLiveRunSQL is served by the keys of ready and live.
const hasLiveRunSQL = `
SELECT COUNT(*)
FROM (
	SELECT w.run_id
	FROM deployments d
	JOIN ready w ON w.deployment_id = d.id
	WHERE d.name = ? AND d.deleted_at IS NULL
	UNION ALL
	SELECT l.run_id
	FROM deployments d
	JOIN live l ON l.deployment_id = d.id
	WHERE d.name = ? AND d.deleted_at IS NULL
	LIMIT 2
) AS u
JOIN runs r ON r.id = u.run_id
WHERE COALESCE(r.idempotency_key, '') <> ?`

// HasLiveRun reports whether a deployment has a run that has not ended, other than the one with an idempotency key.
func (q Reader) HasLiveRun(ctx context.Context, deployment, otherThan string) (bool, error) {
	var n int
	if err := q.db.Get(ctx, &n, hasLiveRunSQL, deployment, deployment, otherThan); err != nil {
		return false, fmt.Errorf("read the live runs of deployment %q: %w", deployment, err)
	}
	return n > 0, nil
}

// overdueScheduleSQL is served by schedules_due, and reads its first rows only: a MIN over the join would
// read all of it.
const overdueScheduleSQL = `
SELECT s.next_due
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id
WHERE s.next_due IS NOT NULL
	AND NOT d.paused
	AND d.deleted_at IS NULL
ORDER BY s.next_due
LIMIT 1`

// GetScheduleLag is for how long the schedule that is due longest has been; 0 where none is.
func (q Reader) GetScheduleLag(ctx context.Context) (time.Duration, error) {
	var first []database.Time
	if err := q.db.All(ctx, &first, overdueScheduleSQL); err != nil {
		return 0, fmt.Errorf("read the lag of schedules: %w", err)
	}
	now, err := q.db.Now(ctx)
	if err != nil || len(first) == 0 {
		return 0, err
	}
	return max(0, now.Sub(first[0].Time())), nil
}
