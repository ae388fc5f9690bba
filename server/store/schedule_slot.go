package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// GapKind is why a slot has no run.
type GapKind string

// The kinds of gaps.
const (
	GapSkipped   GapKind = "skipped"   // by the policy for overlaps or for a busy deployment, or dropped by a user
	GapFailed    GapKind = "failed"    // the run could not be created
	GapPaused    GapKind = "paused"    // the schedule or its deployment was paused
	GapCoalesced GapKind = "coalesced" // missed, and a later slot made the run for it
	GapMissed    GapKind = "missed"    // no server decided it in time, and the misfire policy dropped it
)

// ScheduleGap says why the slots from First to Last have no run, all of them that have none.
type ScheduleGap struct {
	First, Last time.Time
	Kind        GapKind
	Reason      string
}

// pausedGap is that of a pause that ends.
func pausedGap(p *Pause, now time.Time) ScheduleGap {
	gap := ScheduleGap{First: p.At, Last: now, Kind: GapPaused, Reason: "paused by " + p.By}
	if p.Reason != "" {
		gap.Reason += ": " + p.Reason
	}
	return gap
}

// A failure or a skip that goes on extends its row, unless there has been a run or another gap since.
const (
	extendGapSQL = `
UPDATE schedule_gaps
SET last_slot = ?
WHERE schedule_id = ?
	AND kind = ?
	AND reason = ?
	AND last_slot <= ?
	AND last_slot = (SELECT MAX(g.last_slot) FROM schedule_gaps g WHERE g.schedule_id = schedule_gaps.schedule_id)
	AND last_slot >= COALESCE((SELECT s.last_slot FROM schedules s WHERE s.id = schedule_gaps.schedule_id), last_slot)`
	insertGapSQL = `
INSERT INTO schedule_gaps (schedule_id, first_slot, last_slot, kind, reason)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (schedule_id, first_slot, kind) DO UPDATE
SET last_slot = excluded.last_slot,
	reason = excluded.reason`
	insertGapsSQL = `
INSERT INTO schedule_gaps (schedule_id, first_slot, last_slot, kind, reason)
SELECT s.id, %s, %s, %s, %s
FROM schedules s
WHERE s.deployment_id = ?
	AND s.active
ON CONFLICT (schedule_id, first_slot, kind) DO UPDATE
SET last_slot = excluded.last_slot,
	reason = excluded.reason`
	// gapsSQL is served by the primary key.
	gapsSQL = `
SELECT schedule_id, first_slot, last_slot, kind, reason
FROM schedule_gaps
WHERE schedule_id IN %s
	AND last_slot >= ?
	AND first_slot < ?
ORDER BY first_slot`
	oldGapsSQL = `
DELETE FROM schedule_gaps
WHERE last_slot < ?`
)

func (tx *Tx) addGap(ctx context.Context, schedule uuid.UUID, gap ScheduleGap) error {
	n, err := tx.db.Exec(ctx, extendGapSQL, gap.Last, schedule, gap.Kind, gap.Reason, gap.First)
	if err == nil && n == 0 {
		_, err = tx.db.Exec(ctx, insertGapSQL, schedule, gap.First, gap.Last, gap.Kind, gap.Reason)
	}
	if err != nil {
		return fmt.Errorf("note why slots of schedule %s have no run: %w", schedule, err)
	}
	return nil
}

// addGaps adds a gap to all active schedules of a deployment.
func (tx *Tx) addGaps(ctx context.Context, deployment uuid.UUID, gap ScheduleGap) error {
	d := tx.db.Dialect()
	query := fmt.Sprintf(insertGapsSQL, d.Param("timestamptz"), d.Param("timestamptz"), d.Param("text"), d.Param("text"))
	if _, err := tx.db.Exec(ctx, query, gap.First, gap.Last, gap.Kind, gap.Reason, deployment); err != nil {
		return fmt.Errorf("note why slots of deployment %s have no run: %w", deployment, err)
	}
	return nil
}

// retainGaps forgets why slots had no run when their runs would have been removed.
func (s *Store) retainGaps(ctx context.Context, keep Retention, _ *Expired) error {
	if keep.Runs <= 0 {
		return nil
	}
	return s.inRetentionTx(ctx, func(tx *Tx) error {
		now, err := tx.db.Now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.db.Exec(ctx, oldGapsSQL, now.Add(-keep.Runs))
		return err
	})
}

// SlotKey is the idempotency key of the run of a slot. Keys of a schedule are in the order of their slots.
func SlotKey(schedule uuid.UUID, slot time.Time) string {
	return SlotKeyPrefix(schedule) + slot.UTC().Format(time.RFC3339)
}

// SlotKeyPrefix is what the keys of a schedule begin with.
func SlotKeyPrefix(schedule uuid.UUID) string { return "schedule:" + schedule.String() + ":" }

// SlotRun is the run that a slot made.
type SlotRun struct {
	ID       uuid.UUID
	Name     string
	Slot     time.Time
	State    lifecycle.StateType
	Category lifecycle.Category
}

// SlotHour counts the runs of the slots of an hour.
type SlotHour struct {
	At           time.Time
	Runs, Failed int64 // Failed: failed or crashed
}

// SlotFacts are what became of slots, by the IDs of their schedules. Runs and hours have no order: to sort them all would
// take longer than to find them.
type SlotFacts struct {
	Runs  map[uuid.UUID][]SlotRun
	Hours map[uuid.UUID][]SlotHour
	Gaps  map[uuid.UUID][]ScheduleGap
}

// slotRange is where the keys of the slots of a schedule are.
type slotRange struct {
	ScheduleID   uuid.UUID `json:"schedule_id"`
	DeploymentID uuid.UUID `json:"deployment_id"`
	First        string    `json:"first"`
	Before       string    `json:"before"`
}

// slotRunsSQL finds the runs of slots by their keys. Served by the primary key of idempotency_keys, and that of runs.
func slotRunsSQL(d database.Dialect) string {
	return `
SELECT n.schedule_id, r.id, r.name, r.scheduled_time, r.category, ` + runStateTypeSQL + ` AS state_type
FROM ` + database.RecordsOf[slotRange](d) + ` AS n
JOIN idempotency_keys k ON k.deployment_id = n.deployment_id AND k.idempotency_key >= n.first AND k.idempotency_key < n.before
JOIN runs r ON r.id = k.run_id AND r.schedule_id = n.schedule_id
` + listedStatesSQL(d)
}

// GetSlotFacts reads what became of the slots in a range of time: run by run of some schedules, by the hour of others.
func (q Reader) GetSlotFacts(ctx context.Context, each, byHour []Schedule, from, to time.Time) (SlotFacts, error) {
	facts := SlotFacts{map[uuid.UUID][]SlotRun{}, map[uuid.UUID][]SlotHour{}, map[uuid.UUID][]ScheduleGap{}}
	if err := q.slotRuns(ctx, &facts, slotRanges(each, from, to)); err != nil {
		return facts, fmt.Errorf("read the runs of slots: %w", err)
	}
	if err := q.slotHours(ctx, &facts, byHour, from, to); err != nil {
		return facts, fmt.Errorf("count the runs of slots: %w", err)
	}
	if err := q.slotGaps(ctx, &facts, append(each[:len(each):len(each)], byHour...), from, to); err != nil {
		return facts, fmt.Errorf("read why slots have no run: %w", err)
	}
	return facts, nil
}

func slotRanges(schedules []Schedule, from, to time.Time) []slotRange {
	ranges := make([]slotRange, len(schedules))
	for i, s := range schedules {
		ranges[i] = slotRange{s.ID, s.DeploymentID, SlotKey(s.ID, ceilSecond(from)), SlotKey(s.ID, ceilSecond(to))}
	}
	return ranges
}

// ceilSecond is the first full second at or after a time: slots are full seconds.
func ceilSecond(at time.Time) time.Time { return at.Add(time.Second - 1).Truncate(time.Second) }

func (q Reader) slotRuns(ctx context.Context, facts *SlotFacts, ranges []slotRange) error {
	if len(ranges) == 0 {
		return nil
	}
	var rows []struct {
		ScheduleID uuid.UUID           `db:"schedule_id"`
		ID         uuid.UUID           `db:"id"`
		Name       string              `db:"name"`
		Slot       database.Time       `db:"scheduled_time"`
		State      lifecycle.StateType `db:"state_type"`
		Category   lifecycle.Category  `db:"category"`
	}
	if err := q.db.All(ctx, &rows, slotRunsSQL(q.db.Dialect()), database.ListOf(ranges)); err != nil {
		return err
	}
	for _, r := range rows {
		facts.Runs[r.ScheduleID] = append(facts.Runs[r.ScheduleID], SlotRun{r.ID, r.Name, r.Slot.Time(), r.State, r.Category})
	}
	return nil
}

// slotHoursSQL counts the keys of slots by the hour, which is in them. Served by the primary key of idempotency_keys.
func slotHoursSQL(d database.Dialect) string {
	return `
SELECT n.schedule_id, SUBSTR(k.idempotency_key, ?, ?) AS hour, COUNT(*) AS runs
FROM ` + database.RecordsOf[slotRange](d) + ` AS n
JOIN idempotency_keys k ON k.deployment_id = n.deployment_id AND k.idempotency_key >= n.first AND k.idempotency_key < n.before
GROUP BY 1, 2`
}

// failedSlotsSQL is served by runs_unsuccessful. A run is not created before its slot.
func failedSlotsSQL(d database.Dialect) string {
	return `
SELECT r.schedule_id, ` + d.Hour("r.scheduled_time") + ` AS hour, COUNT(*) AS failed
FROM runs r
WHERE r.unsuccessful IN ('FAILED', 'CRASHED')
	AND r.id >= ?
	AND r.scheduled_time >= ?
	AND r.scheduled_time < ?
	AND r.schedule_id IN ` + d.List("uuid") + `
GROUP BY 1, 2`
}

// hourLayout is how a key has the hour of its slot.
const hourLayout = "2006-01-02T15"

func (q Reader) slotHours(ctx context.Context, facts *SlotFacts, schedules []Schedule, from, to time.Time) error {
	if len(schedules) == 0 {
		return nil
	}
	failed, err := q.failedSlots(ctx, schedules, from, to)
	if err != nil {
		return err
	}
	var rows []struct {
		ScheduleID uuid.UUID `db:"schedule_id"`
		Hour       string    `db:"hour"`
		Runs       int64     `db:"runs"`
	}
	begin := len(SlotKeyPrefix(uuid.Nil)) + 1
	err = q.db.All(ctx, &rows, slotHoursSQL(q.db.Dialect()), begin, len(hourLayout), database.ListOf(slotRanges(schedules, from, to)))
	if err != nil {
		return err
	}
	for _, r := range rows {
		at, err := time.Parse(hourLayout, r.Hour)
		if err != nil {
			continue // a key that a user has chosen
		}
		n := failed[slotHour{r.ScheduleID, at.Unix() / secondsPerHour}]
		facts.Hours[r.ScheduleID] = append(facts.Hours[r.ScheduleID], SlotHour{At: at, Runs: r.Runs, Failed: n})
	}
	return nil
}

// slotHour is an hour of a schedule, counted from 1970.
type slotHour struct {
	schedule uuid.UUID
	hour     int64
}

// failedSlots counts the runs of slots that failed or crashed.
func (q Reader) failedSlots(ctx context.Context, schedules []Schedule, from, to time.Time) (map[slotHour]int64, error) {
	var rows []struct {
		ScheduleID uuid.UUID `db:"schedule_id"`
		Hour       int64     `db:"hour"`
		Failed     int64     `db:"failed"`
	}
	err := q.db.All(ctx, &rows, failedSlotsSQL(q.db.Dialect()), firstID(from.Add(-idSlack)), from, to, database.ListOf(idsOfSchedules(schedules)))
	failed := make(map[slotHour]int64, len(rows))
	for _, r := range rows {
		failed[slotHour{r.ScheduleID, r.Hour}] = r.Failed
	}
	return failed, err
}

func idsOfSchedules(schedules []Schedule) []uuid.UUID {
	ids := make([]uuid.UUID, len(schedules))
	for i, s := range schedules {
		ids[i] = s.ID
	}
	return ids
}

func (q Reader) slotGaps(ctx context.Context, facts *SlotFacts, schedules []Schedule, from, to time.Time) error {
	ids := idsOfSchedules(schedules)
	var rows []struct {
		ScheduleID uuid.UUID     `db:"schedule_id"`
		First      database.Time `db:"first_slot"`
		Last       database.Time `db:"last_slot"`
		Kind       GapKind       `db:"kind"`
		Reason     string        `db:"reason"`
	}
	if err := q.db.All(ctx, &rows, fmt.Sprintf(gapsSQL, q.db.Dialect().List("uuid")), database.ListOf(ids), from, to); err != nil {
		return err
	}
	for _, r := range rows {
		gap := ScheduleGap{r.First.Time(), r.Last.Time(), r.Kind, r.Reason}
		facts.Gaps[r.ScheduleID] = append(facts.Gaps[r.ScheduleID], gap)
	}
	return nil
}

// ScheduleCursor is the cursor of ListSchedules after a schedule.
func ScheduleCursor(s Schedule) string {
	return database.NewCursor(scheduleCursor, scheduleKey(s))
}
