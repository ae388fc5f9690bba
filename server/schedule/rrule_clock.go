package schedule

import (
	"slices"
	"time"

	"github.com/teambition/rrule-go"
)

// clockRule is an hourly or minutely recurrence: a grid of elapsed time from the DTSTART, filtered by wall
// time.
type clockRule struct{ *recurrence }

var _ boundedRule = clockRule{}

// gridSearchYears bounds the search, which for a rule that never matches proceeds minute by minute. The
// longest gap between two matches is eight years, for 29 February.
const gridSearchYears = 9

func (c clockRule) searchLimit(from time.Time) time.Time { return from.AddDate(gridSearchYears, 0, 0) }

func (c clockRule) next(from, limit wallTime, offset time.Duration) (wallTime, bool) {
	size := time.Hour
	if c.freq == rrule.MINUTELY {
		size = time.Minute
	}
	unit := int64(size / time.Second)
	anchor := int64(floorDiv(int(c.start.Add(offset).Unix()), int(unit)))

	// n counts whole hours or minutes of wall time since 1970.
	for n := align(int64(floorDiv(int(from.Unix()), int(unit))), anchor, int64(c.interval)); ; {
		at := time.Unix(n*unit, 0).UTC()
		if at.After(limit) {
			return wallTime{}, false
		}
		if next, skip := c.nextCandidate(at); skip {
			n = align(max(n+1, next.Unix()/unit), anchor, int64(c.interval))
			continue
		}
		if w, ok := c.within(at, from, offset); ok {
			return w, !w.After(limit)
		}
		n += int64(c.interval)
	}
}

// nextCandidate returns true if a step is on no day, hour or minute of the rule, and where the next one
// begins.
func (c clockRule) nextCandidate(at wallTime) (wallTime, bool) {
	y, m, d := at.Date()
	if !c.days.match(wallDate(y, m, d), c.weekStart) {
		return wallDate(y, m, d+1), true
	}
	if len(c.hours) > 0 && !slices.Contains(c.hours, at.Hour()) {
		return at.Truncate(time.Hour).Add(time.Hour), true
	}
	if c.freq == rrule.MINUTELY && len(c.minutes) > 0 && !slices.Contains(c.minutes, at.Minute()) {
		return at.Add(time.Minute), true
	}
	return wallTime{}, false
}

// within returns the first match within one step of the grid that is not before from.
func (c clockRule) within(at, from wallTime, offset time.Duration) (wallTime, bool) {
	second := time.Duration(c.second) * time.Second
	if c.freq == rrule.MINUTELY {
		return at.Add(second), !at.Add(second).Before(from)
	}
	minutes := c.minutes
	if len(minutes) == 0 {
		minutes = []int{c.start.Add(offset).Minute()}
	}
	for _, minute := range minutes {
		if w := at.Add(time.Duration(minute)*time.Minute + second); !w.Before(from) {
			return w, true
		}
	}
	return wallTime{}, false
}
