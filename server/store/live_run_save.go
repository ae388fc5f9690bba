package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
)

// runRecord is a lockedRun as it travels to the database.
type runRecord struct {
	ID           uuid.UUID           `json:"id"`
	StateType    lifecycle.StateType `json:"state_type"`
	StateName    string              `json:"state_name"`
	StateMessage string              `json:"state_message"`
	StateAt      *micros             `json:"state_at"`
	TimeoutAt    *micros             `json:"timeout_at"`
	StartedAt    *micros             `json:"started_at"`
	EndedAt      *micros             `json:"ended_at"`
	Attempt      int32               `json:"attempt"`
	LastEvent    int64               `json:"last_event"`
}

// wholeRunRecord is one with the rest.
type wholeRunRecord struct {
	runRecord
	runRest
	DueAt           *micros `json:"due_at"`
	StartDeadlineAt *micros `json:"start_deadline_at"`
}

func (r *lockedRun) record() runRecord {
	return runRecord{
		ID: r.ID, StateType: r.StateType, StateName: r.StateName, StateMessage: r.StateMessage, StateAt: r.StateAt.micros(),
		TimeoutAt: r.TimeoutAt.micros(), StartedAt: r.StartedAt.micros(), EndedAt: r.EndedAt.micros(),
		Attempt: r.Attempt, LastEvent: r.LastEvent,
	}
}

func (d dialect) updateRunsSQL(whole bool) string {
	columns := []string{
		"id uuid",
		"state_type text",
		"state_name text",
		"state_message text",
		"state_at time",
		"timeout_at time",
		"started_at time",
		"ended_at time",
		"attempt integer",
		"last_event bigint",
	}
	rest := ""
	if whole {
		columns = append(
			columns,
			"cancel_reason text",
			"due_at time",
			"start_deadline_at time",
			"spent text",
			"exit_code integer",
			"category text",
			"template_timeout_us bigint",
			"template_infrastructure_max integer",
			"raised text",
		)
		rest = `,
	cancel_reason = n.cancel_reason,
	due_at = n.due_at,
	start_deadline_at = n.start_deadline_at,
	spent = n.spent,
	exit_code = n.exit_code,
	category = n.category,
	template_timeout_us = n.template_timeout_us,
	template_infrastructure_max = n.template_infrastructure_max,
	raised = n.raised`
	}
	return `
UPDATE runs
SET state_type = n.state_type,
	state_name = n.state_name,
	state_message = n.state_message,
	state_at = n.state_at,
	timeout_at = n.timeout_at,
	started_at = n.started_at,
	ended_at = n.ended_at,
	attempt = n.attempt,
	last_event = n.last_event` + rest + `
FROM ` + d.records(columns...) + ` AS n
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
func (tx *Tx) saveRuns(ctx context.Context, runs map[uuid.UUID]*lockedRun) error {
	if err := tx.together(ctx, tx.changesOf(runs)...); err != nil {
		return fmt.Errorf("save runs: %w", err)
	}
	return nil
}

// changesOf is what saves locked runs, which are taken as saved then.
func (tx *Tx) changesOf(runs map[uuid.UUID]*lockedRun) []statement {
	changed := make([]runRecord, 0, len(runs))
	var whole []wholeRunRecord
	events := make([]eventRecord, 0, len(runs))
	for _, r := range runs {
		if !r.changed {
			continue
		}
		if r.runRest == r.was {
			changed = append(changed, r.record())
		} else {
			whole = append(whole, wholeRunRecord{
				runRecord: r.record(), runRest: r.runRest, DueAt: r.DueAt.micros(), StartDeadlineAt: r.StartDeadlineAt.micros(),
			})
			r.was = r.runRest
		}
		events = append(events, r.events...)
		r.changed, r.events = false, nil
		tx.hint(RunTopic(r.ID), RunsTopic())
	}
	var changes []statement
	if len(changed) > 0 {
		changes = append(changes, statement{tx.s.dialect.updateRunsSQL(false), []any{listOf(changed)}})
	}
	if len(whole) > 0 {
		changes = append(changes, statement{tx.s.dialect.updateRunsSQL(true), []any{listOf(whole)}})
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
