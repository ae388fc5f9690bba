package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// What output needs to know of attempts and runs: all statements of output over their tables are here.

// attemptEpoch is what appending output needs to know of an attempt.
type attemptEpoch struct {
	ID     uuid.UUID `db:"id"`
	RunID  uuid.UUID `db:"run_id"`
	Number int32     `db:"number"`
	Epoch  int64     `db:"epoch"`
}

const (
	liveEpochsSQL = `
SELECT attempt_id AS id, run_id, number, epoch
FROM live
WHERE attempt_id IN `
	// endedEpochsSQL is served by attempts_id, of which each partition has one.
	endedEpochsSQL = `
SELECT id, run_id, number, epoch
FROM attempts
WHERE id IN `
)

// attemptEpochs returns the newest epoch of attempts, also of ended ones. An attempt moves from live to attempts, so that
// none is missed in this order.
func (q Reader) attemptEpochs(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]attemptEpoch, error) {
	epochs := make(map[uuid.UUID]attemptEpoch, len(ids))
	for _, query := range []string{liveEpochsSQL, endedEpochsSQL} {
		missing := slices.DeleteFunc(slices.Clone(ids), func(id uuid.UUID) bool {
			_, found := epochs[id]
			return found
		})
		if len(missing) == 0 {
			break
		}
		var rows []attemptEpoch
		if err := q.db.All(ctx, &rows, query+q.db.Dialect().List("uuid"), database.ListOf(missing)); err != nil {
			return nil, fmt.Errorf("read the epochs of attempts: %w", err)
		}
		for _, r := range rows {
			epochs[r.ID] = r
		}
	}
	return epochs, nil
}

const liveAttemptsSQL = `
SELECT attempt_id
FROM live
WHERE attempt_id IN `

// liveAttempts returns which of the attempts have not ended.
func (q Reader) liveAttempts(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	var rows []uuid.UUID
	if err := q.db.All(ctx, &rows, liveAttemptsSQL+q.db.Dialect().List("uuid"), database.ListOf(ids)); err != nil {
		return nil, fmt.Errorf("find attempts that have not ended: %w", err)
	}
	live := make(map[uuid.UUID]bool, len(rows))
	for _, id := range rows {
		live[id] = true
	}
	return live, nil
}

const newestAttemptSQL = `
SELECT COALESCE(w.attempt, l.number, r.attempt)
FROM runs r
` + stateJoinsSQL + `
WHERE r.id = ?`

// newestAttempt returns the number of a run's newest attempt, 0 for none.
func (q Reader) newestAttempt(ctx context.Context, runID uuid.UUID) (int32, error) {
	var numbers []int32
	if err := q.db.All(ctx, &numbers, newestAttemptSQL, runID); err != nil || len(numbers) == 0 {
		return 0, err
	}
	return numbers[0], nil
}

// Conditions on output, as parts of statements of retention. The run of the output may be queued for a retry.
const (
	// ofUnfinishedRunSQL is about outputs o.
	ofUnfinishedRunSQL = `EXISTS (
				SELECT 1
				FROM runs r
				WHERE r.id = o.run_id
					AND r.ended_at IS NULL
			)`
	// unfinishedOutputSQL finds one output of an unfinished run with rows in a partition, %s, of log_chunks. It is
	// served by outputs_run and the partition's primary key. A run that was created after the
	// partition's last day has no output in it.
	unfinishedOutputSQL = `
SELECT EXISTS (
	SELECT 1
	FROM (SELECT run_id FROM live UNION ALL SELECT run_id FROM ready) AS r
	JOIN outputs o ON o.run_id = r.run_id
	WHERE r.run_id < ?
		AND EXISTS (SELECT 1 FROM %s c WHERE c.attempt_id = o.attempt_id)
)`
)
