package schedule

import (
	"sort"
	"time"
)

// A wallTime is a local date and time of day, as a wall clock shows it. It is kept as a time.Time in UTC, so
// that calendar arithmetic has no gaps and no repetitions.
type wallTime = time.Time

// A rule finds the first wallTime at or after from and not after limit. offset is how far wall time is ahead
// of UTC; only rules that count elapsed time need it.
type rule interface {
	next(from, limit wallTime, offset time.Duration) (wallTime, bool)
}

// fixedTime is a rule with one hour and minute per day. Each wallTime is one slot, even if the clock skips or
// repeats it.
type fixedTime struct {
	loc  *time.Location
	rule rule
}

func (o fixedTime) next(after, limit time.Time) (time.Time, bool) {
	now, _ := wallTimeAt(after, o.loc)
	last := limit.Add(day)
	for {
		w, ok := o.rule.next(now.Add(time.Second), last, 0)
		if !ok {
			return time.Time{}, false
		}
		// A wallTime that the clock repeats, or has skipped, had its slot earlier.
		if slot := firstInstant(w, o.loc); slot.After(after) {
			return slot, !slot.After(limit)
		}
		now = w
	}
}

// everyMatch is a rule that runs whenever the wall clock shows a match.
type everyMatch struct {
	loc  *time.Location
	rule rule
}

// boundedRule is a rule whose search is so slow that it needs an additional limit.
type boundedRule interface {
	rule
	searchLimit(from time.Time) time.Time
}

func (a everyMatch) next(after, limit time.Time) (time.Time, bool) {
	if bounded, ok := a.rule.(boundedRule); ok && limit.After(bounded.searchLimit(after)) {
		limit = bounded.searchLimit(after)
	}

	// Between two changes of the clock, wall time is UTC plus a constant, so search one such period at a
	// time.
	for at := after.Add(time.Second); !at.After(limit); {
		from, offset := wallTimeAt(at, a.loc)
		to := limit
		_, change := at.In(a.loc).ZoneBounds()
		if !change.IsZero() && !change.After(at) {
			// Go bug: on the last day of a leap year beyond the zone's table, ZoneBounds returns the start of
			// that day as its end.
			change = at.Add(time.Hour)
		}
		if !change.IsZero() && change.Add(-time.Second).Before(to) {
			to = change.Add(-time.Second).UTC()
		}
		if w, ok := a.rule.next(from, to.Add(offset), offset); ok {
			return w.Add(-offset), true
		}
		if change.IsZero() {
			break
		}
		at = change.UTC()
	}
	return time.Time{}, false
}

const day = 24 * time.Hour

// wallTimeAt returns the wall time at an instant, and how far it is ahead of UTC.
func wallTimeAt(at time.Time, loc *time.Location) (wallTime, time.Duration) {
	_, seconds := at.In(loc).Zone()
	offset := time.Duration(seconds) * time.Second
	return at.UTC().Add(offset), offset
}

// firstInstant returns the first instant at which the clock shows w or, if the clock skips w, the first
// instant after the gap.
func firstInstant(w wallTime, loc *time.Location) time.Time {
	y, m, d := w.Date()
	guess := time.Date(y, m, d, w.Hour(), w.Minute(), w.Second(), 0, loc)
	start, end := guess.ZoneBounds()
	if isFarFrom(guess, start) && isFarFrom(guess, end) {
		return guess.UTC()
	}

	// w may be shown before, between and after the nearest changes of the clock.
	var hits []time.Time
	for _, near := range []time.Time{guess, start.Add(-time.Second), end} {
		_, offset := wallTimeAt(near, loc)
		at := w.Add(-offset)
		if shown, _ := wallTimeAt(at, loc); shown.Equal(w) {
			hits = append(hits, at)
		}
	}
	if len(hits) > 0 {
		sort.Slice(hits, func(i, k int) bool { return hits[i].Before(hits[k]) })
		return hits[0]
	}

	// The clock skips w. time.Date may have guessed on either side of the gap.
	if shown, _ := wallTimeAt(guess, loc); shown.After(w) {
		return start.UTC()
	}
	return end.UTC()
}

// isFarFrom reports whether a change of the clock is too far away to matter: no zone has changed by more than
// a day.
func isFarFrom(at, change time.Time) bool {
	return change.IsZero() || at.Sub(change).Abs() > 2*day
}
