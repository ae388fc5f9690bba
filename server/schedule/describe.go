package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Describe describes a valid Spec in words, or quotes it if there is no short description.
func Describe(spec Spec) string {
	zone := spec.Timezone
	if zone == "" {
		zone = "UTC"
	}
	switch {
	case spec.Cron != "":
		return describeCron(spec.Cron) + " " + zone
	case spec.RRule != "":
		return fmt.Sprintf("rrule %q %s", spec.RRule, zone)
	case spec.Every >= day && spec.Every%day == 0:
		return describeEvery(int(spec.Every/day), "day") + ", same time of day in " + zone
	case spec.Every%time.Hour == 0:
		return describeEvery(int(spec.Every/time.Hour), "hour")
	case spec.Every%time.Minute == 0:
		return describeEvery(int(spec.Every/time.Minute), "minute")
	}
	return describeEvery(int(spec.Every/time.Second), "second")
}

func describeEvery(n int, unit string) string {
	if n == 1 {
		return "every " + unit
	}
	return fmt.Sprintf("every %d %ss", n, unit)
}

func describeCron(text string) string {
	quoted := fmt.Sprintf("cron %q", text)
	fields, err := splitCron(text)
	if err != nil {
		return quoted
	}
	minute, hour, dom, month, dow := fields[0], fields[1], fields[2], fields[3], fields[4]
	anyDay := dom == "*" && month == "*" && dow == "*"
	switch {
	case anyDay && hour == "*" && minute == "*":
		return "every minute"
	case anyDay && hour == "*" && isNumber(strings.TrimPrefix(minute, "*/")) &&
		strings.HasPrefix(minute, "*/"):
		n, err := strconv.Atoi(strings.TrimPrefix(minute, "*/"))
		if err != nil || n < 1 {
			return quoted
		}
		if n == 1 {
			return "every minute"
		}
		return "every " + strconv.Itoa(n) + " minutes of the hour"
	case anyDay && hour == "*" && isNumber(minute):
		return "every hour at minute " + minute
	case !isNumber(hour) || !isNumber(minute) || month != "*":
		return quoted
	}
	at := fmt.Sprintf(" at %02s:%02s", hour, minute)
	switch {
	case anyDay:
		return "every day" + at
	case dom == "*" && dow == "1-5":
		return "every Monday to Friday" + at
	case dom == "*" && isNumber(dow):
		n, err := strconv.Atoi(dow)
		if err != nil || n > 7 {
			return quoted
		}
		return "every " + time.Weekday(n%7).String() + at
	case dow == "*" && isNumber(dom):
		return "every month on day " + dom + at
	}
	return quoted
}
