package schedule

import (
	"sort"
	"time"
)

// A wall is what a clock on the wall shows, kept as a time.Time in UTC so that calendar arithmetic knows no
// jumps.
type wall = time.Time

// A rule finds the first wall at or after from that is not after limit. offset is how far the wall is ahead
// of UTC: only rules that count real time need it.
type rule interface {
	next(from, limit wall, offset time.Duration) (wall, bool)
}

// once runs a rule of fixed hour and minute: every wall is one slot, even if the clock skips or repeats it.
type once struct {
	loc  *time.Location
	rule rule
}

func (o once) next(after, limit time.Time) (time.Time, bool) {
	now, _ := show(after, o.loc)
	last := limit.Add(day)
	for {
		w, ok := o.rule.next(now.Add(time.Second), last, 0)
		if !ok {
			return time.Time{}, false
		}
		// A wall that the clock has shown before, or jumped over, was a slot already.
		if slot := first(w, o.loc); slot.After(after) {
			return slot, !slot.After(limit)
		}
		now = w
	}
}

// always runs a rule whenever a clock on the wall shows a match.
type always struct {
	loc  *time.Location
	rule rule
}

func (a always) next(after, limit time.Time) (time.Time, bool) {
	if bounded, ok := a.rule.(interface {
		patience(from time.Time) time.Time
	}); ok && limit.After(bounded.patience(after)) {
		limit = bounded.patience(after)
	}
	// Between two changes the wall is a straight line, so the rule is asked change by change.
	for at := after.Add(time.Second); !at.After(limit); {
		from, offset := show(at, a.loc)
		to := limit
		_, change := at.In(a.loc).ZoneBounds()
		if !change.IsZero() && !change.After(at) {
			// On the last day of a leap year that only a zone's rule covers, Go calls the beginning of that
			// very day the end.
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

// show returns the wall at an instant, and how far it is ahead of UTC.
func show(at time.Time, loc *time.Location) (wall, time.Duration) {
	_, seconds := at.In(loc).Zone()
	offset := time.Duration(seconds) * time.Second
	return at.UTC().Add(offset), offset
}

// first returns the first instant at which the wall is shown, or, when it is jumped over, the first instant
// after that.
func first(w wall, loc *time.Location) time.Time {
	y, m, d := w.Date()
	guess := time.Date(y, m, d, w.Hour(), w.Minute(), w.Second(), 0, loc)
	start, end := guess.ZoneBounds()
	if far(guess, start) && far(guess, end) {
		return guess.UTC()
	}
	var hits []time.Time
	for _, near := range []time.Time{guess, start.Add(-time.Second), end} {
		_, offset := show(near, loc)
		at := w.Add(-offset)
		if shown, _ := show(at, loc); shown.Equal(w) {
			hits = append(hits, at)
		}
	}
	if len(hits) > 0 {
		sort.Slice(hits, func(i, k int) bool { return hits[i].Before(hits[k]) })
		return hits[0]
	}
	// time.Date guesses on one side or the other of the jump.
	if shown, _ := show(guess, loc); shown.After(w) {
		return start.UTC()
	}
	return end.UTC()
}

// far says that a change is too far away to matter: no zone has jumped by more than a day.
func far(at, change time.Time) bool {
	return change.IsZero() || at.Sub(change).Abs() > 2*day
}
