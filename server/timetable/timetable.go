// Package timetable says what became of the slots of a schedule in a range of time, and which are planned. It decides
// nothing and reads nothing: the store has the facts.
package timetable

import (
	"slices"
	"time"

	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/store"
)

const (
	// MaxSlots is up to how many slots of a schedule are shown one by one. More are counted by the hour.
	MaxSlots = 200
	// MaxCounted is up to how many slots of a schedule are counted.
	MaxCounted = 50_000
)

// Outcome is what became of a slot: a kind of gap, or one of these.
type Outcome string

// Outcomes of slots that are no gaps.
const (
	Run     Outcome = "run"     // it made a run
	Planned Outcome = "planned" // it comes
	Due     Outcome = "due"     // no server has decided it yet
	Waiting Outcome = "waiting" // for the end of a run
	Unknown Outcome = "unknown" // its run, or why it had none, has been removed
)

// Slot is one slot of a schedule.
type Slot struct {
	At      time.Time
	Outcome Outcome
	Run     *store.SlotRun // of a slot that made one
	Reason  string         // why it made none
}

// Hour counts the slots of an hour. A slot that has passed has a run, or there is a reason why not.
type Hour struct {
	At           time.Time
	Slots        int64
	Runs, Failed int64
	Planned      int64 // slots that come
}

// Range is a range of time as seen at an instant.
type Range struct{ From, To, Now time.Time }

// Table is of one schedule in a range.
type Table struct {
	r     Range
	s     store.Schedule
	slots []time.Time
}

// New finds the slots of a schedule in a range; parsed is nil where its times cannot be read any longer. Before its times
// were changed last, only slots with a run are known.
func New(s store.Schedule, parsed *schedule.Schedule, r Range) Table {
	t := Table{r: r, s: s}
	from := r.From
	if s.SlotsSince.After(from) {
		from = s.SlotsSince
	}
	if parsed != nil && from.Before(r.To) {
		t.slots = parsed.Between(from.Add(-time.Nanosecond), r.To.Add(-time.Nanosecond), MaxCounted)
	}
	return t
}

// Count is how many slots there are.
func (t Table) Count() int { return len(t.slots) }

// IsDense reports whether the slots are to be counted.
func (t Table) IsDense() bool { return len(t.slots) > MaxSlots }

// Slots are the slots in their order, with the runs and gaps of the range.
func (t Table) Slots(runs []store.SlotRun, gaps []store.ScheduleGap) []Slot {
	made := make(map[int64]*store.SlotRun, len(runs))
	all := make([]time.Time, len(t.slots), len(t.slots)+len(runs))
	copy(all, t.slots)
	for i, run := range runs {
		made[run.Slot.Unix()] = &runs[i]
		all = append(all, run.Slot) // times that the schedule had before
	}
	slices.SortFunc(all, time.Time.Compare)
	all = slices.CompactFunc(all, time.Time.Equal)
	slots := make([]Slot, len(all))
	for i, at := range all {
		slots[i] = t.slot(at.UTC(), made[at.Unix()], gaps)
	}
	return slots
}

func (t Table) slot(at time.Time, run *store.SlotRun, gaps []store.ScheduleGap) Slot {
	paused := !t.s.Active || t.s.DeploymentPaused
	slot := Slot{At: at, Run: run}
	switch {
	case run != nil:
		slot.Outcome = Run
	case at.After(t.s.SeenUntil) && paused:
		slot.Outcome, slot.Reason = Outcome(store.GapPaused), pausedBy(t.s.Pause)
	case at.After(t.r.Now):
		slot.Outcome = Planned
	case at.After(t.s.SeenUntil):
		slot.Outcome = Due
	case at.After(t.s.DecidedUntil) || slices.ContainsFunc(t.s.Waiting, at.Equal):
		slot.Outcome, slot.Reason = Waiting, "it waits for the end of an earlier run"
	default:
		slot.Outcome, slot.Reason = gapOf(at, gaps)
	}
	return slot
}

func pausedBy(p *store.Pause) string {
	switch {
	case p == nil:
		return "paused"
	case p.Reason == "":
		return "paused by " + p.By
	}
	return "paused by " + p.By + ": " + p.Reason
}

// order of the kinds of gaps: where several are about a slot, the first that a decision about this slot has left.
var order = []store.GapKind{store.GapFailed, store.GapSkipped, store.GapPaused, store.GapCoalesced, store.GapMissed}

// gapOf is why a slot has no run.
func gapOf(at time.Time, gaps []store.ScheduleGap) (Outcome, string) {
	for _, kind := range order {
		for _, gap := range gaps {
			if gap.Kind == kind && !at.Before(gap.First) && !at.After(gap.Last) {
				return Outcome(kind), gap.Reason
			}
		}
	}
	return Unknown, "its run, or why it had none, has been removed"
}

// Hours count the slots by the hour, with the runs of these hours.
func (t Table) Hours(runs []store.SlotHour) []Hour {
	counts := map[int64]*Hour{}
	at := func(hour time.Time) *Hour {
		key := hour.Unix() / 3600
		if counts[key] == nil {
			counts[key] = &Hour{At: time.Unix(key*3600, 0).UTC()}
		}
		return counts[key]
	}
	for _, slot := range t.slots {
		hour := at(slot)
		hour.Slots++
		if slot.After(t.r.Now) {
			hour.Planned++
		}
	}
	for _, r := range runs {
		hour := at(r.At)
		hour.Runs, hour.Failed = r.Runs, r.Failed
	}
	hours := make([]Hour, 0, len(counts))
	for _, hour := range counts {
		hours = append(hours, *hour)
	}
	slices.SortFunc(hours, func(a, b Hour) int { return a.At.Compare(b.At) })
	return hours
}
