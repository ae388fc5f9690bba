package schedule

import (
	"slices"
	"time"

	"github.com/teambition/rrule-go"
)

// dayFilter is the part of a recurrence that selects days. An empty list selects every day.
type dayFilter struct {
	months, monthDays, yearDays, weeks []int
	weekdays                           []ordinalWeekday
	inYear                             bool // ordinals of weekdays count within the year, not the month
}

// ordinalWeekday is a weekday: every one if n is 0, else the nth from the start or, negative, from the end.
type ordinalWeekday struct {
	n   int
	day time.Weekday
}

// newDayFilter fills in from the DTSTART what the rule leaves open, as RFC 5545 requires.
func newDayFilter(o *rrule.ROption, first wallTime) dayFilter {
	f := dayFilter{months: o.Bymonth, monthDays: o.Bymonthday, yearDays: o.Byyearday, weeks: o.Byweekno}
	f.inYear = o.Freq == rrule.YEARLY && len(o.Bymonth) == 0
	for _, d := range o.Byweekday {
		f.weekdays = append(f.weekdays, ordinalWeekday{d.N(), weekday(d)})
	}
	if len(f.monthDays)+len(f.yearDays)+len(f.weeks)+len(f.weekdays) > 0 {
		return f
	}
	switch o.Freq {
	case rrule.YEARLY:
		if len(f.months) == 0 {
			f.months = []int{int(first.Month())}
		}
		f.monthDays = []int{first.Day()}
	case rrule.MONTHLY:
		f.monthDays = []int{first.Day()}
	case rrule.WEEKLY:
		f.weekdays = []ordinalWeekday{{0, first.Weekday()}}
	}
	return f
}

func (f dayFilter) match(d wallTime, weekStart time.Weekday) bool {
	y, m, dom := d.Date()
	if len(f.months) > 0 && !slices.Contains(f.months, int(m)) {
		return false
	}
	if len(f.monthDays) > 0 && !containsOrdinal(f.monthDays, dom, daysIn(y, m)) {
		return false
	}
	if len(f.yearDays) > 0 && !containsOrdinal(f.yearDays, d.YearDay(), yearLength(y)) {
		return false
	}
	if len(f.weeks) > 0 {
		if n, total := weekOfYear(d, weekStart); !containsOrdinal(f.weeks, n, total) {
			return false
		}
	}
	return len(f.weekdays) == 0 ||
		slices.ContainsFunc(f.weekdays, func(w ordinalWeekday) bool { return f.weekday(w, d) })
}

func (f dayFilter) weekday(w ordinalWeekday, d wallTime) bool {
	if w.day != d.Weekday() {
		return false
	}
	y, m, at := d.Date()
	length := daysIn(y, m)
	if f.inYear {
		at, length = d.YearDay(), yearLength(y)
	}
	return w.n == 0 || w.n == (at-1)/7+1 || w.n == -((length-at)/7+1)
}

// containsOrdinal reports whether a list selects the nth of length items, counted from the start or,
// negative, from the end.
func containsOrdinal(list []int, n, length int) bool {
	return slices.Contains(list, n) || slices.Contains(list, n-length-1)
}

func daysIn(y int, m time.Month) int { return wallDate(y, m+1, 0).Day() }

func yearLength(y int) int { return wallDate(y, 12, 31).YearDay() }

// weekOfYear returns the number of a day's week and the number of weeks in that week's year. Week 1 is the
// first with four days in the year; weeks start on weekStart.
func weekOfYear(d wallTime, weekStart time.Weekday) (n, total int) {
	y := d.Year()
	start, end := startOfFirstWeek(y, weekStart), startOfFirstWeek(y+1, weekStart)
	switch {
	case d.Before(start):
		start, end = startOfFirstWeek(y-1, weekStart), start
	case !d.Before(end):
		start, end = end, startOfFirstWeek(y+2, weekStart)
	}
	return (dayNumber(d)-dayNumber(start))/7 + 1, (dayNumber(end) - dayNumber(start)) / 7
}

func startOfFirstWeek(y int, weekStart time.Weekday) wallTime {
	fourth := wallDate(y, 1, 4)
	return fourth.AddDate(0, 0, -int((fourth.Weekday()-weekStart+7)%7))
}
