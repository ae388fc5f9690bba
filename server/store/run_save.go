package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// wholeRun is everything of a lockedRun that may change.
type wholeRun struct {
	runProgress
	runRarelyChanged
}

func updateRunsSQL(d database.Dialect, whole bool) string {
	columns := []string{
		"id uuid", "state_type text", "state_name text", "state_message text", "state_at time",
		"timeout_at time", "started_at time", "ended_at time", "attempt integer", "last_event bigint",
	}
	rest := ""
	if whole {
		columns = append(columns, "cancel_reason text", "due_at time", "start_deadline_at time", "spent text",
			"exit_code integer", "category text", "template_timeout_us bigint",
			"template_infrastructure_max integer", "raised text")
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
FROM ` + d.Records(columns...) + ` AS n
WHERE runs.id = n.id`
}

func insertEventsSQL(d database.Dialect) string {
	return `
INSERT INTO events (run_id, seq, at, actor, attempt, state_type, state_name, message)
SELECT run_id, seq, at, actor, attempt, state_type, state_name, message
FROM ` + d.Records("run_id uuid", "seq bigint", "at time", "actor text", "attempt integer", "state_type text",
		"state_name text", "message text") + ` AS n`
}

// saveRuns stores changed runs and their events.
func (tx *Tx) saveRuns(ctx context.Context, runs map[uuid.UUID]*lockedRun) error {
	if err := tx.db.ExecBatch(ctx, tx.changesOf(runs)...); err != nil {
		return fmt.Errorf("save runs: %w", err)
	}
	return nil
}

// changesOf is what saves locked runs, which are taken as saved then.
func (tx *Tx) changesOf(runs map[uuid.UUID]*lockedRun) []database.Statement {
	changed := make([]runProgress, 0, len(runs))
	var whole []wholeRun
	events := make([]eventRow, 0, len(runs))
	for _, r := range runs {
		if !r.changed {
			continue
		}
		if r.runRarelyChanged == r.was {
			changed = append(changed, r.runProgress)
		} else {
			whole = append(whole, wholeRun{r.runProgress, r.runRarelyChanged})
			r.was = r.runRarelyChanged
		}
		events = append(events, r.events...)
		r.changed, r.events = false, nil
		tx.db.Hint(RunTopic(r.ID), RunsTopic())
	}
	var changes []database.Statement
	if len(changed) > 0 {
		changes = append(changes,
			database.NewStatement(updateRunsSQL(tx.db.Dialect(), false), database.ListOf(changed)))
	}
	if len(whole) > 0 {
		changes = append(changes,
			database.NewStatement(updateRunsSQL(tx.db.Dialect(), true), database.ListOf(whole)))
	}
	if len(events) > 0 {
		changes = append(changes,
			database.NewStatement(insertEventsSQL(tx.db.Dialect()), database.ListOf(events)))
	}
	return changes
}
