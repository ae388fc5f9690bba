package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// Schedule is when a deployment runs by itself.
type Schedule struct {
	ID         uuid.UUID
	Deployment string
	Pool       string
	Name       string // unique in the deployment
	// Spec is the schedule as JSON; the store does not read it.
	Spec   json.RawMessage
	Active bool
	// DecidedUntil is the time up to which slots have been decided, SeenUntil the time of the last decision.
	// If they differ, all slots in between wait for the end of a run.
	DecidedUntil, SeenUntil time.Time
	Waiting                 []time.Time // slots that wait for the end of a run, oldest first
	// NextDue is when the scheduler handles it next; nil if it is inactive, has ended, or its deployment is
	// paused.
	NextDue  *time.Time
	LastSlot *time.Time // the newest slot that created a run
	// LastError is why the newest slot created no run; empty if it did.
	LastError   string
	LastErrorAt *time.Time
	// Failing: the newest slot could not create its run, though no policy had left it out.
	Failing bool
	// DeploymentPaused: its slots pass without a run. Pause is that of the deployment, or else of the schedule; nil unless
	// one of them is paused.
	DeploymentPaused bool
	Pause            *Pause
}

// ScheduleActor and the name of a schedule are who creates its runs.
const ScheduleActor = "schedule:"

type scheduleRow struct {
	ID           uuid.UUID                   `db:"id"`
	DeploymentID uuid.UUID                   `db:"deployment_id"`
	Deployment   string                      `db:"deployment"`
	Pool         string                      `db:"pool"`
	Name         string                      `db:"name"`
	Spec         database.JSON               `db:"spec"`
	Active       bool                        `db:"active"`
	DecidedUntil database.Time               `db:"decided_until"`
	SeenUntil    database.Time               `db:"seen_until"`
	Waiting      instants                    `db:"waiting"`
	NextDue      *database.Time              `db:"next_due"`
	LastSlot     *database.Time              `db:"last_slot"`
	LastError    string                      `db:"last_error"`
	LastErrorAt  *database.Time              `db:"last_error_at"`
	Failing      bool                        `db:"failing"`
	Paused       bool                        `db:"paused"`
	Pause        database.Structured[*Pause] `db:"pause"`
	UpdatedAt    database.Time               `db:"updated_at"`
	UpdatedBy    string                      `db:"updated_by"`
}

// instants is a list of times in a text column.
type instants = database.Structured[[]time.Time]

func instantsOf(list []time.Time) instants {
	if list == nil {
		list = []time.Time{}
	}
	return instants{V: list}
}

func (r scheduleRow) schedule() Schedule {
	s := Schedule{
		ID:           r.ID,
		Deployment:   r.Deployment,
		Pool:         r.Pool,
		Name:         r.Name,
		Spec:         r.Spec.Raw(),
		Active:       r.Active,
		DecidedUntil: r.DecidedUntil.Time(),
		SeenUntil:    r.SeenUntil.Time(),
		Waiting:      r.Waiting.V,
		NextDue:      r.NextDue.Ptr(),
		LastSlot:     r.LastSlot.Ptr(),
		LastError:    r.LastError,
		LastErrorAt:  r.LastErrorAt.Ptr(),
		Failing:      r.Failing,

		DeploymentPaused: r.Paused,
	}
	if s.Pause = r.Pause.V; s.Pause == nil && !s.Active {
		s.Pause = &Pause{By: r.UpdatedBy, At: r.UpdatedAt.Time()}
	}
	return s
}

const scheduleSQL = `
SELECT
	s.id, s.deployment_id, d.name AS deployment, p.name AS pool, s.name, s.spec, s.active, s.decided_until, s.seen_until, s.waiting, s.next_due,
	s.last_slot, s.last_error, s.last_error_at, s.failing, d.paused, d.pause, s.updated_at, s.updated_by
FROM schedules s
JOIN deployments d ON d.id = s.deployment_id
JOIN pools p ON p.id = d.pool_id`

func (q Reader) schedules(ctx context.Context, where string, args ...any) ([]Schedule, error) {
	var rows []scheduleRow
	if err := q.db.All(ctx, &rows, scheduleSQL+where, args...); err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	list := make([]Schedule, len(rows))
	for i, r := range rows {
		list[i] = r.schedule()
	}
	return list, nil
}

// ListDeploymentSchedules lists the schedules of a deployment by name.
func (q Reader) ListDeploymentSchedules(ctx context.Context, deployment string) ([]Schedule, error) {
	return q.schedules(ctx, " WHERE d.name = ? AND d.deleted_at IS NULL ORDER BY s.name", deployment)
}

// ListSchedules lists schedules by deployment and name, of these pools; nil: of all. A page of schedules with
// large values has fewer of them.
func (q Reader) ListSchedules(ctx context.Context, pools []string, page Page) ([]Schedule, string, error) {
	read := func(after string, limit int) ([]Schedule, error) {
		where, args := " WHERE d.deleted_at IS NULL AND d.name || '/' || s.name > ?", []any{after}
		if pools != nil {
			where, args = where+" AND p.name IN "+q.db.Dialect().List("text"), append(args, database.ListOf(pools))
		}
		return q.schedules(ctx, where+" ORDER BY d.name || '/' || s.name LIMIT ?", append(args, limit)...)
	}
	return boundedPage(page, "schedule", read,
		func(s Schedule) string { return s.Deployment + "/" + s.Name }, func(s Schedule) int { return len(s.Spec) })
}

// NewSchedule is a schedule as a deployment describes it.
type NewSchedule struct {
	Name   string
	Spec   json.RawMessage
	Active bool
	// Next is its first slot after now; nil where there is none.
	Next *time.Time
	// Continues is true where a schedule of this name has the same slots already: it keeps its place among
	// them.
	Continues bool
}

const (
	putScheduleSQL = `
INSERT INTO schedules (
	id, deployment_id, name, spec, active, decided_until, seen_until, waiting, next_due, last_error, created_at, created_by, updated_at, updated_by
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?)
ON CONFLICT (deployment_id, name) DO UPDATE
SET spec = excluded.spec,
	active = excluded.active,
	decided_until = excluded.decided_until,
	seen_until = excluded.seen_until,
	waiting = excluded.waiting,
	next_due = excluded.next_due,
	held_until = NULL,
	last_error = '',
	last_error_at = NULL,
	failing = FALSE,
	updated_at = excluded.updated_at,
	updated_by = excluded.updated_by`
	dropScheduleSQL = `
DELETE FROM schedules
WHERE id = ?`
)

// UpdateSchedules replaces the schedules of a deployment; schedules that are not in wanted are deleted. A
// schedule whose slots change starts from now: earlier slots are not decided.
func (tx *Tx) UpdateSchedules(
	ctx context.Context, deployment string, wanted []NewSchedule, actor string,
) error {
	d, err := tx.deploymentForChange(ctx, deployment)
	if err != nil {
		return err
	}
	current, err := tx.ListDeploymentSchedules(ctx, deployment)
	if err != nil {
		return err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	stays := map[string]Schedule{}
	for _, s := range current {
		stays[s.Name] = s
	}
	for _, s := range wanted {
		old, there := stays[s.Name]
		delete(stays, s.Name)
		if there && string(old.Spec) == string(s.Spec) && old.Active == s.Active {
			continue
		}
		decided, seen, next, waiting := now, now, s.Next, []time.Time(nil)
		if there && s.Continues {
			decided, seen, next, waiting = old.DecidedUntil, old.SeenUntil, old.NextDue, old.Waiting
			if !old.Active {
				next = &now // as UpdateScheduleActive does
			}
		}
		if !s.Active || d.Paused {
			next = nil
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("generate an ID: %w", err)
		}
		_, err = tx.db.Exec(ctx, putScheduleSQL, id, d.ID, s.Name, database.JSON(s.Spec), s.Active, decided,
			seen, instantsOf(waiting), database.TimeOf(next), now, actor, now, actor)
		if err != nil {
			return fmt.Errorf("store schedule %q of deployment %q: %w", s.Name, deployment, err)
		}
		var before *Schedule
		if there {
			before = &old
		}
		after := Schedule{
			Deployment: deployment, Pool: d.Pool, Name: s.Name, Spec: s.Spec, Active: s.Active, Waiting: waiting,
		}
		if err := tx.scheduleChanged(ctx, before, &after, actor); err != nil {
			return err
		}
	}
	for _, s := range stays {
		if _, err := tx.db.Exec(ctx, dropScheduleSQL, s.ID); err != nil {
			return fmt.Errorf("delete schedule %q of deployment %q: %w", s.Name, deployment, err)
		}
		if err := tx.scheduleChanged(ctx, &s, nil, actor); err != nil {
			return err
		}
	}
	return nil
}

const dropWaitingSQL = `
UPDATE schedules
SET waiting = '[]',
	decided_until = ?,
	seen_until = ?,
	next_due = ?,
	held_until = NULL,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`

// DropWaitingSlots drops the slots of a schedule that wait for the end of a run.
func (tx *Tx) DropWaitingSlots(ctx context.Context, deployment, name, actor string) error {
	if _, err := tx.deploymentForChange(ctx, deployment); err != nil {
		return err
	}
	s, err := tx.schedule(ctx, deployment, name)
	if err != nil {
		return err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	next := s.NextDue
	if next != nil {
		next = &now
	}
	if _, err := tx.db.Exec(ctx, dropWaitingSQL, now, now, database.TimeOf(next), now, actor, s.ID); err != nil {
		return fmt.Errorf("drop the waiting slots of schedule %q of deployment %q: %w", name, deployment, err)
	}
	after := *s
	after.Waiting = nil
	return tx.scheduleChanged(ctx, s, &after, actor)
}

// schedule reads one schedule of a deployment.
func (q Reader) schedule(ctx context.Context, deployment, name string) (*Schedule, error) {
	list, err := q.schedules(ctx, " WHERE d.name = ? AND s.name = ? AND d.deleted_at IS NULL", deployment, name)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, &Error{Code: NotFound, Message: fmt.Sprintf("deployment %q has no schedule %q", deployment, name)}
	}
	return &list[0], nil
}

const activateScheduleSQL = `
UPDATE schedules
SET active = ?,
	next_due = ?,
	held_until = NULL,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`

// UpdateScheduleActive pauses a schedule, or lets it go on. The slots that passed while it was paused are
// missed: what becomes of them is for its misfire policy, which the scheduler asks at once.
func (tx *Tx) UpdateScheduleActive(
	ctx context.Context, deployment, name string, active bool, actor string,
) (*Schedule, error) {
	d, err := tx.deploymentForChange(ctx, deployment)
	if err != nil {
		return nil, err
	}
	read, err := tx.schedule(ctx, deployment, name)
	if err != nil || read.Active == active {
		return read, err
	}
	s := *read
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	before := s
	s.Active, s.NextDue = active, nil
	if active && !d.Paused {
		s.NextDue = &now
	}
	if _, err := tx.db.Exec(ctx, activateScheduleSQL, active, database.TimeOf(s.NextDue), now, actor, s.ID); err != nil {
		return nil, fmt.Errorf("pause or resume schedule %q of deployment %q: %w", name, deployment, err)
	}
	return &s, tx.scheduleChanged(ctx, &before, &s, actor)
}

// UpdateScheduleActive runs Tx.UpdateScheduleActive in a transaction.
func (s *Store) UpdateScheduleActive(
	ctx context.Context, deployment, name string, active bool, actor string,
) (*Schedule, error) {
	return inTx(ctx, s, func(tx *Tx) (*Schedule, error) {
		return tx.UpdateScheduleActive(ctx, deployment, name, active, actor)
	})
}

const restSchedulesSQL = `
UPDATE schedules
SET next_due = ?,
	held_until = NULL
WHERE deployment_id = ?
	AND active`

// pauseSchedules keeps the scheduler from acquiring schedules of a paused deployment, and makes them due at
// once when it is resumed.
func (tx *Tx) pauseSchedules(ctx context.Context, deployment uuid.UUID, rest bool, now time.Time) error {
	next := database.TimeOf(&now)
	if rest {
		next = nil
	}
	if _, err := tx.db.Exec(ctx, restSchedulesSQL, next, deployment); err != nil {
		return fmt.Errorf("pause or resume the schedules of deployment %s: %w", deployment, err)
	}
	return nil
}
