package schedule

import (
	"slices"
	"time"

	"github.com/teambition/rrule-go"
)

// clockRule is a recurrence of hours or minutes: a grid in real time from the DTSTART, filtered by what the
// wall shows.
type clockRule struct{ *recurrence }

// barrenYears bounds the search, which for a rule that never matches goes minute by minute. Eight years is
// the longest wait for a 29 February.
const barrenYears = 9

// patience is the instant up to which it is worth looking.
func (c clockRule) patience(from time.Time) time.Time { return from.AddDate(barrenYears, 0, 0) }

func (c clockRule) next(from, limit wall, offset time.Duration) (wall, bool) {
	size := time.Hour
	if c.freq == rrule.MINUTELY {
		size = time.Minute
	}
	unit := int64(size / time.Second)
	anchor := int64(floor(int(c.begin.Add(offset).Unix()), int(unit)))
	// The grid's steps are whole hours or minutes of the wall: n of them after 1970.
	for n := align(int64(floor(int(from.Unix()), int(unit))), anchor, int64(c.interval)); ; {
		at := time.Unix(n*unit, 0).UTC()
		if at.After(limit) {
			return wall{}, false
		}
		if skip, miss := c.miss(at); miss {
			n = align(max(n+1, skip.Unix()/unit), anchor, int64(c.interval))
			continue
		}
		if w, ok := c.within(at, from, offset); ok {
			return w, !w.After(limit)
		}
		n += int64(c.interval)
	}
}

// miss says that a step is on no day or hour of the rule, and where the next of them begins.
func (c clockRule) miss(at wall) (wall, bool) {
	y, m, d := at.Date()
	if !c.days.match(date(y, m, d), c.wkst) {
		return date(y, m, d+1), true
	}
	if len(c.hours) > 0 && !slices.Contains(c.hours, at.Hour()) {
		return at.Truncate(time.Hour).Add(time.Hour), true
	}
	if c.freq == rrule.MINUTELY && len(c.minutes) > 0 && !slices.Contains(c.minutes, at.Minute()) {
		return at.Add(time.Minute), true
	}
	return wall{}, false
}

// within returns the first match of one step that is not before from.
func (c clockRule) within(at, from wall, offset time.Duration) (wall, bool) {
	second := time.Duration(c.second) * time.Second
	if c.freq == rrule.MINUTELY {
		return at.Add(second), !at.Add(second).Before(from)
	}
	minutes := c.minutes
	if len(minutes) == 0 {
		minutes = []int{c.begin.Add(offset).Minute()}
	}
	for _, minute := range minutes {
		if w := at.Add(time.Duration(minute)*time.Minute + second); !w.Before(from) {
			return w, true
		}
	}
	return wall{}, false
}
