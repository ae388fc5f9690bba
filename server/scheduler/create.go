package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
)

// maxError bounds the stored reason why a slot has no run, in characters.
const maxError = 2000

// actorOf is who creates the runs of a schedule, as the audit shows it.
func actorOf(due dueSchedule) string { return store.ScheduleActor + due.Name }

// createRun creates the run of a slot. If the run can never be created, because its values no longer fit the
// deployment, it returns the reason. Any other error is worth another try.
func (s *Scheduler) createRun(
	ctx context.Context,
	due dueSchedule,
	slot time.Time,
) (refused string, err error) {
	for try := 1; ; try++ {
		err := s.tryCreateRun(ctx, due, slot)
		var invalid *problem.Error
		var conflict *store.Error
		switch {
		case err == nil:
			return "", nil
		case store.IsCode(err, store.RevisionChanged) && try < newrun.MaxTries:
			continue
		case store.IsCode(err, store.IdempotencyMismatch) && errors.As(err, &conflict):
			// A client has used the key of this slot for a run with other values.
			return conflict.Message, nil
		case errors.As(err, &invalid):
			s.logger.Warn("schedule created no run",
				"deployment", due.Deployment, "schedule", due.Name, "slot", slot, "error", err)
			return withFindings(invalid), nil
		}
		return "", err
	}
}

func (s *Scheduler) tryCreateRun(ctx context.Context, due dueSchedule, slot time.Time) error {
	deployment, err := s.store.GetDeployment(ctx, due.Deployment)
	if store.IsCode(err, store.NotFound) { // deleted since the schedule was read, and the schedule with it
		return &store.Error{Code: store.ScheduleChanged, Message: err.Error()}
	}
	if err != nil {
		return err
	}
	maker, err := s.runs.Maker(ctx, deployment, rulebook.ScheduleCaller(actorOf(due)))
	if err != nil {
		return err
	}

	// The jitter does not change the slot: jobs compute their period from it.
	run, _, err := maker.MakeScheduled(ctx, due.spec, &slot)
	if err != nil {
		return err
	}
	run.IdempotencyKey, run.ScheduleID = store.SlotKey(due.ID, slot), due.ID
	run.Delay = due.parsed.Delay(due.ID.String(), slot)
	return s.store.CreateScheduledRun(ctx, run, due.Schedule, actorOf(due))
}

// cancelRuns cancels runs that were replaced. A run that has ended meanwhile is no error.
func (s *Scheduler) cancelRuns(ctx context.Context, ids []string, actor string) error {
	for _, text := range ids {
		id, err := uuid.Parse(text)
		if err != nil {
			return fmt.Errorf("read the id of a run: %w", err)
		}
		if _, err := s.store.CancelRun(ctx, id, actor); err != nil && !store.IsCode(err, store.RunFinished) {
			return err
		}
	}
	return nil
}

// noRun is the stored reason why a slot has no run.
func noRun(slot time.Time, reason string) string {
	return shorten(fmt.Sprintf("no run for slot %s: %s", slot.Format(time.RFC3339), reason))
}

// withFindings is a refusal with its findings, in one text.
func withFindings(e *problem.Error) string {
	text := e.Error()
	for _, f := range e.Findings {
		text += "; " + f.Pointer + ": " + f.Message
	}
	return text
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > maxError {
		return string(runes[:maxError]) + "…"
	}
	return text
}
