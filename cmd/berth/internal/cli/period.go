package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
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

// ParsePeriod reads 90d, 36h or 0.
func ParsePeriod(text string) (time.Duration, error) {
	if number, isDays := strings.CutSuffix(text, "d"); isDays {
		const most = 100_000 // more overflow a duration
		days, err := strconv.Atoi(number)
		if err != nil || days < 0 || days > most {
			return 0, fmt.Errorf("%q is not a number of days, such as 90d", text)
		}
		return time.Duration(days) * day, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a period, such as 90d or 36h", text)
	}
	return d, nil
}

// Type is what help calls the value.
func (p *Period) Type() string { return "period" }

// Duration is the period as the rest of the program takes it.
func (p Period) Duration() time.Duration { return time.Duration(p) }
