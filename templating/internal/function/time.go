package function

import (
	"strconv"
	"time"
	_ "time/tzdata" // not every machine has a database of time zones
)

// timeFunctions work on the run's scheduled time. Times are RFC 3339 texts in UTC, so that they are the same
// everywhere.
func timeFunctions() []Function {
	return sprigGroup("time", []Function{
		{Usage: "now", run: func(c *Call) (any, error) { return timeText(c.Render.Now()), nil },
			Doc: "the run's scheduled time"},
		{Usage: "date LAYOUT TIME", Min: 2, Max: 2, run: runDate,
			Doc: "TIME in Go's LAYOUT, UTC"},
		{Usage: "dateInZone LAYOUT TIME ZONE", Min: 3, Max: 3, run: runDateInZone,
			Doc: "TIME in Go's LAYOUT and an IANA time zone, such as Europe/Berlin"},
		{Usage: "htmlDateInZone TIME ZONE", Min: 2, Max: 2, run: runHTMLDateInZone,
			Doc: "TIME as 2006-01-02 in an IANA time zone"},
		{Usage: "htmlDate TIME", Min: 1, Max: 1, run: runHTMLDate,
			Doc: "TIME as 2006-01-02, UTC"},
		{Usage: "dateModify DURATION TIME", Min: 2, Max: 2, run: runDateModify,
			Doc: "TIME moved by DURATION, such as -1h30m"},
		{Usage: "toDate LAYOUT STRING", Min: 2, Max: 2, run: runToDate,
			Doc: "the time that STRING says in Go's LAYOUT, UTC"},
		{Usage: "unixEpoch TIME", Min: 1, Max: 1, run: runUnixEpoch,
			Doc: "seconds since 1970, as text"},
		{Usage: "duration SECONDS", Min: 1, Max: 1, run: runDuration,
			Doc: "seconds as 1h2m3s"},
		{Usage: "durationRound DURATION", Min: 1, Max: 1, run: runDurationRound,
			Doc: "a duration in its largest unit: 2h, 5d"},
	})
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// time reads the i-th argument: RFC 3339, a date, or seconds since 1970.
func (c *Call) time(i int) (time.Time, error) {
	switch v := c.args[i].(type) {
	case int64:
		return time.Unix(v, 0).UTC(), nil
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02"} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return time.Time{}, c.wrongType(i, "a time such as now, RFC 3339 or seconds since 1970")
}

// maxLayout bounds the layout of a time: each of its elements can become a dozen characters.
const maxLayout = 256

func (c *Call) layout(i int) (string, error) {
	layout, err := c.str(i)
	if err == nil && len(layout) > maxLayout {
		err = c.errorf("a layout must not be longer than %d characters", maxLayout)
	}
	return layout, firstError(err, c.alloc(16*maxLayout))
}

func runDate(c *Call) (any, error) {
	layout, err := c.layout(0)
	if err != nil {
		return nil, err
	}
	t, err := c.time(1)
	if err != nil {
		return nil, err
	}
	return t.Format(layout), nil
}

// zone reads the i-th argument, the name of a time zone. The machine's own zone differs between machines.
func (c *Call) zone(i int) (*time.Location, error) {
	name, err := c.str(i)
	if err != nil {
		return nil, err
	}
	// A zone is read from a database of some hundred kilobytes.
	if err := firstError(c.Budget.Spend(2_000), c.alloc(16<<10)); err != nil {
		return nil, err
	}
	if name == "Local" || name == "localtime" || name == "" || len(name) > maxZone {
		return nil, c.errorf("%.40q is not an IANA time zone, such as Europe/Berlin", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, c.errorf("%.40q is not an IANA time zone, such as Europe/Berlin", name)
	}
	return zone, nil
}

// maxZone is longer than the name of any time zone.
const maxZone = 100

func runDateInZone(c *Call) (any, error) {
	layout, err := c.layout(0)
	if err != nil {
		return nil, err
	}
	t, err := c.time(1)
	if err != nil {
		return nil, err
	}
	zone, err := c.zone(2)
	if err != nil {
		return nil, err
	}
	return t.In(zone).Format(layout), nil
}

func runHTMLDateInZone(c *Call) (any, error) {
	t, err := c.time(0)
	if err != nil {
		return nil, err
	}
	zone, err := c.zone(1)
	if err != nil {
		return nil, err
	}
	return t.In(zone).Format(time.DateOnly), nil
}

func runHTMLDate(c *Call) (any, error) {
	t, err := c.time(0)
	return t.Format(time.DateOnly), err
}

func runDateModify(c *Call) (any, error) {
	text, err := c.str(0)
	if err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, c.errorf("%q is not a duration such as -1h30m", text)
	}
	t, err := c.time(1)
	if err != nil {
		return nil, err
	}
	return timeText(t.Add(d)), nil
}

func runToDate(c *Call) (any, error) {
	layout, err := c.layout(0)
	if err != nil {
		return nil, err
	}
	text, err := c.str(1)
	if err != nil {
		return nil, err
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return nil, c.errorf("%q does not match the layout %q", text, layout)
	}
	return timeText(t), nil
}

func runUnixEpoch(c *Call) (any, error) {
	t, err := c.time(0)
	return strconv.FormatInt(t.Unix(), 10), err
}

func runDuration(c *Call) (any, error) {
	seconds, err := c.integer(0)
	if err != nil {
		return nil, err
	}
	if seconds > int64(1<<63-1)/int64(time.Second) || seconds < -int64(1<<63-1)/int64(time.Second) {
		return nil, c.errorf("%w", errOverflow)
	}
	return (time.Duration(seconds) * time.Second).String(), nil
}

func runDurationRound(c *Call) (any, error) {
	text, err := c.text(0)
	if err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, c.errorf("%q is not a duration", text)
	}
	const day = 24 * time.Hour
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{365 * day, "y"}, {30 * day, "mo"}, {day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= unit.size {
			return strconv.FormatInt(int64(d/unit.size), 10) + unit.name, nil
		}
	}
	return "0s", nil
}
