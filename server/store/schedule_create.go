package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/berth-dev/berth/server/store/database"
)

// ScheduleChanged is the code of the error that a schedule is no longer as it was read: it was paused, changed
// or deleted since, or its deployment was, or another server has decided its slots, or the database's clock went back.
const ScheduleChanged Code = "schedule-changed"

const scheduleNowSQL = `
SELECT spec, active, decided_until
FROM schedules
WHERE id = ?`

// CreateScheduledRun creates the run of a slot of a schedule, unless it exists already. A schedule that is
// not as it was read any longer is refused with ScheduleChanged; nothing is to be decided for it then.
func (tx *Tx) CreateScheduledRun(ctx context.Context, n NewRun, read Schedule, actor string) error {
	changed := &Error{Code: ScheduleChanged, Message: fmt.Sprintf(
		"schedule %q of deployment %q has changed while a run was created", read.Name, read.Deployment)}
	// Changes of the deployment and its schedules wait until the run is created. One that has committed before is seen.
	d, err := tx.deploymentForRun(ctx, n.Deployment)
	if IsCode(err, NotFound) || err == nil && d.Paused {
		return changed
	}
	if err != nil {
		return err
	}

	var rows []struct {
		Spec         database.JSON `db:"spec"`
		Active       bool          `db:"active"`
		DecidedUntil database.Time `db:"decided_until"`
	}
	if err := tx.db.All(ctx, &rows, scheduleNowSQL, read.ID); err != nil {
		return fmt.Errorf("read schedule %s: %w", read.ID, err)
	}
	if len(rows) == 0 || !rows[0].Active || !bytes.Equal(rows[0].Spec, read.Spec) ||
		!rows[0].DecidedUntil.Time().Equal(read.DecidedUntil) {
		return changed
	}
	now, err := tx.db.Now(ctx)
	if err != nil {
		return err
	}
	if n.ScheduledTime != nil && n.ScheduledTime.After(now.Add(clockSlack)) {
		return changed // CorrectClock could not tell its run from one that is due later
	}
	_, _, err = tx.CreateRun(ctx, n, actor)
	return err
}

// CreateScheduledRun runs Tx.CreateScheduledRun in a transaction.
func (s *Store) CreateScheduledRun(ctx context.Context, n NewRun, read Schedule, actor string) error {
	return s.InTx(ctx, func(tx *Tx) error { return tx.CreateScheduledRun(ctx, n, read, actor) })
}
