package schedule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The extensions of cron that other programs have.
var (
	lastDay    = regexp.MustCompile(`(?i)^L(?:-(\d+))?W?$`)
	nearestDay = regexp.MustCompile(`(?i)^(\d+)W$`)
	nthWeekday = regexp.MustCompile(`(?i)^([0-7]|[a-z]{3})#([1-5])$`)
	lastOfDay  = regexp.MustCompile(`(?i)^([0-7]|[a-z]{3})L$`)
	hashed     = regexp.MustCompile(`(?i)^H(\(.*\))?(/\d+)?$`)
)

// unsupported says what to write instead of an extension of cron that Berth does not have; empty for all else.
func unsupported(i int, field string) string {
	rule := func(rrule string) string {
		return fmt.Sprintf("no %q, which is an extension of cron; write rrule: %s", field, rrule)
	}
	const midnight = ";BYHOUR=0;BYMINUTE=0"
	switch {
	case hashed.MatchString(field):
		return fmt.Sprintf("no %q, which is an extension of cron; write a number, and jitter_seconds to spread the load",
			field)
	case i == 2 && lastDay.MatchString(field):
		before := lastDay.FindStringSubmatch(field)[1]
		days, _ := strconv.Atoi(before) // empty is none
		if strings.HasSuffix(strings.ToUpper(field), "W") {
			return rule("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1" + midnight)
		}
		return rule(fmt.Sprintf("FREQ=MONTHLY;BYMONTHDAY=%d", -1-days) + midnight)
	case i == 2 && nearestDay.MatchString(field):
		return fmt.Sprintf("no %q, which is an extension of cron; write the day, or an rrule with BYDAY and BYSETPOS", field)
	case i == 4 && nthWeekday.MatchString(field):
		match := nthWeekday.FindStringSubmatch(field)
		return rule("FREQ=MONTHLY;BYDAY=" + match[2] + weekdayOf(match[1]) + midnight)
	case i == 4 && lastOfDay.MatchString(field):
		return rule("FREQ=MONTHLY;BYDAY=-1" + weekdayOf(lastOfDay.FindStringSubmatch(field)[1]) + midnight)
	}
	if plain := plainField(i, field); plain != field {
		return fmt.Sprintf("a step within its range; %s is only its first value: write %s", field, plain)
	}
	return ""
}

// weekdayOf is the day of the week as a recurrence rule has it.
func weekdayOf(day string) string {
	if n, err := strconv.Atoi(day); err == nil {
		return [...]string{"SU", "MO", "TU", "WE", "TH", "FR", "SA", "SU"}[n]
	}
	return strings.ToUpper(day[:2])
}
