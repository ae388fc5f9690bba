package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// pastRow is an attempt that is over.
type pastRow struct {
	ID         uuid.UUID           `db:"id"`
	Run        lifecycle.StateType `db:"state_type"`
	Epoch      int64               `db:"epoch"`
	JobUID     string              `db:"job_uid"`
	Started    bool                `db:"started"`
	HandedBack bool                `db:"handed_back"`
	Succeeded  bool                `db:"succeeded"`
	ExitCode   *int32              `db:"exit_code"`
	Category   lifecycle.Category  `db:"category"`
	Message    string              `db:"message"`
}

// pastAttemptsSQL is served by attempts_id and ready_handed_back.
func pastAttemptsSQL(d database.Dialect) string {
	return `
SELECT
	a.id, r.state_type, a.epoch, a.job_uid, a.running_at IS NOT NULL AS started, FALSE AS handed_back, a.succeeded,
	a.exit_code, a.category, a.message
FROM attempts a
JOIN runs r ON r.id = a.run_id
WHERE a.id IN ` + d.List("uuid") + `
UNION ALL
SELECT w.handed_back_id, 'SCHEDULED', w.epoch, '', FALSE, TRUE, FALSE, NULL, '', ''
FROM ready w
WHERE w.handed_back_id IN ` + d.List("uuid")
}

// pastAttempts returns attempts that are over, by ID: they have ended, or were handed back and not
// claimed again.
func (q Reader) pastAttempts(
	ctx context.Context, ids []uuid.UUID,
) (map[uuid.UUID]lifecycle.CurrentState, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list := database.ListOf(ids)
	var rows []pastRow
	if err := q.db.All(ctx, &rows, pastAttemptsSQL(q.db.Dialect()), list, list); err != nil {
		return nil, fmt.Errorf("read attempts that have ended: %w", err)
	}
	past := make(map[uuid.UUID]lifecycle.CurrentState, len(rows))
	for _, r := range rows {
		past[r.ID] = lifecycle.CurrentState{
			Run: r.Run, Phase: PhaseEnded, Epoch: r.Epoch, JobUID: r.JobUID, Started: r.Started, HandedBack: r.HandedBack,
			Outcome: lifecycle.Outcome{
				Succeeded: r.Succeeded, Category: r.Category, ExitCode: r.ExitCode, Message: r.Message,
			},
		}
	}
	return past, nil
}
