package berthfile

import (
	"regexp"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// zoneOf is the time zone of a schedule; UTC where it names none. One that does not exist is said with the
// timezone.
func zoneOf(s *yamldoc.Value) *time.Location {
	named := s.Get("timezone")
	if named == nil || named.Kind != yamldoc.String {
		return time.UTC
	}
	zone, err := time.LoadLocation(named.Text())
	if err != nil || zone.String() == "UTC" {
		return time.UTC
	}
	return zone
}

// cron takes over a cron. A step beyond its range is the first value of the range.
func (p *prefect) cron(v *yamldoc.Value, where string) *yamldoc.Value {
	if v.Kind != yamldoc.String {
		return v
	}
	v = p.plain(v, where)
	plain := schedule.PlainCron(v.Text())
	if plain == v.Text() {
		return v
	}
	p.note(v.Place, "%s %q means %q, because a step beyond its range takes only the first value", where, v.Text(), plain)
	return yamldoc.Word(v.Place, plain)
}

// origin says from when an interval without an anchor is counted: in Prefect that is the deploy.
func (p *prefect) origin(s *yamldoc.Value, where string, m yamldoc.Member) {
	seconds, ok := parseInterval(scalarText(m.Value))
	if given(s.Get("anchor_date")) != nil || !ok || seconds < 1 {
		return
	}
	spec := schedule.Spec{Every: time.Duration(seconds) * time.Second, Timezone: zoneOf(s).String()}
	first := ""
	if parsed, err := schedule.Parse(spec); err == nil && !p.from.Now.IsZero() {
		if next, ok := parsed.Next(p.from.Now); ok {
			first = ", next at " + next.UTC().Format(time.RFC3339)
		}
	}
	p.note(m.Place, "%s has no anchor_date: Berth counts from 2024-01-01T00:00, not from the deploy%s", where, first)
}

func scalarText(v *yamldoc.Value) string {
	if v.Kind == yamldoc.String {
		return v.Text()
	}
	return v.Literal()
}

// utcStart matches the DTSTART of a rule with its time.
var utcStart = regexp.MustCompile(`DTSTART:(\d{8}T\d{6})Z`)

// rrule takes over a recurrence rule. Prefect begins a rule without a DTSTART in 2020, and takes the time of a
// DTSTART for the time of day in the schedule's zone, even where it ends in Z.
func (p *prefect) rrule(to *yamldoc.Value, m yamldoc.Member, s *yamldoc.Value, where string) {
	v := p.plain(m.Value, where)
	if v.Kind != yamldoc.String {
		to.Add("rrule", m.Place, v)
		return
	}
	zone := zoneOf(s)
	text := v.Text()
	upper := strings.ToUpper(text)
	switch {
	case !strings.Contains(upper, "DTSTART") && strings.Contains(upper, "COUNT="):
		p.fail(v.Place, "%s has a COUNT and no DTSTART: Prefect counts from 2020-01-01, so that all its slots have passed; "+
			"write a DTSTART", where)
	case !strings.Contains(upper, "DTSTART"):
		start := time.Date(2020, 1, 1, 0, 0, 0, 0, zone).UTC()
		to.Add("anchor", m.Place, yamldoc.Word(v.Place, start.Format(time.RFC3339)))
	case zone != time.UTC && utcStart.MatchString(text):
		text = utcStart.ReplaceAllString(text, "DTSTART;TZID="+zone.String()+":$1")
		p.note(v.Place, "the DTSTART of %s is a time in %s, as in Prefect, although it ends in Z", where, zone)
		v = yamldoc.Word(v.Place, text)
	}
	to.Add("rrule", m.Place, v)
}
