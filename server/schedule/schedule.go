package schedule

import (
	"time"
	_ "time/tzdata" // an image from scratch has no zones of its own
)

// Spec is a schedule as people write it. Exactly one of Cron, Every and RRule is set.
type Spec struct {
	Cron  string        // five fields, or @hourly, @daily, @weekly, @monthly, @yearly
	Every time.Duration // whole seconds, at most MaxEvery
	RRule string        // an RFC 5545 rule, optionally with a DTSTART line before it

	// Anchor is a slot that intervals are counted from, and the DTSTART of an RRule that has none. The
	// default is midnight, local time, of Monday 1 January 2024.
	Anchor   time.Time
	Timezone string // IANA name; empty is UTC, or the TZID of the DTSTART

	// Slots are in [Start, End); zero is no bound.
	Start, End time.Time
	// Jitter delays each run by less than this; see Delay.
	Jitter time.Duration
}

const (
	// MaxEvery is the longest interval.
	MaxEvery = 366 * 24 * time.Hour
	// MaxJitter is the longest delay that may be asked for.
	MaxJitter = 24 * time.Hour
)

// Schedule is a Spec that was understood. It never changes and may be used by many goroutines.
type Schedule struct {
	slots  slotter
	start  time.Time // the first instant that may be a slot, or zero
	last   time.Time // the last instant that may be a slot
	jitter time.Duration
}

// slotter finds the first slot after an instant that is not after limit. Both are whole seconds in UTC.
type slotter interface {
	next(after, limit time.Time) (time.Time, bool)
}

// Parse reads a Spec. Errors are of type *Error and name the field.
func Parse(spec Spec) (*Schedule, error) {
	loc, err := location(spec.Timezone)
	if err != nil {
		return nil, err
	}
	s := &Schedule{start: ceilSecond(spec.Start), last: endOfTime(), jitter: spec.Jitter}
	if err := s.window(spec); err != nil {
		return nil, err
	}
	switch {
	case given(spec) != 1:
		return nil, wrong("cron", "exactly one of cron, an interval and an rrule")
	case spec.Cron != "":
		s.slots, err = parseCron(spec.Cron, loc)
	case spec.RRule != "":
		err = s.parseRRule(spec, loc)
	default:
		s.slots, err = parseEvery(spec, loc)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func given(spec Spec) int {
	n := 0
	for _, is := range []bool{spec.Cron != "", spec.Every != 0, spec.RRule != ""} {
		if is {
			n++
		}
	}
	return n
}

func (s *Schedule) window(spec Spec) error {
	if spec.Jitter < 0 || spec.Jitter > MaxJitter {
		return wrong("jitter", "a duration from 0 to %s, got %s", MaxJitter, spec.Jitter)
	}
	if !spec.Anchor.IsZero() && !sane(spec.Anchor) {
		return wrong("anchor", "a time in the years 1 to 9999")
	}
	if !spec.Start.IsZero() && !sane(spec.Start) {
		return wrong("start", "a time in the years 1 to 9999")
	}
	if spec.End.IsZero() {
		return nil
	}
	if !sane(spec.End) || !spec.End.After(spec.Start) {
		return wrong("end", "a time after start, in the years 1 to 9999")
	}
	s.last = spec.End.Add(-time.Nanosecond).UTC().Truncate(time.Second)
	return nil
}

// Next returns the first slot after an instant, in UTC; ok is false when there is none.
func (s *Schedule) Next(after time.Time) (slot time.Time, ok bool) {
	after = after.UTC().Truncate(time.Second)
	if !s.start.IsZero() && after.Before(s.start) {
		after = s.start.Add(-time.Second)
	}
	limit := after.AddDate(searchYears, 0, 0)
	if limit.After(s.last) {
		limit = s.last
	}
	if !after.Before(limit) {
		return time.Time{}, false
	}
	return s.slots.next(after, limit)
}

// Between returns the slots in (from, to], oldest first, at most max of them.
func (s *Schedule) Between(from, to time.Time, max int) []time.Time {
	var slots []time.Time
	for len(slots) < max {
		slot, ok := s.Next(from)
		if !ok || slot.After(to) {
			break
		}
		slots = append(slots, slot)
		from = slot
	}
	return slots
}

func location(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, wrong("timezone", "an IANA name such as Europe/Berlin, not the server's own zone")
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, &Error{"timezone", "an IANA name such as Europe/Berlin", err}
	}
	return loc, nil
}

// searchYears bounds the search for a slot. The rarest that people mean is 29 February on a given weekday: 40
// years.
const searchYears = 100

func endOfTime() time.Time { return time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC) }

func sane(t time.Time) bool { return t.UTC().Year() >= 1 && t.UTC().Year() <= 9999 }

func ceilSecond(t time.Time) time.Time {
	whole := t.UTC().Truncate(time.Second)
	if whole.Before(t) {
		whole = whole.Add(time.Second)
	}
	return whole
}
