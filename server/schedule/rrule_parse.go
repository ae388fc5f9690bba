package schedule

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

const (
	maxCount         = 1000 // all of them are computed whenever the rule is parsed
	maxRRuleInterval = 10_000
)

// parseRRule parses the rule and applies DTSTART, UNTIL and COUNT, which bound the schedule.
func (s *Schedule) parseRRule(spec Spec, loc *time.Location) error {
	o, loc, err := readRRule(spec, loc)
	if err != nil {
		return err
	}
	s.slots = newRecurrence(o, loc).slotter(loc)
	if begin := o.Dtstart; s.start.Before(begin) {
		s.start = begin
	}
	if !o.Until.IsZero() && o.Until.Before(s.last) {
		s.last = o.Until.UTC()
	}
	if o.Count > 0 {
		s.stopAfter(o.Dtstart, o.Count)
	}
	return nil
}

// stopAfter bounds the schedule at its nth slot from the DTSTART, so that no later call has to count.
func (s *Schedule) stopAfter(start time.Time, n int) {
	unbounded := &Schedule{slots: s.slots, start: start, last: maxTime()}
	at := start.Add(-time.Second)
	for range n {
		slot, ok := unbounded.Next(at)
		if !ok || slot.After(s.last) {
			return
		}
		at = slot
	}
	s.last = at
}

// readRRule parses the text. The time zone of its DTSTART applies if the Spec has none.
func readRRule(spec Spec, loc *time.Location) (*rrule.ROption, *time.Location, error) {
	text := strings.TrimSpace(strings.ReplaceAll(spec.RRule, "\r\n", "\n"))
	if len(text) > maxTextLength {
		return nil, nil, invalidField("rrule", "at most %d characters", maxTextLength)
	}
	for _, name := range []string{"RDATE", "EXDATE", "EXRULE"} {
		if strings.Contains(text, name) {
			return nil, nil, invalidField("rrule", "one RRULE, optionally after a DTSTART line, without %s",
				name)
		}
	}
	if _, params, ok := strings.Cut(text, "DTSTART;TZID="); ok {
		tzid, _, _ := strings.Cut(params, ":")
		if spec.Timezone != "" && spec.Timezone != tzid {
			return nil, nil, invalidField(
				"timezone",
				"the TZID of the rrule's DTSTART (%s) or no timezone, got %s",
				tzid,
				spec.Timezone,
			)
		}
		zone, err := location(tzid)
		if err != nil {
			return nil, nil, err
		}
		loc = zone
	}
	if part := zeroPart.FindString(text); part != "" {
		return nil, nil, invalidField("rrule", "an INTERVAL and a COUNT of at least 1, got %s", part)
	}
	o, err := rrule.StrToROptionInLocation(text, loc)
	if err == nil {
		_, err = rrule.NewRRule(*o) // checks the bounds of the numbers
	}
	if err != nil {
		return nil, nil, &Error{"rrule", "a rule such as FREQ=WEEKLY;BYDAY=MO;BYHOUR=6;BYMINUTE=0", err}
	}
	if o.Dtstart.IsZero() {
		o.Dtstart = anchorOf(spec, loc)
	}
	o.Dtstart = o.Dtstart.UTC()
	if err := checkRRule(o); err != nil {
		return nil, nil, err
	}
	if o.Count > 0 && !strings.Contains(text, "DTSTART") && spec.Anchor.IsZero() {
		return nil, nil, invalidField("rrule", "a DTSTART line, or an anchor, to count COUNT=%d from", o.Count)
	}
	return o, loc, nil
}

// zeroPart matches the parts that the library takes for absent ones.
var zeroPart = regexp.MustCompile(`(?i)\b(INTERVAL|COUNT)=0+\b`)

// checkRRule refuses rules that RFC 5545 forbids, and rules that would be too expensive to compute.
func checkRRule(o *rrule.ROption) error {
	ordinal := slices.ContainsFunc(o.Byweekday, func(d rrule.Weekday) bool { return d.N() != 0 })
	byPart := len(o.Bymonth)+len(o.Byweekno)+len(o.Byyearday)+len(o.Bymonthday)+
		len(o.Byweekday)+len(o.Byhour)+len(o.Byminute) > 0

	for _, c := range []struct {
		invalid  bool
		expected string
	}{
		{!inYearRange(o.Dtstart), "a DTSTART in the years 1 to 9999"},
		{o.Freq == rrule.SECONDLY || len(o.Bysecond) > 1,
			"a frequency of MINUTELY or slower, and at most one BYSECOND"},
		{o.Interval < 0 || o.Interval > maxRRuleInterval, "an INTERVAL from 1 to 10000"},
		{o.Count < 0 || o.Count > maxCount, "a COUNT from 1 to 1000; use UNTIL for more"},
		{o.Count > 0 && !o.Until.IsZero(), "COUNT or UNTIL, not both"},
		{len(o.Byeaster) > 0, "a rule without BYEASTER, which is not part of RFC 5545"},
		{ordinal && (o.Freq > rrule.MONTHLY || len(o.Byweekno) > 0),
			"numbers in BYDAY only with MONTHLY or YEARLY and without BYWEEKNO"},
		{len(o.Byweekno) > 0 && o.Freq != rrule.YEARLY, "BYWEEKNO only with YEARLY"},
		{len(o.Byyearday) > 0 && o.Freq > rrule.YEARLY && o.Freq < rrule.HOURLY,
			"no BYYEARDAY with MONTHLY, WEEKLY or DAILY"},
		{len(o.Bymonthday) > 0 && o.Freq == rrule.WEEKLY, "no BYMONTHDAY with WEEKLY"},
		{len(o.Bysetpos) > 0 && (!byPart || o.Freq > rrule.DAILY),
			"BYSETPOS only with another BY part and DAILY or slower"},
	} {
		if c.invalid {
			return invalidField("rrule", "%s", c.expected)
		}
	}
	return nil
}
