package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store/database"
)

// A pod can change between two diagnoses for days. Its run shows the newest, and its history has each once.
const (
	// diagnosesFree is how many events a run may have before repeated diagnoses are looked for.
	diagnosesFree = 20
	// diagnosesMax is how many events a run may have before changes of the diagnosis alone add no more.
	diagnosesMax = 1000
)

// notedDiagnosis is a message in the history of a run.
type notedDiagnosis struct {
	Attempt   int32  `db:"attempt"`
	StateName string `db:"state_name"`
	Message   string `db:"message"`
}

func notedSQL(d database.Dialect) string {
	return `
SELECT DISTINCT run_id, attempt, state_name, message
FROM events
WHERE run_id IN ` + d.List("uuid")
}

// readNoted reads the histories of runs with many events of which diagnoses are reported. Served by the
// primary key; the histories are short, because each diagnosis is in them once.
func (b *reportBatch) readNoted(ctx context.Context, tx *Tx, reports []Report) error {
	added := map[*lockedRun]int64{}
	runs := map[uuid.UUID]*lockedRun{}
	for _, r := range reports {
		run := b.runs[r.AttemptID]
		if run == nil || r.Kind != ReportPending && r.Kind != ReportRunning {
			continue
		}
		if added[run]++; run.noted == nil && run.LastEvent+added[run] > diagnosesFree {
			run.noted = map[notedDiagnosis]bool{}
			runs[run.ID] = run
		}
	}
	if len(runs) == 0 {
		return nil
	}

	var rows []struct {
		RunID uuid.UUID `db:"run_id"`
		notedDiagnosis
	}
	if err := tx.db.All(ctx, &rows, notedSQL(tx.db.Dialect()), database.ListOf(slices.Collect(maps.Keys(runs)))); err != nil {
		return fmt.Errorf("read the events of runs: %w", err)
	}
	for _, row := range rows {
		runs[row.RunID].noted[row.notedDiagnosis] = true
	}
	return nil
}

// isNoted reports whether the history needs no event for a new message of the state that the run is in.
func (r *lockedRun) isNoted(message string, attempt int32) bool {
	if r.noted == nil {
		return false
	}
	key := notedDiagnosis{Attempt: attempt, StateName: r.StateName, Message: message}
	if r.noted[key] || r.LastEvent >= diagnosesMax {
		return true
	}
	r.noted[key] = true
	return false
}
