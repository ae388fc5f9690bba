package schedule

import (
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

const (
	maxCount         = 1000 // each is looked for whenever the rule is read
	maxRRuleInterval = 10_000
)

// parseRRule reads the rule, and its DTSTART, UNTIL and COUNT, which bound the schedule.
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

// stopAfter bounds the schedule at its n-th slot, counted from the DTSTART, so that no later question has to
// count.
func (s *Schedule) stopAfter(begin time.Time, n int) {
	whole := &Schedule{slots: s.slots, start: begin, last: endOfTime()}
	at := begin.Add(-time.Second)
	for range n {
		slot, ok := whole.Next(at)
		if !ok || slot.After(s.last) {
			return
		}
		at = slot
	}
	s.last = at
}

// readRRule parses the text. The zone is the one of its DTSTART when the Spec names none.
func readRRule(spec Spec, loc *time.Location) (*rrule.ROption, *time.Location, error) {
	text := strings.TrimSpace(strings.ReplaceAll(spec.RRule, "\r\n", "\n"))
	if len(text) > maxText {
		return nil, nil, wrong("rrule", "at most %d characters", maxText)
	}
	for _, name := range []string{"RDATE", "EXDATE", "EXRULE"} {
		if strings.Contains(text, name) {
			return nil, nil, wrong("rrule", "one RRULE, optionally after a DTSTART line, without %s", name)
		}
	}
	if _, params, ok := strings.Cut(text, "DTSTART;TZID="); ok {
		tzid, _, _ := strings.Cut(params, ":")
		if spec.Timezone != "" && spec.Timezone != tzid {
			return nil, nil, wrong(
				"timezone",
				"the TZID of the rrule's DTSTART (%s) or nothing, got %s",
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
	return o, loc, checkRRule(o)
}

// checkRRule refuses what RFC 5545 forbids, and what no schedule needs.
func checkRRule(o *rrule.ROption) error {
	ordinal := slices.ContainsFunc(o.Byweekday, func(d rrule.Weekday) bool { return d.N() != 0 })
	byPart := len(
		o.Bymonth,
	)+len(
		o.Byweekno,
	)+len(
		o.Byyearday,
	)+len(
		o.Bymonthday,
	)+len(
		o.Byweekday,
	)+len(
		o.Byhour,
	)+len(
		o.Byminute,
	) > 0
	for _, c := range []struct {
		bad  bool
		want string
	}{
		{!sane(o.Dtstart), "a DTSTART in the years 1 to 9999"},
		{o.Freq == rrule.SECONDLY || len(o.Bysecond) > 1, "a frequency of MINUTELY or slower, and at most one BYSECOND"},
		{o.Interval < 0 || o.Interval > maxRRuleInterval, "an INTERVAL from 1 to 10000"},
		{o.Count < 0 || o.Count > maxCount, "a COUNT from 1 to 1000; use UNTIL for more"},
		{o.Count > 0 && !o.Until.IsZero(), "COUNT or UNTIL, not both"},
		{len(o.Byeaster) > 0, "no BYEASTER, which is no part of RFC 5545"},
		{ordinal && (o.Freq > rrule.MONTHLY || len(o.Byweekno) > 0), "numbers in BYDAY only with MONTHLY or YEARLY, without BYWEEKNO"},
		{len(o.Byweekno) > 0 && o.Freq != rrule.YEARLY, "BYWEEKNO only with YEARLY"},
		{len(o.Byyearday) > 0 && o.Freq > rrule.YEARLY && o.Freq < rrule.HOURLY, "BYYEARDAY not with MONTHLY, WEEKLY or DAILY"},
		{len(o.Bymonthday) > 0 && o.Freq == rrule.WEEKLY, "BYMONTHDAY not with WEEKLY"},
		{len(o.Bysetpos) > 0 && (!byPart || o.Freq > rrule.DAILY), "BYSETPOS with another BY part, and DAILY or slower"},
	} {
		if c.bad {
			return wrong("rrule", "%s", c.want)
		}
	}
	return nil
}
