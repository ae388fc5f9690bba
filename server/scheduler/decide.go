package scheduler

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

const (
	// waitRetry is when a slot that waits for the end of a run is decided again.
	waitRetry = 5 * time.Second
	// maxWaiting bounds how many slots of a schedule wait for the ends of runs.
	maxWaiting = 1000
)

// dueSchedule is a schedule of which slots are decided.
type dueSchedule struct {
	store.Schedule
	spec   api.ScheduleSpec
	parsed *schedule.Schedule
}

// decide decides the slots of a schedule up to now and stores the progress.
//
// A schedule that was paused, changed or deleted after it was acquired is left as it is: with it, or with its
// deployment, everything was decided that it takes.
func (s *Scheduler) decide(ctx context.Context, record store.Schedule, now time.Time) error {
	err := s.decideSlots(ctx, record, now)
	if store.IsCode(err, store.ScheduleChanged) {
		return nil
	}
	return err
}

func (s *Scheduler) decideSlots(ctx context.Context, record store.Schedule, now time.Time) error {
	progress := store.ScheduleProgress{
		ID:            record.ID,
		DecidedBefore: record.DecidedUntil,
		DecidedUntil:  now,
		LastError:     record.LastError,
		Failing:       record.Failing,
	}
	due, err := parse(record)
	if err != nil {
		// The time zone may be gone after an update of the zone database. Without a next slot the schedule
		// rests until someone changes it.
		progress.LastError, progress.Failing, progress.Waiting = shorten(err.Error()), true, record.Waiting
		return s.store.UpdateScheduleProgress(ctx, progress)
	}

	began := time.Now()
	slots := due.undecided(now)
	if gap, ok := due.missed(now); ok {
		progress.Gaps = append(progress.Gaps, gap)
	}
	for i, slot := range slots {
		decision, err := s.applyOverlap(ctx, due, slot)
		if err != nil {
			return err
		}
		if decision.Action == schedule.Wait {
			// Later slots wait behind this one.
			wait(&progress, slots[i:], now)
			return s.store.UpdateScheduleProgress(ctx, progress)
		}
		if err := s.carryOut(ctx, due, slot, decision, &progress); err != nil {
			return err
		}
		if progress.LastSlot != nil && progress.LastSlot.Equal(slot) {
			s.created(due.Pool, due.late(slot, now.Add(time.Since(began))))
		}
	}

	if next, ok := due.parsed.Next(now); ok {
		progress.NextDue = &next
	}
	return s.store.UpdateScheduleProgress(ctx, progress)
}

func parse(record store.Schedule) (dueSchedule, error) {
	spec, err := wire.ReadStoredSchedule(record.Spec)
	if err != nil {
		return dueSchedule{}, err
	}
	parsed, err := schedule.Parse(wire.ReadScheduleSpec(spec))
	return dueSchedule{Schedule: record, spec: spec, parsed: parsed}, err
}

// undecided returns the slots to decide now, oldest first: the waiting ones, and those since that the misfire
// policy keeps. Slots before SeenUntil were on time, so that the policy does not drop them.
func (d dueSchedule) undecided(now time.Time) []time.Time {
	waiting := append(d.Waiting, d.parsed.Between(d.DecidedUntil, d.SeenUntil, maxWaiting)...)
	return append(waiting, d.parsed.Due(d.SeenUntil, now, wire.ReadMisfire(d.spec))...)
}

// missed is of the slots since the last decision that the misfire policy leaves out.
func (d dueSchedule) missed(now time.Time) (store.ScheduleGap, bool) {
	first, ok := d.parsed.Next(d.SeenUntil)
	if !ok || first.After(now) {
		return store.ScheduleGap{}, false
	}
	policy, last := wire.ReadMisfire(d.spec), now
	kept := d.parsed.Due(d.SeenUntil, now, policy)
	if len(kept) > 0 {
		last = kept[0].Add(-time.Second)
	}
	gap := store.ScheduleGap{First: first, Last: last, Kind: store.GapMissed}
	gap.Reason = "no server decided it in time, and misfire is " + string(policy.Mode)
	if policy.Mode == schedule.Latest && len(kept) > 0 {
		gap.Kind, gap.Reason = store.GapCoalesced, "no server decided it in time: the run of a later slot stands for it, as misfire is latest"
	}
	return gap, !last.Before(first)
}

// late is by how much a slot was decided too late. A slot that passed while the schedule was paused, or that waited for the
// end of a run, counts from when the schedule was to be looked at.
func (d dueSchedule) late(slot, decided time.Time) time.Duration {
	since := slot
	if d.NextDue != nil && d.NextDue.After(slot) {
		since = *d.NextDue
	}
	return max(0, decided.Sub(since))
}

// wait leaves slots undecided until a live run has ended. Beyond the bound the newest are dropped.
func wait(progress *store.ScheduleProgress, slots []time.Time, now time.Time) {
	retry := now.Add(waitRetry)
	progress.Waiting, progress.NextDue = slots, &retry
	if len(slots) > maxWaiting {
		progress.Waiting = slots[:maxWaiting]
		reason := fmt.Sprintf("%d earlier slots are already waiting", maxWaiting)
		progress.LastError, progress.Failing = noRun(slots[len(slots)-1], reason), true
		progress.Gaps = append(progress.Gaps, store.ScheduleGap{
			First: slots[maxWaiting], Last: slots[len(slots)-1], Kind: store.GapSkipped, Reason: reason,
		})
	}
}

// carryOut creates the run of a slot, or drops the slot, and adds that to the progress.
func (s *Scheduler) carryOut(
	ctx context.Context,
	due dueSchedule,
	slot time.Time,
	decision schedule.Decision,
	progress *store.ScheduleProgress,
) error {
	if decision.Action == schedule.Drop {
		reason := cmp.Or(decision.Reason, "an earlier run has not ended, and overlap is forbid")
		progress.LastError, progress.Failing = noRun(slot, reason), false
		progress.Gaps = append(progress.Gaps, store.ScheduleGap{First: slot, Last: slot, Kind: store.GapSkipped, Reason: reason})
		return nil
	}

	refused, err := s.createRun(ctx, due, slot)
	if err != nil {
		return err
	}
	progress.LastError, progress.Failing = "", refused != ""
	if refused != "" { // the runs that this one would have replaced go on
		progress.LastError = noRun(slot, refused)
		progress.Gaps = append(progress.Gaps, store.ScheduleGap{First: slot, Last: slot, Kind: store.GapFailed, Reason: shorten(refused)})
		return nil
	}
	progress.LastSlot = &slot
	return s.cancelRuns(ctx, decision.Cancel, actorOf(due))
}

// applyOverlap asks the overlap policy of a schedule what to do with a slot.
func (s *Scheduler) applyOverlap(
	ctx context.Context,
	due dueSchedule,
	slot time.Time,
) (schedule.Decision, error) {
	if wire.ReadBusy(due.spec) == schedule.BusySkip {
		busy, err := s.store.HasLiveRun(ctx, due.Deployment, store.SlotKey(due.ID, slot))
		if err != nil {
			return schedule.Decision{}, err
		}
		if busy {
			return schedule.Decision{Action: schedule.Drop, Reason: "a run of the deployment has not ended, and busy is skip"}, nil
		}
	}
	policy := wire.ReadOverlap(due.spec)
	if policy == schedule.Allow {
		return policy.Decide(slot, nil), nil // without reading live runs
	}
	runs, err := s.store.ListLiveRunsOfSchedule(ctx, due.ID)
	if err != nil {
		return schedule.Decision{}, err
	}
	live := make([]schedule.LiveRun, len(runs))
	for i, r := range runs {
		live[i] = schedule.LiveRun{ID: r.ID.String(), Cancelling: r.Cancelling}
		if live[i].Slot, err = slotOfKey(due.ID, r.IdempotencyKey); err != nil {
			return schedule.Decision{}, err
		}
	}
	return policy.Decide(slot, live), nil
}

func slotOfKey(id uuid.UUID, key string) (time.Time, error) {
	slot, err := time.Parse(time.RFC3339, strings.TrimPrefix(key, store.SlotKeyPrefix(id)))
	if err != nil {
		return slot, fmt.Errorf("read the slot of a run from its idempotency key: %w", err)
	}
	return slot, nil
}
