package schedule

import (
	"slices"
	"time"

	"github.com/teambition/rrule-go"
)

// recurrence is an RRULE with the parts that it takes from its DTSTART filled in.
type recurrence struct {
	freq      rrule.Frequency
	interval  int
	start     time.Time // the DTSTART, UTC
	startWall wallTime  // the DTSTART in local time
	weekStart time.Weekday
	days      dayFilter
	// hours and minutes are filters for HOURLY and MINUTELY; empty means any. HOURLY without minutes uses the
	// minute of the DTSTART in elapsed time.
	hours, minutes []int
	second         int
	setpos         []int
}

func newRecurrence(o *rrule.ROption, loc *time.Location) *recurrence {
	at, _ := wallTimeAt(o.Dtstart, loc)
	r := &recurrence{
		freq:      o.Freq,
		interval:  max(o.Interval, 1),
		start:     o.Dtstart,
		startWall: at,
		weekStart: weekday(o.Wkst),
		hours:     sorted(o.Byhour),
		minutes:   sorted(o.Byminute),
		second:    at.Second(),
		setpos:    o.Bysetpos,
	}
	if len(o.Bysecond) == 1 {
		r.second = o.Bysecond[0]
	}
	if len(r.hours) == 0 && r.freq < rrule.HOURLY {
		r.hours = []int{at.Hour()}
	}
	if len(r.minutes) == 0 && r.freq < rrule.HOURLY {
		r.minutes = []int{at.Minute()}
	}
	r.days = newDayFilter(o, at)
	return r
}

// slotter selects the kind of daylight saving rule; see the package documentation.
func (r *recurrence) slotter(loc *time.Location) slotter {
	switch {
	case r.freq >= rrule.HOURLY:
		return everyMatch{loc, clockRule{r}}
	case len(r.hours) == 1 && len(r.minutes) == 1:
		return fixedTime{loc, calendarRule{r}}
	}
	return everyMatch{loc, calendarRule{r}}
}

// calendarRule is a daily, weekly, monthly or yearly recurrence. Within each period it combines the matching
// days with the hours and minutes.
type calendarRule struct{ *recurrence }

func (c calendarRule) next(from, limit wallTime, _ time.Duration) (wallTime, bool) {
	if from.Before(c.startWall) {
		from = c.startWall
	}
	for p := c.firstPeriod(from); ; p += c.interval {
		start, end := c.bounds(p)
		if start.After(limit) {
			return wallTime{}, false
		}
		if w, ok := c.within(start, end, from); ok {
			return w, !w.After(limit)
		}
	}
}

// firstPeriod returns the number of the first period of the recurrence that ends after w.
func (c calendarRule) firstPeriod(w wallTime) int {
	now, start := c.periodNumber(w), c.periodNumber(c.startWall)
	return int(align(int64(now), int64(start), int64(c.interval)))
}

// periodNumber returns the number of the period that contains w, counted from year 0 or from 1970.
func (c calendarRule) periodNumber(w wallTime) int {
	y, m, _ := w.Date()
	switch c.freq {
	case rrule.YEARLY:
		return y
	case rrule.MONTHLY:
		return y*12 + int(m) - 1
	case rrule.WEEKLY:
		// Day 0 of Unix time was a Thursday.
		return floorDiv(dayNumber(w)+int(time.Thursday-c.weekStart), 7)
	}
	return dayNumber(w)
}

// bounds returns the start and the exclusive end of a period.
func (c calendarRule) bounds(p int) (start, end wallTime) {
	switch c.freq {
	case rrule.YEARLY:
		return wallDate(p, 1, 1), wallDate(p+1, 1, 1)
	case rrule.MONTHLY:
		y, m := floorDiv(p, 12), time.Month(p-floorDiv(p, 12)*12+1)
		return wallDate(y, m, 1), wallDate(y, m+1, 1)
	case rrule.WEEKLY:
		start = wallDate(1970, 1, 1+p*7-int(time.Thursday-c.weekStart))
		return start, start.AddDate(0, 0, 7)
	}
	start = wallDate(1970, 1, 1+p)
	return start, start.AddDate(0, 0, 1)
}

// within returns the first match of one period that is not before from.
func (c calendarRule) within(start, end, from wallTime) (wallTime, bool) {
	var days []wallTime
	for d := start; d.Before(end); d = d.Add(day) {
		if len(c.setpos) == 0 && !d.Add(day).After(from) {
			continue // days before from only matter for counting positions
		}
		if !c.days.match(d, c.weekStart) {
			continue
		}
		if len(c.setpos) == 0 {
			if w, ok := c.onDay(d, from); ok {
				return w, true
			}
			continue
		}
		days = append(days, d)
	}
	return c.atPosition(days, from)
}

// onDay returns the first time on day d that is not before from.
func (c calendarRule) onDay(d, from wallTime) (wallTime, bool) {
	for _, hour := range c.hours {
		for _, minute := range c.minutes {
			if w := c.timeOn(d, hour, minute); !w.Before(from) {
				return w, true
			}
		}
	}
	return wallTime{}, false
}

func (c calendarRule) timeOn(d wallTime, hour, minute int) wallTime {
	return d.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute +
		time.Duration(c.second)*time.Second)
}

// atPosition applies BYSETPOS: the nth of all matches of a period, from the start or, negative, from the end.
func (c calendarRule) atPosition(days []wallTime, from wallTime) (best wallTime, ok bool) {
	perDay := len(c.hours) * len(c.minutes)
	for _, pos := range c.setpos {
		i := pos - 1
		if pos < 0 {
			i = len(days)*perDay + pos
		}
		if i < 0 || i >= len(days)*perDay {
			continue
		}
		in := i % perDay
		w := c.timeOn(days[i/perDay], c.hours[in/len(c.minutes)], c.minutes[in%len(c.minutes)])
		if !w.Before(from) && (!ok || w.Before(best)) {
			best, ok = w, true
		}
	}
	return best, ok
}

func wallDate(y int, m time.Month, d int) wallTime { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func dayNumber(w wallTime) int { return floorDiv(int(w.Unix()), 86400) }

// floorDiv rounds toward negative infinity, unlike Go's division.
func floorDiv(n, by int) int {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

func weekday(d rrule.Weekday) time.Weekday { return time.Weekday((d.Day() + 1) % 7) }

func sorted(list []int) []int {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
