package handler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/store"
)

const (
	// scheduleBatch is how many schedules a server takes on at a time, scheduleHold for how long: another one
	// takes them when this one dies.
	scheduleBatch = 100
	scheduleHold  = 15 * time.Second
	// schedulesAtOnce is how many a server runs side by side.
	schedulesAtOnce = 8
	// waitAgain is when a slot that waits for the end of a run is looked at again.
	waitAgain = 5 * time.Second
	// scheduleActor makes the runs of schedules: this and the schedule's name.
	scheduleActor = "schedule:"
	// maxWaiting is how many slots of a schedule wait for the ends of runs at most.
	maxWaiting = 1000
	// maxScheduleError bounds what is kept of why a slot made no run.
	maxScheduleError = 2000
)

// RunDueSchedules makes the runs of all slots that are due. Every server calls it; a slot is keyed by its
// instant, so that it makes one run whoever comes, and however often. A schedule that fails keeps none of the
// others from their turn: it is looked at again after scheduleHold.
func (h *Handler) RunDueSchedules(ctx context.Context) error {
	var failed []error
	for {
		due, now, err := h.store.DueSchedules(ctx, scheduleBatch, scheduleHold)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		failed = append(failed, h.runSchedules(ctx, due, now)...)
		if len(due) < scheduleBatch {
			return errors.Join(failed...)
		}
	}
}

// runSchedules runs schedules side by side.
func (h *Handler) runSchedules(ctx context.Context, due []store.Schedule, now time.Time) []error {
	var group errgroup.Group
	group.SetLimit(schedulesAtOnce)
	failed := make([]error, len(due))
	for i, s := range due {
		group.Go(func() error {
			if err := h.runSchedule(ctx, s, now); err != nil {
				failed[i] = fmt.Errorf("schedule %q of deployment %q: %w", s.Name, s.Deployment, err)
			}
			return nil
		})
	}
	_ = group.Wait() // no error is returned to it
	return slices.DeleteFunc(failed, func(err error) bool { return err == nil })
}

// runSchedule decides the slots of a schedule up to now, and moves it on.
func (h *Handler) runSchedule(ctx context.Context, s store.Schedule, now time.Time) error {
	outcome := store.ScheduleOutcome{ID: s.ID, Was: s.DecidedUntil, Until: now, Error: s.LastError}
	spec, parsed, err := understood(s)
	if err != nil { // as after an update of the time zones; without a next slot it rests until somebody changes it
		outcome.Error, outcome.Waiting = shortened(err.Error()), s.Waiting
		return h.store.SettleSchedule(ctx, outcome)
	}
	slots := undecided(s, parsed, readMisfire(spec), now)
	for i, slot := range slots {
		decision, err := h.decideSlot(ctx, s, spec, slot)
		if err != nil {
			return err
		}
		if decision.Action == schedule.Wait {
			again := now.Add(waitAgain)
			outcome.Waiting, outcome.Next = slots[i:], &again
			if left := len(outcome.Waiting) - maxWaiting; left > 0 {
				outcome.Waiting = outcome.Waiting[:maxWaiting]
				outcome.Error = fmt.Sprintf(
					"the slot of %s made no run: %d earlier ones wait already",
					slots[len(slots)-1].Format(time.RFC3339),
					maxWaiting,
				)
			}
			return h.store.SettleSchedule(ctx, outcome)
		}
		if decision.Action == schedule.Drop {
			outcome.Error = fmt.Sprintf(
				"the slot of %s made no run: an earlier one has not ended, and overlap is forbid",
				slot.Format(time.RFC3339),
			)
			continue
		}
		if outcome.Error, err = h.runSlot(ctx, s, spec, slot, slot.Add(parsed.Delay(s.ID.String(), slot))); err != nil {
			return err
		}
		if outcome.Error != "" {
			continue // what would have been replaced goes on
		}
		outcome.Slot = &slot
		if err := h.cancelAll(ctx, decision.Cancel, scheduleActor+s.Name); err != nil {
			return err
		}
	}
	if next, ok := parsed.Next(now); ok {
		outcome.Next = &next
	}
	return h.store.SettleSchedule(ctx, outcome)
}

func understood(s store.Schedule) (api.ScheduleSpec, *schedule.Schedule, error) {
	spec, err := decodeSpec(s.Spec)
	if err != nil {
		return spec, nil, err
	}
	parsed, err := schedule.Parse(readSpec(spec))
	return spec, parsed, err
}

// undecided are the slots to decide now, oldest first: those that wait already, and what the misfire policy
// leaves of those since.
func undecided(
	s store.Schedule,
	parsed *schedule.Schedule,
	policy schedule.MisfirePolicy,
	now time.Time,
) []time.Time {
	waiting := append(s.Waiting, parsed.Between(s.DecidedUntil, s.SeenUntil, maxWaiting)...)
	return append(waiting, parsed.Due(s.SeenUntil, now, policy)...)
}

// decideSlot asks the overlap policy of a schedule.
func (h *Handler) decideSlot(
	ctx context.Context,
	s store.Schedule,
	spec api.ScheduleSpec,
	slot time.Time,
) (schedule.Decision, error) {
	policy := readOverlap(spec)
	if policy == schedule.Allow {
		return policy.Decide(slot, nil), nil
	}
	runs, err := h.store.LiveRunsOfSchedule(ctx, s.ID)
	if err != nil {
		return schedule.Decision{}, err
	}
	live := make([]schedule.LiveRun, len(runs))
	for i, r := range runs {
		live[i] = schedule.LiveRun{ID: r.ID.String(), Cancelling: r.Cancelling}
		if live[i].Slot, err = slotOfKey(s, r.IdempotencyKey); err != nil {
			return schedule.Decision{}, err
		}
	}
	return policy.Decide(slot, live), nil
}

// slotKey is the idempotency key of the run of a slot, which is made once whoever comes, and however often.
func slotKey(s store.Schedule, slot time.Time) string {
	return "schedule:" + s.ID.String() + ":" + slot.UTC().Format(time.RFC3339)
}

func slotOfKey(s store.Schedule, key string) (time.Time, error) {
	slot, err := time.Parse(time.RFC3339, strings.TrimPrefix(key, "schedule:"+s.ID.String()+":"))
	if err != nil {
		return slot, fmt.Errorf("read the slot of a run: %w", err)
	}
	return slot, nil
}

func (h *Handler) cancelAll(ctx context.Context, ids []string, actor string) error {
	for _, text := range ids {
		id, err := uuid.Parse(text)
		if err != nil {
			return fmt.Errorf("read the id of a run: %w", err)
		}
		if _, err := h.store.CancelRun(ctx, id, actor); err != nil && !isCode(err, store.RunFinished) {
			return err
		}
	}
	return nil
}

// runSlot makes the run of a slot. A run that is refused (its values do not fit any more) is said in words
// and not tried again; any other error is worth another try.
func (h *Handler) runSlot(
	ctx context.Context,
	s store.Schedule,
	spec api.ScheduleSpec,
	slot, due time.Time,
) (refused string, err error) {
	for try := 1; ; try++ {
		err := h.createScheduled(ctx, s, spec, slot, due)
		var bad *problem.Error
		var taken *store.Error
		switch {
		case err == nil:
			return "", nil
		case errors.As(err, &taken) && taken.Code == store.IdempotencyMismatch: // somebody sent that key with a run of theirs
			return shortened(
				fmt.Sprintf("the slot of %s made no run: %s", slot.Format(time.RFC3339), taken.Message),
			), nil
		case isCode(err, store.RevisionChanged) && try < createTries:
		case errors.As(err, &bad):
			h.Logger.Warn(
				"a schedule made no run",
				"deployment",
				s.Deployment,
				"schedule",
				s.Name,
				"slot",
				slot,
				"error",
				err,
			)
			return shortened(
				fmt.Sprintf("the slot of %s made no run: %s", slot.Format(time.RFC3339), explained(bad)),
			), nil
		default:
			return "", err
		}
	}
}

func (h *Handler) createScheduled(
	ctx context.Context,
	s store.Schedule,
	spec api.ScheduleSpec,
	slot, due time.Time,
) error {
	d, err := h.store.GetDeployment(ctx, s.Deployment)
	if isCode(err, store.NotFound) {
		return nil // deleted meanwhile, and its schedules with it
	}
	if err != nil {
		return err
	}
	given := scheduledRun(spec)
	given.ScheduledTime = &due
	run, _, err := h.newRuns(d).make(ctx, given, slotKey(s, slot), "")
	if err != nil {
		return err
	}
	run.ScheduleID = s.ID
	_, _, err = h.store.CreateRun(ctx, run, scheduleActor+s.Name)
	return err
}

// explained is a refusal with its findings, in one text.
func explained(e *problem.Error) string {
	text := e.Error()
	for _, finding := range e.Findings {
		text += "; " + finding.Pointer + ": " + finding.Message
	}
	return text
}

func shortened(text string) string {
	if runes := []rune(text); len(runes) > maxScheduleError {
		return string(runes[:maxScheduleError]) + "…"
	}
	return text
}
