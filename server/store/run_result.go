package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// Result is what a workload says has come out of it.
type Result struct {
	Value   json.RawMessage
	Attempt int32 // the attempt that reported it
	At      time.Time
}

// Progress is how far a workload says it is.
type Progress struct {
	Percent *float64
	Message string
	Attempt int32
	At      time.Time
}

// ResultAndProgress are the result and progress that the workload of a run has reported; nil: none yet.
type ResultAndProgress struct {
	Result   *Result
	Progress *Progress
}

// Served by the unique index of live.
const lockActiveAttemptSQL = `
SELECT l.attempt_id AS id, l.number
FROM runs r
JOIN live l ON l.deployment_id = r.deployment_id AND l.run_id = r.id
WHERE r.id = ?`

// lockActiveAttempt locks the active attempt of a run, so that it does not end before the transaction, and
// returns its number. Unless attempt is uuid.Nil, it must be that attempt.
func (tx *Tx) lockActiveAttempt(ctx context.Context, run, attempt uuid.UUID) (int32, error) {
	var row struct {
		ID     uuid.UUID `db:"id"`
		Number int32     `db:"number"`
	}
	err := tx.db.Get(ctx, &row, lockActiveAttemptSQL+tx.db.Dialect().Lock("FOR SHARE OF l"), run)
	if err != nil && !errors.Is(err, database.ErrNoRows) {
		return 0, fmt.Errorf("find the active attempt of run %s: %w", run, err)
	}
	if err == nil && (attempt == uuid.Nil || attempt == row.ID) {
		return row.Number, nil
	}
	current, err := tx.GetRun(ctx, run)
	if err != nil {
		return 0, err
	}
	if current.State.Type.Terminal() {
		return 0, &Error{
			Code:    RunFinished,
			Message: fmt.Sprintf("run has ended: %s", current.State.Type),
		}
	}
	return 0, &Error{
		Code:    Conflict,
		Message: "the run has attempt not found under way: only a workload that runs says something of itself",
	}
}

const (
	setResultSQL = `
INSERT INTO run_results (run_id, result, result_attempt, result_at)
VALUES (?, ?, ?, ?)
ON CONFLICT (run_id) DO UPDATE
SET result = excluded.result,
	result_attempt = excluded.result_attempt,
	result_at = excluded.result_at`
	setProgressSQL = `
INSERT INTO run_results (run_id, percent, message, progress_attempt, progress_at)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (run_id) DO UPDATE
SET percent = excluded.percent,
	message = excluded.message,
	progress_attempt = excluded.progress_attempt,
	progress_at = excluded.progress_at`
)

// UpsertResult stores the result of a run with an active attempt and replaces an earlier one. attempt is
// uuid.Nil for any attempt.
func (tx *Tx) UpsertResult(
	ctx context.Context, run, attempt uuid.UUID, value json.RawMessage,
) (*Result, error) {
	number, err := tx.lockActiveAttempt(ctx, run, attempt)
	if err != nil {
		return nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.db.Exec(ctx, setResultSQL, run, database.JSON(value), number, now); err != nil {
		return nil, fmt.Errorf("store the result of run %s: %w", run, err)
	}
	tx.db.Hint(RunTopic(run))
	return &Result{Value: value, Attempt: number, At: now}, nil
}

// UpsertResult runs Tx.UpsertResult in a transaction.
func (s *Store) UpsertResult(
	ctx context.Context, run, attempt uuid.UUID, value json.RawMessage,
) (*Result, error) {
	return inTx(ctx, s, func(tx *Tx) (*Result, error) { return tx.UpsertResult(ctx, run, attempt, value) })
}

// UpsertProgress stores how far a run is whose attempt is under way.
func (tx *Tx) UpsertProgress(
	ctx context.Context, run, attempt uuid.UUID, percent *float64, message string,
) (*Progress, error) {
	number, err := tx.lockActiveAttempt(ctx, run, attempt)
	if err != nil {
		return nil, err
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return nil, err
	}
	message = database.CleanText(message)
	if _, err := tx.db.Exec(ctx, setProgressSQL, run, percent, message, number, now); err != nil {
		return nil, fmt.Errorf("store the progress of run %s: %w", run, err)
	}
	tx.db.Hint(RunTopic(run))
	return &Progress{Percent: percent, Message: message, Attempt: number, At: now}, nil
}

// UpsertProgress runs Tx.UpsertProgress in a transaction.
func (s *Store) UpsertProgress(
	ctx context.Context, run, attempt uuid.UUID, percent *float64, message string,
) (*Progress, error) {
	return inTx(ctx, s, func(tx *Tx) (*Progress, error) {
		return tx.UpsertProgress(ctx, run, attempt, percent, message)
	})
}

const resultAndProgressSQL = `
SELECT result, result_attempt, result_at, percent, COALESCE(message, '') AS message, progress_attempt, progress_at
FROM run_results
WHERE run_id = ?`

// GetResultAndProgress returns the result and progress of a run.
func (q Reader) GetResultAndProgress(ctx context.Context, run uuid.UUID) (ResultAndProgress, error) {
	var row struct {
		Result          database.JSON  `db:"result"`
		ResultAttempt   *int32         `db:"result_attempt"`
		ResultAt        *database.Time `db:"result_at"`
		Percent         *float64       `db:"percent"`
		Message         string         `db:"message"`
		ProgressAttempt *int32         `db:"progress_attempt"`
		ProgressAt      *database.Time `db:"progress_at"`
	}
	var answer ResultAndProgress
	err := q.db.Get(ctx, &row, resultAndProgressSQL, run)
	if errors.Is(err, database.ErrNoRows) {
		return answer, nil
	}
	if err != nil {
		return answer, fmt.Errorf("read the result and progress of run %s: %w", run, err)
	}
	if row.ResultAt != nil {
		answer.Result = &Result{Value: row.Result.Raw(), Attempt: *row.ResultAttempt, At: row.ResultAt.Time()}
	}
	if row.ProgressAt != nil {
		answer.Progress = &Progress{
			Percent: row.Percent,
			Message: row.Message,
			Attempt: *row.ProgressAttempt,
			At:      row.ProgressAt.Time(),
		}
	}
	return answer, nil
}
