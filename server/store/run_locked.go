package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// lockedRun is a run whose current row is locked and may be changed. Every change of a run goes through a lock,
// move or note, and saveRuns, so that a state is never without its event nor an event without its hint.
type lockedRun struct {
	runKey
	runState
	// Clock is the database's time when the row was read; nil on SQLite.
	Clock *database.Time `db:"clock"`
	// HandedBackID and Epoch are those of the attempt that was handed back, of a run in ready.
	HandedBackID *uuid.UUID `db:"handed_back_id"`
	ReadyEpoch   int64      `db:"ready_epoch"`

	runTerms

	place   place
	attempt *liveAttempt // the attempt under way; nil where there is none
	changed bool
	events  []eventRow
	noted   map[notedDiagnosis]bool // in its history; nil: not read
}

// place is the table with the current row of a run.
type place int

const (
	inReady place = iota // SCHEDULED
	inLive               // PENDING, RUNNING, CANCELLING
	inRuns               // ended
)

// placeOf returns where the row of a run in a state belongs.
func placeOf(state lifecycle.StateType) place {
	switch {
	case state == lifecycle.Scheduled:
		return inReady
	case state.Terminal():
		return inRuns
	}
	return inLive
}

// runKey is what a run keeps while it is not retried by hand.
type runKey struct {
	ID           uuid.UUID `db:"id" json:"run_id"`
	DeploymentID uuid.UUID `db:"deployment_id" json:"deployment_id"`
	QueueID      uuid.UUID `db:"queue_id" json:"queue_id"`
	termsKey
}

// runState is what changes of a run, wherever its row is.
type runState struct {
	runProgress
	runWait
	runEnd
	CancelReason lifecycle.CancelReason `db:"cancel_reason" json:"cancel_reason"`
	// TemplateTimeoutUS is the template's limit on the run's time; the deployment overrides it.
	TemplateTimeoutUS *int64 `db:"template_timeout_us" json:"template_timeout_us"`
	// Raised are the job variables that retries have raised, for the next attempt.
	Raised *string `db:"raised" json:"raised"`
	// DeadlineAt is when the sweep looks at the deadlines of the run; nil: it has none.
	DeadlineAt *database.Time `db:"deadline_at" json:"deadline_at"`
}

// runProgress is what a run in live and one that has ended have in common.
type runProgress struct {
	StateType    lifecycle.StateType                        `db:"state_type" json:"state_type"`
	StateName    string                                     `db:"state_name" json:"state_name"`
	StateMessage string                                     `db:"state_message" json:"state_message"`
	StateAt      database.Time                              `db:"state_at" json:"state_at"`
	StartedAt    *database.Time                             `db:"started_at" json:"started_at"`
	TimeoutAt    *database.Time                             `db:"timeout_at" json:"timeout_at"`
	Spent        database.Structured[lifecycle.RetriesUsed] `db:"spent" json:"spent"`
	LastEvent    int64                                      `db:"last_event" json:"last_event"`
	// TemplateInfrastructureMax is the template's budget; the deployment overrides it.
	TemplateInfrastructureMax *int `db:"template_infrastructure_max" json:"template_infrastructure_max"`
}

// runWait is since when and until when a run waits or waited, and for which attempt. Reports of a run under way leave
// it as it is.
type runWait struct {
	DueAt           database.Time  `db:"due_at" json:"due_at"`
	StartDeadlineAt *database.Time `db:"start_deadline_at" json:"start_deadline_at"`
	Attempt         int32          `db:"attempt" json:"attempt"` // the last, or the one under way
}

// runEnd is what a run has once it has ended.
type runEnd struct {
	EndedAt  *database.Time     `db:"ended_at" json:"ended_at"`
	ExitCode *int32             `db:"exit_code" json:"exit_code"`
	Category lifecycle.Category `db:"category" json:"category"`
}

// move changes the state of the run and adds an event. It does nothing if the run is in that state already.
func (r *lockedRun) move(to lifecycle.State, at time.Time, actor string, attempt int32) {
	to.Message = database.CleanText(to.Message)
	if r.StateType == to.Type && r.StateName == to.Name && r.StateMessage == to.Message {
		return
	}
	messageOnly := r.StateType == to.Type && r.StateName == to.Name
	r.StateType, r.StateName, r.StateMessage, r.StateAt = to.Type, to.Name, to.Message, database.Time(at)
	r.EndedAt = nil
	if to.Type.Terminal() {
		r.EndedAt = database.TimeOf(&at)
	}
	if messageOnly && r.isNoted(to.Message, attempt) {
		r.changed = true
		return
	}
	r.note(to.Message, at, actor, attempt)
}

// note writes into the run's history without a change of its state.
func (r *lockedRun) note(message string, at time.Time, actor string, attempt int32) {
	r.changed = true
	r.LastEvent++
	r.events = append(r.events, eventRow{
		RunID: r.ID, Seq: r.LastEvent, At: database.Time(at), Actor: actor, Attempt: attempt,
		StateType: r.StateType, StateName: r.StateName, Message: message,
	})
}

// timeout is the deployment's limit on the run's time, or else the template's; nil for none.
func (r *lockedRun) timeout() *int64 {
	if r.TimeoutUS != nil {
		return r.TimeoutUS
	}
	return r.TemplateTimeoutUS
}

// policy is the deployment's retry policy, with the template's budget for the infrastructure where it has
// none.
func (r *lockedRun) policy() lifecycle.RetryPolicy {
	return r.Retries.V.WithTemplateDefault(r.TemplateInfrastructureMax)
}

// deadline is the time before which no deadline of the run passes; nil: it has none. While a run with a timeout
// has not started, that is as if it started now: the sweep then looks too early, and again.
func (r *lockedRun) deadline(now time.Time) *database.Time {
	var first *database.Time
	consider := func(at *database.Time) {
		if at != nil && (first == nil || at.Time().Before(first.Time())) {
			first = at
		}
	}
	if r.StartedAt == nil {
		consider(r.StartDeadlineAt)
	}
	if r.TimeoutAt != nil && r.suspendedAt() != nil {
		at := now.Add(max(time.Second, r.TimeoutAt.Time().Sub(r.suspendedAt().Time()))) // as if it were resumed now
		consider(database.TimeOf(&at))
	} else if r.TimeoutAt != nil {
		consider(r.TimeoutAt)
	} else if limit := r.timeout(); limit != nil && r.StateType != lifecycle.Scheduled {
		at := now.Add(*database.Duration(limit))
		consider(database.TimeOf(&at))
	}
	return first
}

// suspendedAt is since when the Job of the run is suspended after it ran; nil if it is not.
func (r *lockedRun) suspendedAt() *database.Time {
	if r.attempt == nil {
		return nil
	}
	return r.attempt.SuspendedAt
}

// keepDeadline makes the sweep look in time, and leaves an earlier look as it is.
func (r *lockedRun) keepDeadline(now time.Time) {
	next := r.deadline(now)
	if next != nil && (r.DeadlineAt == nil || next.Time().Before(r.DeadlineAt.Time())) {
		r.DeadlineAt = next
	}
}

// readyColumns are a lockedRun in ready, as w, whose run is r.
const readyColumns = `
	w.run_id AS id, w.deployment_id, r.revision_id, w.pool_id, w.queue_id,
	'SCHEDULED' AS state_type, w.state_name, w.state_message, w.state_at, '' AS cancel_reason, w.due_at,
	w.started_at, w.start_deadline_at, w.timeout_at, w.deadline_at, w.attempt, w.spent, '' AS category, w.last_event,
	w.template_timeout_us, w.template_infrastructure_max, w.raised, w.handed_back_id, w.epoch AS ready_epoch`

func readyRunsSQL(d database.Dialect) string {
	return `
SELECT
	` + d.RowClock() + ` AS clock,` + readyColumns + `
FROM ` + d.List("uuid") + ` AS n
JOIN runs r ON r.id = n.item
JOIN ready w ON w.deployment_id = r.deployment_id AND w.run_id = r.id
ORDER BY w.run_id` + d.Lock("FOR UPDATE OF w")
}

func endedRunsSQL(d database.Dialect) string {
	return `
SELECT
	` + d.RowClock() + ` AS clock,
	r.id, r.deployment_id, r.revision_id, r.pool_id, r.queue_id,
	r.state_type, r.state_name, r.state_message, r.state_at, '' AS cancel_reason, r.due_at, r.started_at,
	r.start_deadline_at, r.timeout_at, r.ended_at, r.attempt, r.spent, r.exit_code, r.category, r.last_event,
	r.template_infrastructure_max
FROM runs r
WHERE r.id IN ` + d.List("uuid") + `
ORDER BY r.id` + d.Lock("FOR NO KEY UPDATE")
}

// lockRounds bounds how often a run is looked for that moves from table to table meanwhile.
const lockRounds = 10

// lockRuns locks runs, wherever their row is: in live, then in ready, then in runs, and in each in the order of their
// IDs. Runs that do not exist are omitted.
func (tx *Tx) lockRuns(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*lockedRun, error) {
	runs := make(map[uuid.UUID]*lockedRun, len(ids))
	for round := 0; len(ids) > 0; round++ {
		if round == lockRounds {
			return nil, fmt.Errorf("lock runs: %d of them change again and again", len(ids))
		}
		if err := tx.lockRunsOnce(ctx, ids, runs); err != nil {
			return nil, err
		}
		// The rest has moved to a table that was read before. The next round reads it as it is then.
		missing := ids[:0:0]
		for _, id := range ids {
			if r, ok := runs[id]; ok && r == nil {
				missing = append(missing, id)
			}
		}
		ids = missing
	}
	return runs, tx.locked(ctx, runs)
}

// lockRunsOnce adds the runs that it finds. Of a run that has not ended and has no row in ready or live, it adds nil.
func (tx *Tx) lockRunsOnce(ctx context.Context, ids []uuid.UUID, runs map[uuid.UUID]*lockedRun) error {
	live, err := tx.lockLive(ctx, liveByRunSQL(tx.db.Dialect()), ids)
	if err != nil {
		return err
	}
	for _, r := range live {
		runs[r.ID] = r
	}
	for _, table := range []struct {
		place place
		query string
	}{{inReady, readyRunsSQL(tx.db.Dialect())}, {inRuns, endedRunsSQL(tx.db.Dialect())}} {
		var rest []uuid.UUID
		for _, id := range ids {
			if runs[id] == nil {
				rest = append(rest, id)
			}
		}
		if len(rest) == 0 {
			return nil
		}
		var rows []*lockedRun
		if err := tx.db.All(ctx, &rows, table.query, database.ListOf(rest)); err != nil {
			return fmt.Errorf("lock runs: %w", err)
		}
		for _, r := range rows {
			r.place = table.place
			if runs[r.ID] = r; r.place == inRuns && r.EndedAt == nil {
				runs[r.ID] = nil
			}
		}
	}
	return nil
}

// locked completes runs that have just been locked: their terms, and the clock, which goes with the row that was read
// last.
func (tx *Tx) locked(ctx context.Context, runs map[uuid.UUID]*lockedRun) error {
	list := make([]*lockedRun, 0, len(runs))
	var clock *database.Time
	for _, r := range runs {
		list = append(list, r)
		if r.Clock != nil && (clock == nil || r.Clock.Time().After(clock.Time())) {
			clock = r.Clock
		}
	}
	tx.db.AdvanceClock(clock)
	return tx.readTerms(ctx, list)
}
