package schedule

import (
	"slices"
	"time"

	"github.com/teambition/rrule-go"
)

// recurrence is an RRULE with everything that it takes from its DTSTART filled in.
type recurrence struct {
	freq     rrule.Frequency
	interval int
	begin    time.Time // the DTSTART, UTC
	first    wall      // the DTSTART as the zone's clock showed it
	wkst     time.Weekday
	days     dayFilter
	hours    []int // for HOURLY and MINUTELY a filter, empty for any
	minutes  []int // for MINUTELY a filter, empty for any; for HOURLY empty is the minute of the DTSTART, in real time
	second   int
	setpos   []int
}

func newRecurrence(o *rrule.ROption, loc *time.Location) *recurrence {
	at, _ := show(o.Dtstart, loc)
	r := &recurrence{
		freq:     o.Freq,
		interval: max(o.Interval, 1),
		begin:    o.Dtstart,
		first:    at,
		wkst:     weekday(o.Wkst),
		hours:    sorted(o.Byhour),
		minutes:  sorted(o.Byminute),
		second:   at.Second(),
		setpos:   o.Bysetpos,
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

// slotter decides which of the daylight saving rules holds.
func (r *recurrence) slotter(loc *time.Location) slotter {
	switch {
	case r.freq >= rrule.HOURLY:
		return always{loc, clockRule{r}}
	case len(r.hours) == 1 && len(r.minutes) == 1:
		return once{loc, calendarRule{r}}
	}
	return always{loc, calendarRule{r}}
}

// calendarRule is a recurrence of days, weeks, months or years: period by period, the days that match, times
// the hours.
type calendarRule struct{ *recurrence }

func (c calendarRule) next(from, limit wall, _ time.Duration) (wall, bool) {
	if from.Before(c.first) {
		from = c.first
	}
	for p := c.period(from); ; p += c.interval {
		begin, end := c.bounds(p)
		if begin.After(limit) {
			return wall{}, false
		}
		if w, ok := c.within(begin, end, from); ok {
			return w, !w.After(limit)
		}
	}
}

// period numbers the periods of the frequency, and returns the first one of the recurrence that ends after
// the wall.
func (c calendarRule) period(w wall) int {
	now, start := c.number(w), c.number(c.first)
	return int(align(int64(now), int64(start), int64(c.interval)))
}

func (c calendarRule) number(w wall) int {
	y, m, _ := w.Date()
	switch c.freq {
	case rrule.YEARLY:
		return y
	case rrule.MONTHLY:
		return y*12 + int(m) - 1
	case rrule.WEEKLY:
		// Day 0 of Unix time was a Thursday.
		return floor(dayNumber(w)+int(time.Thursday-c.wkst), 7)
	}
	return dayNumber(w)
}

func (c calendarRule) bounds(p int) (begin, end wall) {
	switch c.freq {
	case rrule.YEARLY:
		return date(p, 1, 1), date(p+1, 1, 1)
	case rrule.MONTHLY:
		y, m := floor(p, 12), time.Month(p-floor(p, 12)*12+1)
		return date(y, m, 1), date(y, m+1, 1)
	case rrule.WEEKLY:
		begin = date(1970, 1, 1+p*7-int(time.Thursday-c.wkst))
		return begin, begin.AddDate(0, 0, 7)
	}
	begin = date(1970, 1, 1+p)
	return begin, begin.AddDate(0, 0, 1)
}

// within returns the first match of one period that is not before from.
func (c calendarRule) within(begin, end, from wall) (wall, bool) {
	var days []wall
	for d := begin; d.Before(end); d = d.Add(day) {
		if len(c.setpos) == 0 && !d.Add(day).After(from) {
			continue // without positions to count, days that are over do not matter
		}
		if !c.days.match(d, c.wkst) {
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

func (c calendarRule) onDay(d, from wall) (wall, bool) {
	for _, hour := range c.hours {
		for _, minute := range c.minutes {
			if w := c.at(d, hour, minute); !w.Before(from) {
				return w, true
			}
		}
	}
	return wall{}, false
}

func (c calendarRule) at(d wall, hour, minute int) wall {
	return d.Add(
		time.Duration(
			hour,
		)*time.Hour + time.Duration(
			minute,
		)*time.Minute + time.Duration(
			c.second,
		)*time.Second,
	)
}

// atPosition applies BYSETPOS: the n-th of all matches of the period, from the front or from the back.
func (c calendarRule) atPosition(days []wall, from wall) (best wall, ok bool) {
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
		w := c.at(days[i/perDay], c.hours[in/len(c.minutes)], c.minutes[in%len(c.minutes)])
		if !w.Before(from) && (!ok || w.Before(best)) {
			best, ok = w, true
		}
	}
	return best, ok
}

func date(y int, m time.Month, d int) wall { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func dayNumber(w wall) int { return floor(int(w.Unix()), 86400) }

func floor(n, by int) int {
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
