package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// Period is a flag for times that are long: a duration as Go writes it, or a number of days as in 90d.
type Period time.Duration

const day = 24 * time.Hour

// String, Set and Type make a Period a flag.
func (p *Period) String() string {
	d := time.Duration(*p)
	if d == 0 {
		return "0" // help shows no default then
	}
	if d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return d.String()
}

// Set reads 90d, 36h or 0.
func (p *Period) Set(text string) error {
	d, err := ParsePeriod(text)
	*p = Period(d)
	return err
}

// ParsePeriod reads 90d, 36h, 1d12h, 2w or 0.
func ParsePeriod(text string) (time.Duration, error) {
	long, rest := longUnits.FindStringSubmatch(text), text
	var days int
	if long != nil {
		for i, unit := range []int{7, 1} {
			if long[i+1] == "" {
				continue
			}
			n, err := strconv.Atoi(long[i+1])
			if err != nil || n > maxDays {
				return 0, fmt.Errorf("%q is longer than %dd", text, maxDays)
			}
			days += n * unit
		}
		rest = text[len(long[0]):]
	}
	var d time.Duration
	if rest != "" || long == nil || long[0] == "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil || d < 0 {
			return 0, fmt.Errorf("%q is not a period, such as 90d, 36h or 15m", text)
		}
	}
	if days+int(d/day) > maxDays {
		return 0, fmt.Errorf("%q is longer than %dd", text, maxDays)
	}
	return time.Duration(days)*day + d, nil
}

// maxDays is as long as a period can be: more overflows a duration.
const maxDays = 100_000

// longUnits matches what a period begins with that durations do not have: weeks and days.
var longUnits = regexp.MustCompile(`^(?:(\d+)w)?(?:(\d+)d)?`)

// PeriodVar adds a flag that takes a period.
func PeriodVar(flags *pflag.FlagSet, d *time.Duration, name string, value time.Duration, usage string) {
	*d = value
	flags.Var((*Period)(d), name, usage)
}

// Type is what help calls the value.
func (p *Period) Type() string { return "period" }

// Duration is the period as the rest of the program takes it.
func (p Period) Duration() time.Duration { return time.Duration(p) }

// PastTime reads the value of a flag: a time, or how long ago it was. Nothing is nil.
func PastTime(flag, text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if ago, err := ParsePeriod(text); err == nil {
		at := now.Add(-ago)
		return &at, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, Usagef(
			"--%s %q: must be a time, such as 2026-01-01T04:00:00Z, or an age, such as 24h or 7d", flag, text)
	}
	return &at, nil
}

// PastRange is a range of past time on the command line.
type PastRange struct{ since, until string }

// Add adds --since and --until for what, such as runs that ended.
func (r *PastRange) Add(flags *pflag.FlagSet, what string) {
	flags.StringVar(&r.since, "since", "",
		what+" at or after a time, such as 2026-01-01T04:00:00Z, or an age, such as 24h or 7d (default: 24h)")
	flags.StringVar(&r.until, "until", "", what+" before a time or an age (default: now)")
}

// Read returns its bounds; nil is none.
func (r *PastRange) Read(now time.Time) (from, to *time.Time, err error) {
	if from, err = PastTime("since", r.since, now); err != nil {
		return nil, nil, err
	}
	to, err = PastTime("until", r.until, now)
	return from, to, err
}
