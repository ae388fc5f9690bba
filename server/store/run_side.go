package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// RunSide is one of two runs that are compared.
type RunSide struct {
	Run      Run
	Revision RunRevision
	Attempt  *Attempt // the newest; nil: there is none yet
}

// RunSides are two runs that are compared.
type RunSides struct{ Before, After RunSide }

// GetRunSides returns a run with another one of an earlier time, read from one snapshot; nil is the last run of its
// deployment before it that completed. Errors: NotFound for either; NoCompletedRun where no run completed before.
func (s *Store) GetRunSides(ctx context.Context, id uuid.UUID, other *uuid.UUID) (*RunSides, error) {
	var sides RunSides
	err := s.db.Snapshot(ctx, func(reader database.Reader) error {
		q := Reader{db: reader, s: s}
		run, err := q.GetRun(ctx, id)
		if err != nil {
			return err
		}
		if other == nil {
			if other, err = q.lastCompleted(ctx, run); err != nil {
				return err
			}
			if other == nil {
				return noCompletedRun(run)
			}
		}
		attempts, err := q.ListAttempts(ctx, id)
		if err != nil {
			return err
		}
		sides, err = q.runSides(ctx, *other, run, attempts)
		return err
	})
	return &sides, err
}

func noCompletedRun(run *Run) error {
	return &Error{
		Code:    NoCompletedRun,
		Message: fmt.Sprintf("no run of deployment %q before %s has completed; name the run to compare with", run.Deployment, run.Name),
	}
}

// runSides puts a run that has been read beside another one.
func (q Reader) runSides(ctx context.Context, before uuid.UUID, run *Run, attempts []Attempt) (sides RunSides, err error) {
	if sides.After, err = q.runSide(ctx, run, attempts); err != nil {
		return sides, err
	}
	earlier, err := q.GetRun(ctx, before)
	if err != nil {
		return sides, err
	}
	if attempts, err = q.ListAttempts(ctx, before); err != nil {
		return sides, err
	}
	sides.Before, err = q.runSide(ctx, earlier, attempts)
	return sides, err
}

func (q Reader) runSide(ctx context.Context, run *Run, attempts []Attempt) (RunSide, error) {
	revision, err := q.GetRunRevision(ctx, run.ID)
	if err != nil {
		return RunSide{}, err
	}
	side := RunSide{Run: *run, Revision: *revision}
	if len(attempts) > 0 {
		side.Attempt = &attempts[len(attempts)-1]
	}
	return side, nil
}

// lastCompletedSQL looks at a limited number of runs. Served by runs_deployment.
const lastCompletedSQL = `
SELECT id
FROM (
	SELECT id, state_type
	FROM runs
	WHERE deployment_id = ?
		AND id < ?
	ORDER BY id DESC
	LIMIT ?
) AS earlier
WHERE state_type = 'COMPLETED'
ORDER BY id DESC
LIMIT 1`

// lastCompleted returns the last run before a run, of the same deployment, that completed; nil for none among as many as a
// page of a list looks at.
func (q Reader) lastCompleted(ctx context.Context, run *Run) (*uuid.UUID, error) {
	var id uuid.UUID
	err := q.db.Get(ctx, &id, lastCompletedSQL, run.DeploymentID, run.ID, q.s.searched)
	if errors.Is(err, database.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the last run of deployment %q that completed: %w", run.Deployment, err)
	}
	return &id, nil
}

// sinceItWorked returns a run that has failed beside the last one that completed; nil for other runs, and where none
// completed before.
func (q Reader) sinceItWorked(ctx context.Context, run *Run, attempts []Attempt) (*RunSides, error) {
	if state := run.State.Type; state != lifecycle.Failed && state != lifecycle.Crashed {
		return nil, nil
	}
	last, err := q.lastCompleted(ctx, run)
	if err != nil || last == nil {
		return nil, err
	}
	sides, err := q.runSides(ctx, *last, run, attempts)
	return &sides, err
}
