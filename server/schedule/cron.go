package schedule

import (
	"math/bits"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// cronRule is a cron entry; each field is a bit set of its values.
type cronRule struct {
	minute, hour, dom, month, dow uint64
	eitherDay                     bool // both day fields are restricted, so a day matches if either does
}

func cronNames() map[string]string {
	return map[string]string{
		"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
		"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
	}
}

func cronFields() []string { return []string{"minute", "hour", "day of month", "month", "day of week"} }

const maxTextLength = 1000

func parseCron(text string, loc *time.Location) (slotter, error) {
	fields, err := splitCron(text)
	if err != nil {
		return nil, err
	}
	var set [5]uint64
	for i, field := range fields {
		if set[i], err = parseCronField(i, field); err != nil {
			return nil, err
		}
	}
	r := cronRule{minute: set[0], hour: set[1], dom: set[2], month: set[3], dow: set[4]}
	r.eitherDay = r.dom != bitRange(1, 31) && r.dow != bitRange(0, 6)
	if isNumber(fields[0]) && isNumber(fields[1]) {
		return fixedTime{loc, r}, nil
	}
	return everyMatch{loc, r}, nil
}

func splitCron(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "@") {
		long, ok := cronNames()[strings.ToLower(text)]
		if !ok {
			return nil, invalidField("cron", "one of @hourly, @daily, @weekly, @monthly, @yearly, got %q",
				text)
		}
		text = long
	}
	fields := strings.Fields(text)
	if len(fields) > 0 && strings.Contains(fields[0], "TZ=") {
		return nil, invalidField("cron", "five fields; set the time zone in timezone")
	}
	if len(text) > maxTextLength || len(fields) != 5 {
		return nil, invalidField(
			"cron", "five fields (minute, hour, day of month, month, day of week), got %d", len(fields))
	}
	return fields, nil
}

// parseCronField parses one field with all others "*", so that an error names the field.
func parseCronField(i int, field string) (uint64, error) {
	parser := cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	entry := []string{"*", "*", "*", "*", "*"}
	entry[i] = field
	want := "a valid " + cronFields()[i]
	if reason := unsupported(i, field); reason != "" {
		return 0, invalidField("cron", "%s", reason)
	}
	parsed, err := parser.Parse(strings.Join(entry, " "))
	if err != nil {
		return 0, &Error{"cron", want, err}
	}
	p, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return 0, invalidField("cron", "%s", want)
	}
	// The parser ignores empty list members and marks wildcards in the highest bit.
	set := []uint64{
		p.Minute & bitRange(0, 59), p.Hour & bitRange(0, 23), p.Dom & bitRange(1, 31),
		p.Month & bitRange(1, 12), cron.NormalizeDOW(p.Dow) & bitRange(0, 6),
	}[i]
	if set == 0 || strings.Contains(","+field+",", ",,") {
		return 0, invalidField("cron", "%s, got %q", want, field)
	}
	return set, nil
}

// bitRange returns the bit set of low to high.
func bitRange(low, high int) uint64 { return 1<<(high+1) - 1<<low }

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

func (r cronRule) next(from, limit wallTime, _ time.Duration) (wallTime, bool) {
	if from.Second() > 0 {
		from = from.Add(time.Duration(60-from.Second()) * time.Second)
	}
	for !from.After(limit) {
		y, m, d := from.Date()
		if r.month&(1<<m) == 0 {
			from = time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
			continue
		}
		if r.matchesDay(d, from.Weekday()) {
			if clock, ok := r.clock(from.Hour(), from.Minute()); ok {
				found := time.Date(y, m, d, 0, clock, 0, 0, time.UTC)
				return found, !found.After(limit)
			}
		}
		from = time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
	}
	return wallTime{}, false
}

func (r cronRule) matchesDay(dom int, dow time.Weekday) bool {
	inMonth, inWeek := r.dom&(1<<dom) != 0, r.dow&(1<<dow) != 0
	if r.eitherDay {
		return inMonth || inWeek
	}
	return inMonth && inWeek
}

// clock returns the first matching minute of the day at or after hour:minute.
func (r cronRule) clock(hour, minute int) (int, bool) {
	if r.hour&(1<<hour) != 0 {
		if rest := r.minute >> minute; rest != 0 {
			return hour*60 + minute + bits.TrailingZeros64(rest), true
		}
	}
	later := r.hour >> (hour + 1)
	if later == 0 {
		return 0, false
	}
	return (hour+1+bits.TrailingZeros64(later))*60 + bits.TrailingZeros64(r.minute), true
}
