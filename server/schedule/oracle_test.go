package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/server/schedule"
)

// oracle computes slots the slow way: it walks minute by minute over local time.
type oracle struct {
	minutes, hours, days, weekdays []int
	fixed, eitherDay               bool
}

func field(text string, low, high int) []int {
	var list []int
	for _, part := range strings.Split(text, ",") {
		step := 1
		if r, s, ok := strings.Cut(part, "/"); ok {
			part, step = r, parsed(strconv.Atoi(s))
		}
		from, to := low, high
		if a, b, ok := strings.Cut(part, "-"); ok {
			from, to = parsed(strconv.Atoi(a)), parsed(strconv.Atoi(b))
		} else if part != "*" {
			from = parsed(strconv.Atoi(part))
			to = from
		}
		for n := from; n <= to; n += step {
			list = append(list, n)
		}
	}
	return list
}

func parsed(n int, err error) int {
	if err != nil {
		panic(err)
	}
	return n
}

func newOracle(cron string) oracle {
	f := strings.Fields(cron)
	isNumber := func(s string) bool { _, err := strconv.Atoi(s); return err == nil }
	return oracle{minutes: field(f[0], 0, 59), hours: field(f[1], 0, 23), days: field(f[2], 1, 31),
		weekdays: field(f[4], 0, 6),
		fixed:    isNumber(f[0]) && isNumber(f[1]), eitherDay: f[2] != "*" && f[4] != "*"}
}

func (o oracle) onDay(w time.Time) bool {
	inMonth, inWeek := slices.Contains(o.days, w.Day()), slices.Contains(o.weekdays, int(w.Weekday()))
	if o.eitherDay {
		return inMonth || inWeek
	}
	return inMonth && inWeek
}

func (o oracle) matches(w time.Time) bool {
	return slices.Contains(o.minutes, w.Minute()) && slices.Contains(o.hours, w.Hour()) && o.onDay(w)
}

// slots lists the slots in (from, to].
func (o oracle) slots(from, to time.Time, loc *time.Location) []time.Time {
	shown := map[string]bool{} // local times that have occurred
	var slots []time.Time
	var before time.Time
	for t := from.Add(-48 * time.Hour); !t.After(to); t = t.Add(time.Minute) {
		local := t.In(loc)
		w := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), 0, 0, time.UTC)
		hit := o.matches(w)
		if o.fixed {
			hit = hit && !shown[w.String()]
			for jumped := before.Add(time.Minute); !before.IsZero() &&
				jumped.Before(w); jumped = jumped.Add(time.Minute) {
				hit = hit || o.matches(jumped)
			}
			shown[w.String()] = true
		}
		before = w
		if hit && t.After(from) {
			slots = append(slots, t)
		}
	}
	return slots
}

// TestCronAgreesWithTheOracle compares the days around changes of the clock, in time zones that change in
// different ways.
func TestCronAgreesWithTheOracle(t *testing.T) {
	changes := map[string][]string{
		"Europe/Berlin":       {"2024-03-31T00:00:00Z", "2024-10-27T00:00:00Z"},
		"America/New_York":    {"2025-03-09T06:00:00Z", "2025-11-02T05:00:00Z"},
		"Australia/Lord_Howe": {"2024-04-06T14:00:00Z", "2024-10-05T15:00:00Z"},
		"America/Sao_Paulo":   {"2018-11-04T02:00:00Z", "2019-02-17T01:00:00Z"},
		"Pacific/Apia":        {"2011-12-30T10:00:00Z"},
		"Asia/Kathmandu":      {"2024-06-01T00:00:00Z"},
		"UTC":                 {"2040-12-31T00:00:00Z"},
	}
	const seed = 20240331
	random := rand.New(rand.NewPCG(seed, seed))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	for i := range 150 {
		cron := fmt.Sprintf("%s %s %s * %s", pick("0", "15", "30", "45", "*", "*/7", "0,30", "10-12"),
			pick("0", "1", "2", "3", "23", "*", "*/5", "1,2", "2-3"),
			pick("*", "*", "30,31", "1-15"), pick("*", "*", "0", "1-5"))
		for zone, around := range changes {
			loc, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, middle := range around {
				from, to := at(t, middle).Add(-30*time.Hour), at(t, middle).Add(30*time.Hour)
				got := parse(t, schedule.Spec{Cron: cron, Timezone: zone}).Between(from, to, 10_000)
				if diff := cmp.Diff(format(newOracle(cron).slots(from, to, loc), zone),
					format(got, zone)); diff != "" {
					t.Fatalf("%d: %q in %s around %s (-oracle +got):\n%s", i, cron, zone, middle, diff)
				}
			}
		}
	}
}

// FuzzSpec checks that every accepted Spec yields slots in ascending order and in bounded time.
func FuzzSpec(f *testing.F) {
	for _, seed := range []struct{ cron, rrule, zone string }{
		{"30 2 * * *", "", "Europe/Berlin"}, {"* * 30 2 *", "", "Europe/Berlin"}, {"*/5 1-3 29 2 1", "", "America/Sao_Paulo"}, {"@weekly",
			"", ""},
		{"", "FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1", ""}, {"", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "Pacific/Apia"},
		{"", "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1;BYHOUR=18;COUNT=5", "UTC"}, {"",
			"DTSTART;TZID=America/New_York:20250301T090000\nRRULE:FREQ=WEEKLY;BYDAY=SU", ""},
	} {
		f.Add(seed.cron, seed.rrule, seed.zone, int64(1_700_000_000))
	}
	f.Fuzz(func(t *testing.T, cron, rrule, zone string, unix int64) {
		s, err := schedule.Parse(schedule.Spec{Cron: cron, RRule: rrule, Timezone: zone})
		if err != nil {
			return
		}
		after := time.Unix(unix%(1<<37), 0)
		for range 3 {
			slot, ok := s.Next(after)
			if !ok {
				return
			}
			if !slot.After(after) || slot.Location() != time.UTC {
				t.Fatalf("%q %q %q: slot after %s = %s, want a later UTC instant", cron, rrule, zone, after,
					slot)
			}
			after = slot
		}
	})
}
