package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
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
	OwnPause         *Pause // of the schedule; nil unless it is inactive
	// DeploymentID is that of Deployment.
	DeploymentID uuid.UUID
	// SlotsSince is since when it has the slots that Spec says.
	SlotsSince time.Time
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
	OwnPause     database.Structured[*Pause] `db:"own_pause"`
	SlotsSince   database.Time               `db:"slots_since"`
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
		Pause:            r.Pause.V,
		OwnPause:         r.OwnPause.V,
		DeploymentID:     r.DeploymentID,
		SlotsSince:       r.SlotsSince.Time(),
	}
	if s.Pause == nil {
		s.Pause = s.OwnPause
	}
	return s
}

const scheduleSQL = `
SELECT
	s.id, s.deployment_id, d.name AS deployment, p.name AS pool, s.name, s.spec, s.active, s.decided_until, s.seen_until, s.waiting, s.next_due,
	s.last_slot, s.last_error, s.last_error_at, s.failing, d.paused, d.pause, s.pause AS own_pause, s.slots_since
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

// scheduleCursor is the kind of cursors of ListSchedules.
const scheduleCursor = "schedule"

// ScheduleFilter narrows a list of schedules; empty fields do not.
type ScheduleFilter struct {
	Pools      []string // any of these; nil: all
	Deployment string
	Tag        string // of the deployment
	Failing    bool   // only schedules whose newest slot could not create its run
	// NextFirst orders the schedules that will be handled by when, instead of all by name.
	NextFirst bool
}

// afterSchedule is the place in a list by name that a key names. Names have no line breaks.
func afterSchedule(key string) (where string, args []any) {
	deployment, name, _ := strings.Cut(key, "\n")
	return "d.name >= ? AND (d.name, s.name) > (?, ?)", []any{deployment, deployment, name}
}

func scheduleKey(s Schedule) string { return s.Deployment + "\n" + s.Name }

// afterNext is the place in a list by time that a key names.
func afterNext(key string) (where string, args []any, err error) {
	if key == "" {
		return "s.next_due IS NOT NULL", nil, nil
	}
	at, id, _ := strings.Cut(key, "\n")
	due, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return "", nil, database.ForeignCursor()
	}
	after, err := uuid.Parse(id)
	if err != nil {
		return "", nil, database.ForeignCursor()
	}
	return "(s.next_due, s.id) > (?, ?)", []any{*database.TimeOf(&due), after}, nil
}

func nextKey(s Schedule) string {
	if s.NextDue == nil { // none is in such a list
		return ""
	}
	return s.NextDue.UTC().Format(time.RFC3339Nano) + "\n" + s.ID.String()
}

// ListSchedules lists schedules by deployment and name, served by deployments_name, or by when they are due, served by
// schedules_due. A page of schedules with large values has fewer of them.
func (q Reader) ListSchedules(ctx context.Context, f ScheduleFilter, page Page) ([]Schedule, string, error) {
	kind, key, order := scheduleCursor, scheduleKey, "d.name, s.name"
	if f.NextFirst {
		kind, key, order = scheduleCursor+"-next", nextKey, "s.next_due, s.id"
	}
	read := func(after string, limit int) ([]Schedule, error) {
		place, args := afterSchedule(after)
		if f.NextFirst {
			var err error
			if place, args, err = afterNext(after); err != nil {
				return nil, err
			}
		}
		where := conditions{[]string{"d.deleted_at IS NULL", place}, args}
		if f.Pools != nil {
			where.add("p.name IN "+q.db.Dialect().List("text"), database.ListOf(f.Pools))
		}
		if f.Deployment != "" {
			where.add("d.name = ?", f.Deployment)
		}
		if f.Tag != "" {
			where.add(q.db.Dialect().Contains("d.tags"), f.Tag)
		}
		if f.Failing {
			where.add("s.failing")
		}
		return q.schedules(ctx, where.sql()+" ORDER BY "+order+" LIMIT ?", append(where.args, limit)...)
	}
	return boundedPage(page, kind, read, key, func(s Schedule) int { return len(s.Spec) })
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
	id, deployment_id, name, spec, active, pause, slots_since, decided_until, seen_until, waiting, next_due, last_error, created_at, created_by,
	updated_at, updated_by
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?)
ON CONFLICT (deployment_id, name) DO UPDATE
SET spec = excluded.spec,
	active = excluded.active,
	pause = excluded.pause,
	slots_since = excluded.slots_since,
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
		decided, seen, next, waiting, since := now, now, s.Next, []time.Time(nil), now
		own := PauseChange{Paused: !s.Active}.over(old.OwnPause, actor, now)
		pause, err := pauseText(own)
		if err != nil {
			return err
		}
		if there && s.Continues {
			decided, seen, next, waiting, since = old.DecidedUntil, old.SeenUntil, old.NextDue, old.Waiting, old.SlotsSince
			if !old.Active {
				next = &now // as UpdateSchedulePaused does
			}
			if !old.Active && s.Active {
				if err := tx.addGap(ctx, old.ID, pausedGap(old.OwnPause, now)); err != nil {
					return err
				}
			}
		}
		if !s.Active || d.Paused {
			next = nil
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("generate an ID: %w", err)
		}
		_, err = tx.db.Exec(ctx, putScheduleSQL, id, d.ID, s.Name, database.JSON(s.Spec), s.Active, pause, since, decided,
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
			OwnPause: own,
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
	if n := len(s.Waiting); n > 0 {
		dropped := ScheduleGap{s.Waiting[0], s.Waiting[n-1], GapSkipped, "it waited for the end of a run, and " + actor + " dropped it"}
		if err := tx.addGap(ctx, s.ID, dropped); err != nil {
			return err
		}
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
	pause = ?,
	next_due = ?,
	held_until = NULL,
	updated_at = ?,
	updated_by = ?
WHERE id = ?`

// UpdateSchedulePaused pauses a schedule, or lets it go on. The slots that passed while it was paused are
// missed: what becomes of them is for its misfire policy, which the scheduler asks at once.
func (tx *Tx) UpdateSchedulePaused(
	ctx context.Context, deployment, name string, c PauseChange, actor string,
) (*Schedule, error) {
	d, err := tx.deploymentForChange(ctx, deployment)
	if err != nil {
		return nil, err
	}
	read, err := tx.schedule(ctx, deployment, name)
	if err != nil {
		return nil, err
	}
	s := *read
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	before := s
	if s.OwnPause = c.over(before.OwnPause, actor, now); s.OwnPause == before.OwnPause {
		return read, nil
	}
	s.Active, s.NextDue = !c.Paused, nil
	if s.Active && !d.Paused {
		s.NextDue = &now
	}
	if s.Active {
		if err := tx.addGap(ctx, s.ID, pausedGap(before.OwnPause, now)); err != nil {
			return nil, err
		}
	}
	if s.Pause = d.Pause.V; s.Pause == nil {
		s.Pause = s.OwnPause
	}
	pause, err := pauseText(s.OwnPause)
	if err != nil {
		return nil, err
	}
	if _, err := tx.db.Exec(ctx, activateScheduleSQL, s.Active, pause, database.TimeOf(s.NextDue), now, actor, s.ID); err != nil {
		return nil, fmt.Errorf("pause or resume schedule %q of deployment %q: %w", name, deployment, err)
	}
	return &s, tx.scheduleChanged(ctx, &before, &s, actor)
}

// UpdateSchedulePaused runs Tx.UpdateSchedulePaused in a transaction.
func (s *Store) UpdateSchedulePaused(
	ctx context.Context, deployment, name string, c PauseChange, actor string,
) (*Schedule, error) {
	return inTx(ctx, s, func(tx *Tx) (*Schedule, error) {
		return tx.UpdateSchedulePaused(ctx, deployment, name, c, actor)
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
