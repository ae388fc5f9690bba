package berthfile

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/templating/yamldoc"
)

// schedules makes the schedules of a deployment; nil where it has none.
func (p *prefect) schedules(deployment *yamldoc.Value, where string) *yamldoc.Value {
	var from []*yamldoc.Value
	var at yamldoc.Place
	if list := deployment.Get("schedules"); list != nil && list.Kind == yamldoc.Array {
		from, at = list.Items, list.Place
	} else if given(list) != nil {
		p.fail(list.Place, "%s.schedules must be a list, this is %s %s", where, article(list.Kind), list.Kind)
	}
	if one := given(deployment.Get("schedule")); one != nil {
		if deployment.Get("schedules") != nil {
			p.fail(one.Place, "%s has both schedule and schedules; write one of them", where)
		}
		from, at = append(from, one), one.Place
	}
	paused := deployment.Get("paused")
	rest := paused != nil && p.isTrue(paused, where+".paused")
	var items []*yamldoc.Value
	for i, s := range from {
		if given(s) == nil {
			continue
		}
		if s.Kind != yamldoc.Object {
			p.fail(s.Place, "%s.schedules[%d] must be an object, this is %s %s", where, i, article(s.Kind),
				s.Kind)
			continue
		}
		items = append(items,
			p.schedule(s, fmt.Sprintf("%s.schedules[%d]", where, i), scheduleName(s, i, len(from)), rest))
	}
	if items == nil {
		return nil
	}
	return yamldoc.List(at, items)
}

var notInScheduleNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// scheduleName is the slug; the only schedule of a deployment needs no other name than the usual one.
func scheduleName(s *yamldoc.Value, i, n int) *yamldoc.Value {
	if slug := s.Get("slug"); slug != nil && slug.Kind == yamldoc.String {
		if name := strings.Trim(notInScheduleNames.ReplaceAllString(slug.Text(), "-"), "-._"); name != "" {
			return yamldoc.Word(slug.Place, name)
		}
	}
	if n == 1 {
		return nil
	}
	return yamldoc.Word(s.Place, fmt.Sprintf("schedule-%d", i+1))
}

func (p *prefect) schedule(from *yamldoc.Value, where string, name *yamldoc.Value, rest bool) *yamldoc.Value {
	from = flattened(from)
	to := yamldoc.NewObject(from.Place)
	to.Add("name", from.Place, name)
	for _, m := range from.Names {
		at := where + "." + m.Name
		if given(m.Value) == nil {
			continue
		}
		switch m.Name {
		case "cron":
			to.Add(m.Name, m.Place, p.cron(m.Value, at))
		case "timezone":
			to.Add(m.Name, m.Place, p.plain(m.Value, at))
		case "interval":
			to.Add("interval_seconds", m.Place, p.interval(m.Value, at))
			p.origin(from, at, m)
		case "rrule":
			p.rrule(to, m, from, at)
		case "anchor_date":
			p.anchor(to, m, from, at)
		case "active":
			if !rest {
				to.Add("active", m.Place, yamldoc.Truth(m.Value.Place, p.isTrue(m.Value, at)))
			}
		case "parameters":
			to.Add(m.Name, m.Place, p.values(m.Value, at))
		case "day_or":
			if !p.isTrue(m.Value, at) && restrictsBothDays(from.Get("cron")) {
				p.fail(
					m.Place,
					"%s is false, but a cron of Berth runs when the day of the month or the weekday fits: write it as an rrule, with BYMONTHDAY and BYDAY",
					at,
				)
			}
		case "slug":
		default:
			p.leave(m, at, nil)
		}
	}
	if rest {
		to.Add("active", from.Place, yamldoc.Truth(from.Place, false))
	}
	return to
}

// flattened brings the other forms in which a schedule is written into one: {schedule: {cron: …}, active:
// true}, and an rrule that is JSON with its time zone.
func flattened(s *yamldoc.Value) *yamldoc.Value {
	to := yamldoc.NewObject(s.Place)
	for _, m := range s.Names {
		if inner := m.Value; m.Name == "schedule" && inner.Kind == yamldoc.Object {
			to.Names = append(to.Names, inner.Names...)
			continue
		}
		var document struct{ RRule, Timezone string }
		if m.Name == "rrule" && m.Value.Kind == yamldoc.String &&
			json.Unmarshal([]byte(m.Value.Text()), &document) == nil {
			to.Add("rrule", m.Place, yamldoc.Word(m.Value.Place, document.RRule))
			if document.Timezone != "" && given(s.Get("timezone")) == nil {
				to.Add("timezone", m.Place, yamldoc.Word(m.Value.Place, document.Timezone))
			}
			continue
		}
		to.Names = append(to.Names, m)
	}
	return to
}

// restrictsBothDays is true for a cron that names days of the month and days of the week.
func restrictsBothDays(cron *yamldoc.Value) bool {
	if cron == nil {
		return false
	}
	fields := strings.Fields(cron.Text())
	return len(fields) == 5 && fields[2] != "*" && fields[2] != "?" && fields[4] != "*" && fields[4] != "?"
}

// interval is a number of seconds, 1:30:00 or PT90M. Without quotes, 12:30 is a number in base 60 there: 750 seconds.
func (p *prefect) interval(v *yamldoc.Value, where string) *yamldoc.Value {
	text := v.Literal()
	switch {
	case v.IsPlain() && base60.MatchString(v.Written()):
		text = sixties(v.Written())
	case v.Kind == yamldoc.String:
		text = p.plain(v, where).Text()
	case v.Kind == yamldoc.Number && !decimal.MatchString(v.Written()) && !olderOctal.MatchString(v.Written()):
		text = v.Written() // 1e3 and 0o17 are text there, and no duration
	}
	seconds, ok := parseInterval(text)
	if !ok || seconds < 1 || seconds != math.Trunc(seconds) || seconds > 1e12 {
		p.fail(v.Place, "%s is %q: it must be whole seconds, or a duration such as 1:30:00 or PT90M", where,
			text)
		return nil
	}
	return yamldoc.Whole(v.Place, int64(seconds))
}

var (
	decimal       = regexp.MustCompile(`^[0-9][0-9_]*(\.[0-9]*)?$`)
	clockInterval = regexp.MustCompile(`^(?:(\d+)(?: days?,?)? )?(\d+):(\d{2})(?::(\d{2}))?$`)
	isoInterval   = regexp.MustCompile(`^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)
)

func parseInterval(text string) (seconds float64, ok bool) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseFloat(text, 64); err == nil && decimal.MatchString(text) {
		return n, true
	}
	if m := clockInterval.FindStringSubmatch(text); m != nil {
		return sum(m[1:], 86400, 3600, 60, 1), true
	}
	if m := isoInterval.FindStringSubmatch(strings.ToUpper(text)); m != nil {
		return sum(m[1:], 7*86400, 86400, 3600, 60, 1), true
	}
	return 0, false
}

func sum(counts []string, units ...float64) float64 {
	var total float64
	for i, count := range counts {
		n, err := strconv.ParseFloat(count, 64)
		if err != nil {
			continue // not given
		}
		total += n * units[i]
	}
	return total
}

// anchor takes over from when intervals are counted. Prefect takes a time without a zone for UTC, whatever the
// time zone of the schedule is.
func (p *prefect) anchor(to *yamldoc.Value, m yamldoc.Member, schedule *yamldoc.Value, where string) {
	if given(schedule.Get("interval")) == nil {
		p.left(m.Place, where, "it is of intervals only")
		return
	}
	text := p.plain(m.Value, where).Text()
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07:00"} {
		if at, err := time.Parse(layout, text); err == nil {
			to.Add("anchor", m.Place, yamldoc.Word(m.Value.Place, at.UTC().Format(time.RFC3339)))
			return
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		to.Add("anchor", m.Place, yamldoc.Word(m.Value.Place, at.Format(time.RFC3339)))
		if zone := zoneOf(schedule); zone != time.UTC {
			p.note(m.Place, "%s has no time zone and is taken for UTC, as in Prefect: %s", where, at.Format(time.RFC3339))
		}
		return
	}
	p.fail(m.Value.Place, "%s is %q: it must be a time, as in 2026-01-01T04:00:00+00:00", where, text)
}
