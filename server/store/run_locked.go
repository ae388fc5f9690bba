package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// lockedRun is a run's row that is locked and may be changed. Every change of a run goes through lockRuns,
// move and saveRuns, so that a state is never without its event nor an event without its hint.
type lockedRun struct {
	runProgress
	runRarelyChanged
	DeploymentID uuid.UUID `db:"deployment_id"`
	QueueID      uuid.UUID `db:"queue_id"`
	// Clock is the database's time when locking began; nil on SQLite.
	Clock *database.Time `db:"clock"`
	// Fields for the worker; read for a claim only.
	Name          string           `db:"name"`
	StoredNames   database.Strings `db:"stored_names"`
	ScheduledTime database.Time    `db:"scheduled_time"`
	Tags          database.Strings `db:"tags"`
	Parameters    database.JSON    `db:"parameters"`
	JobVariables  database.JSON    `db:"job_variables"`
	// FrozenRevisionID is the current revision of the deployment: what it freezes holds for the next attempt.
	FrozenRevisionID uuid.UUID `db:"frozen_revision_id"`

	termsKey
	runTerms

	was     runRarelyChanged // as it was read
	changed bool
	events  []eventRow
	noted   map[notedDiagnosis]bool // in its history; nil: not read
}

// runProgress is what every change of a run writes.
type runProgress struct {
	ID           uuid.UUID           `db:"id" json:"id"`
	StateType    lifecycle.StateType `db:"state_type" json:"state_type"`
	StateName    string              `db:"state_name" json:"state_name"`
	StateMessage string              `db:"state_message" json:"state_message"`
	StateAt      database.Time       `db:"state_at" json:"state_at"`
	TimeoutAt    *database.Time      `db:"timeout_at" json:"timeout_at"`
	StartedAt    *database.Time      `db:"started_at" json:"started_at"`
	EndedAt      *database.Time      `db:"ended_at" json:"ended_at"`
	Attempt      int32               `db:"attempt" json:"attempt"`
	LastEvent    int64               `db:"last_event" json:"last_event"`
}

// runRarelyChanged is what most changes of a run leave as it is, so that most do not write it.
type runRarelyChanged struct {
	CancelReason    lifecycle.CancelReason                     `db:"cancel_reason" json:"cancel_reason"`
	DueAt           database.Time                              `db:"due_at" json:"due_at"`
	StartDeadlineAt *database.Time                             `db:"start_deadline_at" json:"start_deadline_at"`
	Spent           database.Structured[lifecycle.RetriesUsed] `db:"spent" json:"spent"`
	ExitCode        *int32                                     `db:"exit_code" json:"exit_code"`
	Category        lifecycle.Category                         `db:"category" json:"category"`
	// Defaults of the template; the deployment overrides them.
	TemplateTimeoutUS         *int64 `db:"template_timeout_us" json:"template_timeout_us"`
	TemplateInfrastructureMax *int   `db:"template_infrastructure_max" json:"template_infrastructure_max"`
	// Raised are the job variables that retries have raised, for the next attempt.
	Raised *string `db:"raised" json:"raised"`
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

// note writes into the run's history without a change of its state.
func (r *lockedRun) note(message string, at time.Time, actor string, attempt int32) {
	r.changed = true
	r.LastEvent++
	r.events = append(r.events, eventRow{
		RunID: r.ID, Seq: r.LastEvent, At: database.Time(at), Actor: actor, Attempt: attempt,
		StateType: r.StateType, StateName: r.StateName, Message: message,
	})
}

const liveRunColumns = `r.id, r.deployment_id, r.revision_id, r.pool_id, r.queue_id,
	r.state_type, r.state_name, r.state_message, r.state_at, r.cancel_reason, r.due_at, r.start_deadline_at, r.timeout_at,
	r.started_at, r.ended_at, r.attempt, r.spent, r.exit_code, r.category, r.last_event,
	r.template_timeout_us, r.template_infrastructure_max, r.raised`

// claimColumns are the additional columns for a worker.
const claimColumns = ` r.name, r.stored_names, r.scheduled_time, r.tags, r.parameters, r.job_variables,
	(SELECT d.revision_id FROM deployments d WHERE d.id = r.deployment_id) AS frozen_revision_id,`

func liveRunsSQL(d database.Dialect, more string) string {
	return `
SELECT
	` + d.Clock() + ` AS clock,` + more + `
	` + liveRunColumns + `
FROM runs r
WHERE r.id IN ` + d.List("uuid") + `
ORDER BY r.id`
}

// lockRuns locks live runs in the order of their IDs, as every transaction does: before attempts, after
// pools. Runs that do not exist are omitted; with skip also runs that another transaction has locked.
func (tx *Tx) lockRuns(ctx context.Context, ids []uuid.UUID, skip bool) (map[uuid.UUID]*lockedRun, error) {
	query := liveRunsSQL(tx.db.Dialect(), "")
	if skip {
		return tx.lockRunsBy(ctx, query, forRunsSkipping, ids)
	}
	return tx.lockRunsBy(ctx, query, forRuns, ids)
}

// lockRunsForClaim is lockRuns with skip, and reads claimColumns.
func (tx *Tx) lockRunsForClaim(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*lockedRun, error) {
	query := liveRunsSQL(tx.db.Dialect(), claimColumns)
	return tx.lockRunsBy(ctx, query, forRunsSkipping, ids)
}

const (
	forRuns         = "FOR NO KEY UPDATE OF r"
	forRunsSkipping = "FOR NO KEY UPDATE OF r SKIP LOCKED"
)

// lockRunsBy locks the runs that a query over IDs returns. A row is read as it is once locked.
func (tx *Tx) lockRunsBy(
	ctx context.Context, query, lock string, ids []uuid.UUID,
) (map[uuid.UUID]*lockedRun, error) {
	var rows []*lockedRun
	if err := tx.db.All(ctx, &rows, query+tx.db.Dialect().Lock(lock), database.ListOf(ids)); err != nil {
		return nil, fmt.Errorf("lock runs: %w", err)
	}
	return tx.indexLocked(ctx, rows)
}

// indexLocked returns runs that have just been locked by ID, with their terms.
func (tx *Tx) indexLocked(ctx context.Context, rows []*lockedRun) (map[uuid.UUID]*lockedRun, error) {
	runs := make(map[uuid.UUID]*lockedRun, len(rows))
	for _, r := range rows {
		r.was = r.runRarelyChanged
		runs[r.ID] = r
	}
	return runs, tx.readTerms(ctx, rows)
}
