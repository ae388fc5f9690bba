package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
)

// liveRun is a run's row that is locked and may be changed. Every change of a run goes through lockRuns, move and
// saveRuns, so that a state is never without its event nor an event without its hint.
type liveRun struct {
	ID              uuid.UUID                   `db:"id" json:"id"`
	Name            string                      `db:"name" json:"-"`
	DeploymentID    uuid.UUID                   `db:"deployment_id" json:"-"`
	QueueID         uuid.UUID                   `db:"queue_id" json:"-"`
	StoredNames     texts                       `db:"stored_names" json:"-"`
	StateType       lifecycle.StateType         `db:"state_type" json:"state_type"`
	StateName       string                      `db:"state_name" json:"state_name"`
	StateMessage    string                      `db:"state_message" json:"state_message"`
	StateAt         stamp                       `db:"state_at" json:"-"`
	CancelReason    lifecycle.CancelReason      `db:"cancel_reason" json:"cancel_reason"`
	DueAt           stamp                       `db:"due_at" json:"-"`
	StartDeadlineAt *stamp                      `db:"start_deadline_at" json:"-"`
	TimeoutAt       *stamp                      `db:"timeout_at" json:"-"`
	StartedAt       *stamp                      `db:"started_at" json:"-"`
	EndedAt         *stamp                      `db:"ended_at" json:"-"`
	Attempt         int32                       `db:"attempt" json:"attempt"`
	Spent           structured[lifecycle.Spent] `db:"spent" json:"spent"`
	ExitCode        *int32                      `db:"exit_code" json:"exit_code"`
	Category        lifecycle.Category          `db:"category" json:"category"`
	LastEvent       int64                       `db:"last_event" json:"last_event"`
	// What the template says; it counts where the deployment says nothing.
	TemplateTimeoutUS         *int64 `db:"template_timeout_us" json:"template_timeout_us"`
	TemplateInfrastructureMax *int   `db:"template_infrastructure_max" json:"template_infrastructure_max"`
	// Raised are the job variables that retries have raised, for the next attempt.
	Raised *string `db:"raised" json:"raised"`
	// Clock is the database's time when locking began; nil on SQLite.
	Clock *stamp `db:"clock" json:"-"`
	// What a worker is told; read for a claim only.
	ScheduledTime stamp    `db:"scheduled_time" json:"-"`
	Tags          texts    `db:"tags" json:"-"`
	Parameters    document `db:"parameters" json:"-"`
	JobVariables  document `db:"job_variables" json:"-"`

	termsKey
	runTerms

	changed bool
	events  []eventRecord
}

type eventRecord struct {
	RunID     uuid.UUID           `json:"run_id"`
	Seq       int64               `json:"seq"`
	At        micros              `json:"at"`
	Actor     string              `json:"actor"`
	Attempt   int32               `json:"attempt"`
	StateType lifecycle.StateType `json:"state_type"`
	StateName string              `json:"state_name"`
	Message   string              `json:"message"`
}

// move puts the run into a state and writes that into its history; nothing happens where it is there already.
func (r *liveRun) move(to lifecycle.State, at time.Time, actor string, attempt int32) {
	to.Message = clean(to.Message)
	if r.StateType == to.Type && r.StateName == to.Name && r.StateMessage == to.Message {
		return
	}
	r.StateType, r.StateName, r.StateMessage, r.StateAt = to.Type, to.Name, to.Message, stamp(at)
	r.EndedAt = nil
	if to.Type.Terminal() {
		r.EndedAt = stampOf(&at)
	}
	r.note(to.Message, at, actor, attempt)
}

// timeout is the deployment's limit on the run's time, or else the template's; nil for none.
func (r *liveRun) timeout() *int64 {
	if r.TimeoutUS != nil {
		return r.TimeoutUS
	}
	return r.TemplateTimeoutUS
}

// policy is the deployment's retry policy, with the template's budget for the infrastructure where it has none.
func (r *liveRun) policy() lifecycle.RetryPolicy {
	return r.Retries.v.Within(r.TemplateInfrastructureMax)
}

// note writes into the run's history without a change of its state.
func (r *liveRun) note(message string, at time.Time, actor string, attempt int32) {
	r.changed = true
	r.LastEvent++
	r.events = append(r.events, eventRecord{
		RunID: r.ID, Seq: r.LastEvent, At: microsAt(at), Actor: actor, Attempt: attempt,
		StateType: r.StateType, StateName: r.StateName, Message: message,
	})
}

func (d dialect) liveRunsSQL(more string) string {
	return `
SELECT
	` + d.clock() + ` AS clock,` + more + `
	r.id, r.name, r.deployment_id, r.revision_id, r.pool_id, r.queue_id, r.stored_names,
	r.state_type, r.state_name, r.state_message, r.state_at, r.cancel_reason, r.due_at, r.start_deadline_at, r.timeout_at,
	r.started_at, r.ended_at, r.attempt, r.spent, r.exit_code, r.category, r.last_event,
	r.template_timeout_us, r.template_infrastructure_max, r.raised
FROM runs r
WHERE r.id IN `
}

// lockRuns locks runs in the order of their ids, which everybody keeps, and returns those that exist. Locked before
// attempts, after pools. With skip, runs that somebody else has locked are left out.
func (tx *Tx) lockRuns(ctx context.Context, ids []uuid.UUID, skip bool) (map[uuid.UUID]*liveRun, error) {
	query := tx.s.dialect.liveRunsSQL("") + tx.s.dialect.list("uuid")
	if skip {
		return tx.lockRunsBy(ctx, query, forRunsSkipping, ids)
	}
	return tx.lockRunsBy(ctx, query, forRuns, ids)
}

// lockRunsForClaim is lockRuns, skipping, with what a worker is told of them.
func (tx *Tx) lockRunsForClaim(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*liveRun, error) {
	query := tx.s.dialect.liveRunsSQL(" r.scheduled_time, r.tags, r.parameters, r.job_variables,") + tx.s.dialect.list("uuid")
	return tx.lockRunsBy(ctx, query, forRunsSkipping, ids)
}

// lockRunsOf locks the runs of attempts.
func (tx *Tx) lockRunsOf(ctx context.Context, attempts []uuid.UUID) (map[uuid.UUID]*liveRun, error) {
	query := tx.s.dialect.liveRunsSQL("") + "(SELECT run_id FROM attempts WHERE id IN " + tx.s.dialect.list("uuid") + ")"
	return tx.lockRunsBy(ctx, query, forRuns, attempts)
}

const (
	forRuns         = "FOR NO KEY UPDATE OF r"
	forRunsSkipping = "FOR NO KEY UPDATE OF r SKIP LOCKED"
)

// lockRunsBy locks what a query over ids finds. A run is read as it is when it has been locked.
func (tx *Tx) lockRunsBy(ctx context.Context, query, lock string, ids []uuid.UUID) (map[uuid.UUID]*liveRun, error) {
	var rows []*liveRun
	if err := tx.all(ctx, &rows, query+"\nORDER BY r.id"+tx.s.dialect.lock(lock), listOf(ids)); err != nil {
		return nil, fmt.Errorf("lock runs: %w", err)
	}
	runs := make(map[uuid.UUID]*liveRun, len(rows))
	for _, r := range rows {
		runs[r.ID] = r
	}
	return runs, tx.readTerms(ctx, rows)
}

// runRecord is a liveRun as it travels to the database.
type runRecord struct {
	*liveRun
	StateAt         *micros `json:"state_at"`
	DueAt           *micros `json:"due_at"`
	StartDeadlineAt *micros `json:"start_deadline_at"`
	TimeoutAt       *micros `json:"timeout_at"`
	StartedAt       *micros `json:"started_at"`
	EndedAt         *micros `json:"ended_at"`
}

func (d dialect) updateRunsSQL() string {
	return `
UPDATE runs
SET state_type = n.state_type,
	state_name = n.state_name,
	state_message = n.state_message,
	state_at = n.state_at,
	cancel_reason = n.cancel_reason,
	due_at = n.due_at,
	start_deadline_at = n.start_deadline_at,
	timeout_at = n.timeout_at,
	started_at = n.started_at,
	ended_at = n.ended_at,
	attempt = n.attempt,
	spent = n.spent,
	exit_code = n.exit_code,
	category = n.category,
	last_event = n.last_event,
	template_timeout_us = n.template_timeout_us,
	template_infrastructure_max = n.template_infrastructure_max,
	raised = n.raised
FROM ` + d.records("id uuid", "state_type text", "state_name text", "state_message text", "state_at time",
		"cancel_reason text", "due_at time", "start_deadline_at time", "timeout_at time", "started_at time", "ended_at time",
		"attempt integer", "spent text", "exit_code integer", "category text", "last_event bigint",
		"template_timeout_us bigint", "template_infrastructure_max integer", "raised text") + ` AS n
WHERE runs.id = n.id`
}

func (d dialect) insertEventsSQL() string {
	return `
INSERT INTO events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT run_id, seq, at, actor, attempt, state_type, state_name, message
FROM ` + d.records("run_id uuid", "seq bigint", "at time", "actor text", "attempt integer", "state_type text",
		"state_name text", "message text") + ` AS n`
}

// saveRuns stores what has changed of locked runs, with their events.
func (tx *Tx) saveRuns(ctx context.Context, runs map[uuid.UUID]*liveRun) error {
	if err := tx.together(ctx, tx.changesOf(runs)...); err != nil {
		return fmt.Errorf("save runs: %w", err)
	}
	return nil
}

// changesOf is what saves locked runs, which are taken as saved then.
func (tx *Tx) changesOf(runs map[uuid.UUID]*liveRun) []statement {
	changed := make([]runRecord, 0, len(runs))
	events := make([]eventRecord, 0, len(runs))
	for _, r := range runs {
		if !r.changed {
			continue
		}
		changed = append(changed, runRecord{
			liveRun: r, StateAt: r.StateAt.micros(), DueAt: r.DueAt.micros(), StartDeadlineAt: r.StartDeadlineAt.micros(),
			TimeoutAt: r.TimeoutAt.micros(), StartedAt: r.StartedAt.micros(), EndedAt: r.EndedAt.micros(),
		})
		events = append(events, r.events...)
		r.changed, r.events = false, nil
		tx.hint(RunTopic(r.ID), RunsTopic())
	}
	var changes []statement
	if len(changed) > 0 {
		changes = append(changes, statement{tx.s.dialect.updateRunsSQL(), []any{listOf(changed)}})
	}
	if len(events) > 0 {
		changes = append(changes, statement{tx.s.dialect.insertEventsSQL(), []any{listOf(events)}})
	}
	return changes
}

// bulk runs a statement over records, unless there are none.
func bulk[T any](ctx context.Context, tx *Tx, query string, records []T) error {
	if len(records) == 0 {
		return nil
	}
	_, err := tx.exec(ctx, query, listOf(records))
	return err
}
