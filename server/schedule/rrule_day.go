package schedule

import (
	"slices"
	"time"

	"github.com/teambition/rrule-go"
)

// dayFilter is the part of a recurrence that chooses days. An empty list is no restriction.
type dayFilter struct {
	months, monthDays, yearDays, weeks []int
	weekdays                           []nth
	inYear                             bool // numbered weekdays count in the year, not in the month
}

// nth is a weekday: every one, or the n-th from the front or, negative, from the back.
type nth struct {
	n   int
	day time.Weekday
}

// newDayFilter takes from the DTSTART what the rule leaves open, as RFC 5545 says.
func newDayFilter(o *rrule.ROption, first wall) dayFilter {
	f := dayFilter{months: o.Bymonth, monthDays: o.Bymonthday, yearDays: o.Byyearday, weeks: o.Byweekno}
	f.inYear = o.Freq == rrule.YEARLY && len(o.Bymonth) == 0
	for _, d := range o.Byweekday {
		f.weekdays = append(f.weekdays, nth{d.N(), weekday(d)})
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
		f.weekdays = []nth{{0, first.Weekday()}}
	}
	return f
}

func (f dayFilter) match(d wall, wkst time.Weekday) bool {
	y, m, dom := d.Date()
	if len(f.months) > 0 && !slices.Contains(f.months, int(m)) {
		return false
	}
	if len(f.monthDays) > 0 && !either(f.monthDays, dom, daysIn(y, m)) {
		return false
	}
	if len(f.yearDays) > 0 && !either(f.yearDays, d.YearDay(), yearLength(y)) {
		return false
	}
	if len(f.weeks) > 0 {
		if n, of := week(d, wkst); !either(f.weeks, n, of) {
			return false
		}
	}
	return len(f.weekdays) == 0 ||
		slices.ContainsFunc(f.weekdays, func(w nth) bool { return f.weekday(w, d) })
}

func (f dayFilter) weekday(w nth, d wall) bool {
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

// either says that a list has the n-th of length things, counted from the front or, negative, from the back.
func either(list []int, n, length int) bool {
	return slices.Contains(list, n) || slices.Contains(list, n-length-1)
}

func daysIn(y int, m time.Month) int { return date(y, m+1, 0).Day() }

func yearLength(y int) int { return date(y, 12, 31).YearDay() }

// week returns the number of a day's week, and how many weeks that week's year has. Week 1 is the first with
// four days in the year; weeks begin on wkst.
func week(d wall, wkst time.Weekday) (n, of int) {
	y := d.Year()
	begin, end := firstWeek(y, wkst), firstWeek(y+1, wkst)
	switch {
	case d.Before(begin):
		begin, end = firstWeek(y-1, wkst), begin
	case !d.Before(end):
		begin, end = end, firstWeek(y+2, wkst)
	}
	return (dayNumber(d)-dayNumber(begin))/7 + 1, (dayNumber(end) - dayNumber(begin)) / 7
}

func firstWeek(y int, wkst time.Weekday) wall {
	fourth := date(y, 1, 4)
	return fourth.AddDate(0, 0, -int((fourth.Weekday()-wkst+7)%7))
}
