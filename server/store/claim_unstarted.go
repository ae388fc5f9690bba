package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// takenRow is an attempt that was just taken over, under its new epoch.
type takenRow struct {
	ID        uuid.UUID      `db:"id"`
	RunID     uuid.UUID      `db:"run_id"`
	Number    int32          `db:"number"`
	Epoch     int64          `db:"epoch"`
	Phase     Phase          `db:"phase"`
	JobUID    string         `db:"job_uid"`
	RunningAt *database.Time `db:"running_at"`
}

// restedCondition is the condition that an attempt a was not taken over too recently: before its container has
// started, each takeover waits longer than the one before.
func restedCondition(now time.Time) (condition string, args []any) {
	clauses := []string{"(a.running_at IS NOT NULL AND a.lease_expires_at <= ?)"}
	args = []any{now}
	for epoch := int64(1); ; epoch++ {
		delay := lifecycle.TakeoverDelay(epoch)
		if delay == lifecycle.TakeoverDelay(epoch+1) { // the longest: of all later epochs too
			clauses, args = append(clauses, "(a.lease_expires_at <= ?)"), append(args, now.Add(-delay))
			return "(" + strings.Join(clauses, "\n\tOR ") + ")", args
		}
		clauses = append(clauses, "(a.epoch <= ? AND a.lease_expires_at <= ?)")
		args = append(args, epoch, now.Add(-delay))
	}
}

// countTakeover counts the takeover of an attempt that has not started. It returns the outcome of an attempt that
// ends instead, because too many have not started.
func (tx *Tx) countTakeover(row takenRow, run *lockedRun, now time.Time, actor string) *lifecycle.Outcome {
	decision := lifecycle.DecideTakeover(lifecycle.CurrentState{
		Run: run.StateType, CancelReason: run.CancelReason, Phase: row.Phase, JobUID: row.JobUID,
		Started: row.RunningAt != nil, RetriesUsed: run.Spent.V,
	})
	if run.Spent.V != decision.RetriesUsed {
		run.Spent.V, run.changed = decision.RetriesUsed, true
	}
	if decision.Cancel != lifecycle.NotCancelled {
		run.CancelReason = decision.Cancel
	}
	if decision.State != nil {
		run.move(*decision.State, now, actor, row.Number)
	}
	if decision.Ended == nil {
		return nil
	}
	run.Category = decision.Ended.Outcome.Category
	tx.db.HintTurns(PoolTopic(run.Pool), 1) // its slot is free
	return &decision.Ended.Outcome
}

const endUnstartedSQL = `
UPDATE attempts
SET phase = 'ended',
	category = ?,
	message = ?,
	ended_at = ?
WHERE id = ?`

// endUnstarted ends an attempt of which no Job exists.
func (tx *Tx) endUnstarted(ctx context.Context, attempt uuid.UUID, o lifecycle.Outcome, now time.Time) error {
	if _, err := tx.db.Exec(ctx, endUnstartedSQL, o.Category, o.Message, now, attempt); err != nil {
		return fmt.Errorf("end attempt %s: %w", attempt, err)
	}
	return nil
}
