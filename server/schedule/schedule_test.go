package schedule_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/server/schedule"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	when, err := time.Parse("2006-01-02T15:04:05Z07:00", s)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func parse(t testing.TB, spec schedule.Spec) *schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(spec)
	if err != nil {
		t.Fatalf("parse %+v: %v", spec, err)
	}
	return s
}

// format prints slots as local times.
func format(slots []time.Time, zone string) []string {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	var out []string
	for _, slot := range slots {
		out = append(out, slot.In(loc).Format("01-02T15:04:05-07:00"))
	}
	return out
}

func TestSlots(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spec  schedule.Spec
		after string
		want  []string
	}{
		// Europe/Berlin: 31 March 2024 02:00 becomes 03:00; 27 October 2024 03:00 becomes 02:00.
		{"fixed time in the gap runs once, at the first instant after the gap",
			schedule.Spec{Cron: "30 2 * * *", Timezone: "Europe/Berlin"},
			"2024-03-30T00:00:00Z", []string{"03-30T02:30:00+01:00", "03-31T03:00:00+02:00",
				"04-01T02:30:00+02:00"}},
		{"fixed time in the overlap runs at its first occurrence only", schedule.Spec{Cron: "30 2 * * *", Timezone: "Europe/Berlin"},
			"2024-10-26T12:00:00Z", []string{"10-27T02:30:00+02:00", "10-28T02:30:00+01:00"}},
		{"during the second pass of the overlap the next slot is tomorrow's", schedule.Spec{Cron: "30 2 * * *", Timezone: "Europe/Berlin"},
			"2024-10-27T01:10:00Z", []string{"10-28T02:30:00+01:00"}},
		{"fixed time at the end of the gap runs once", schedule.Spec{Cron: "0 3 * * *", Timezone: "Europe/Berlin"},
			"2024-03-30T12:00:00Z", []string{"03-31T03:00:00+02:00", "04-01T03:00:00+02:00"}},
		{"minute step runs in both passes of a repeated hour", schedule.Spec{Cron: "*/30 2 * * *", Timezone: "Europe/Berlin"},
			"2024-10-26T12:00:00Z", []string{"10-27T02:00:00+02:00", "10-27T02:30:00+02:00",
				"10-27T02:00:00+01:00", "10-27T02:30:00+01:00", "10-28T02:00:00+01:00"}},
		{"minute step does not run in a skipped hour", schedule.Spec{Cron: "*/30 2 * * *", Timezone: "Europe/Berlin"},
			"2024-03-30T12:00:00Z", []string{"04-01T02:00:00+02:00"}},
		{"list of hours runs in both passes of a repeated hour", schedule.Spec{Cron: "0 2,4 * * *", Timezone: "Europe/Berlin"},
			"2024-10-26T12:00:00Z", []string{"10-27T02:00:00+02:00", "10-27T02:00:00+01:00",
				"10-27T04:00:00+01:00"}},
		{"list of hours does not run in a skipped hour", schedule.Spec{Cron: "0 2,4 * * *", Timezone: "Europe/Berlin"},
			"2024-03-30T12:00:00Z", []string{"03-31T04:00:00+02:00", "04-01T02:00:00+02:00"}},
		{"@hourly runs in both passes of a repeated hour", schedule.Spec{Cron: "@hourly", Timezone: "Europe/Berlin"},
			"2024-10-26T23:30:00Z", []string{"10-27T02:00:00+02:00", "10-27T02:00:00+01:00",
				"10-27T03:00:00+01:00"}},
		{"hourly cron has no extra slot in spring", schedule.Spec{Cron: "0 * * * *", Timezone: "Europe/Berlin"},
			"2024-03-30T23:30:00Z", []string{"03-31T01:00:00+01:00", "03-31T03:00:00+02:00",
				"03-31T04:00:00+02:00"}},
		{"six-hour interval counts elapsed time",
			schedule.Spec{Every: 6 * time.Hour, Timezone: "Europe/Berlin", Anchor: time.Date(2024, 10, 26, 20, 0, 0, 0, time.UTC)},
			"2024-10-26T19:59:59Z", []string{"10-26T22:00:00+02:00", "10-27T03:00:00+01:00",
				"10-27T09:00:00+01:00"}},
		{"one-day interval keeps the local time",
			schedule.Spec{Every: 24 * time.Hour, Timezone: "Europe/Berlin", Anchor: time.Date(2024, 1, 1, 1, 30, 0, 0, time.UTC)},
			"2024-03-30T00:00:00Z", []string{"03-30T02:30:00+01:00", "03-31T03:00:00+02:00",
				"04-01T02:30:00+02:00"}},
		{"one-week interval starts on Monday by default", schedule.Spec{Every: 7 * 24 * time.Hour, Timezone: "Europe/Berlin"},
			"2024-03-24T00:00:00Z", []string{"03-25T00:00:00+01:00", "04-01T00:00:00+02:00"}},
		{"interval has slots before its anchor", schedule.Spec{Every: time.Hour, Anchor: time.Date(2030, 1, 1, 0, 20, 0, 0, time.UTC)},
			"2024-01-01T00:00:00Z", []string{"01-01T00:20:00+00:00", "01-01T01:20:00+00:00"}},
		{"daily rule in the gap runs once", schedule.Spec{RRule: "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", Timezone: "Europe/Berlin"},
			"2024-03-30T12:00:00Z", []string{"03-31T03:00:00+02:00", "04-01T02:30:00+02:00"}},
		{"rule with several hours runs in both passes of a repeated hour",
			schedule.Spec{RRule: "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0", Timezone: "Europe/Berlin"},
			"2024-10-26T12:00:00Z", []string{"10-27T02:00:00+02:00", "10-27T02:00:00+01:00",
				"10-27T03:00:00+01:00"}},
		{"hourly rule counts elapsed time",
			schedule.Spec{RRule: "DTSTART:20241026T200000Z\nRRULE:FREQ=HOURLY;INTERVAL=6", Timezone: "Europe/Berlin"},
			"2024-10-26T00:00:00Z", []string{"10-26T22:00:00+02:00", "10-27T03:00:00+01:00",
				"10-27T09:00:00+01:00"}},
		{"minutely rule is filtered by local time", schedule.Spec{RRule: "FREQ=MINUTELY;INTERVAL=30;BYHOUR=2", Timezone: "Europe/Berlin"},
			"2024-10-26T12:00:00Z", []string{"10-27T02:00:00+02:00", "10-27T02:30:00+02:00",
				"10-27T02:00:00+01:00", "10-27T02:30:00+01:00", "10-28T02:00:00+01:00"}},

		{"New York in spring", schedule.Spec{Cron: "15 2 * * *", Timezone: "America/New_York"},
			"2025-03-08T12:00:00Z", []string{"03-09T03:00:00-04:00", "03-10T02:15:00-04:00"}},
		{"New York in autumn", schedule.Spec{Cron: "15 1 * * *", Timezone: "America/New_York"},
			"2025-11-01T12:00:00Z", []string{"11-02T01:15:00-04:00", "11-03T01:15:00-05:00"}},
		{"time zone of DTSTART applies",
			schedule.Spec{RRule: "DTSTART;TZID=America/New_York:20250301T090000\nRRULE:FREQ=WEEKLY;BYDAY=SU;COUNT=3"},
			"2025-01-01T00:00:00Z", []string{"03-02T14:00:00+00:00", "03-09T13:00:00+00:00",
				"03-16T13:00:00+00:00"}},

		// Lord Howe moves by half an hour: 6 October 2024 02:00 becomes 02:30; 7 April 2024 02:00 becomes
		// 01:30.
		{"Lord Howe, inside a gap of half an hour", schedule.Spec{Cron: "15 2 * * *", Timezone: "Australia/Lord_Howe"},
			"2024-10-05T00:00:00Z", []string{"10-06T02:30:00+11:00", "10-07T02:15:00+11:00"}},
		{"Lord Howe, after the gap", schedule.Spec{Cron: "45 2 * * *", Timezone: "Australia/Lord_Howe"},
			"2024-10-05T00:00:00Z", []string{"10-06T02:45:00+11:00", "10-07T02:45:00+11:00"}},
		{"Lord Howe, inside an overlap of half an hour", schedule.Spec{Cron: "45 1 * * *", Timezone: "Australia/Lord_Howe"},
			"2024-04-06T12:00:00Z", []string{"04-07T01:45:00+11:00", "04-08T01:45:00+10:30"}},
		{"Lord Howe, a wildcard hour", schedule.Spec{Cron: "45 * * * *", Timezone: "Australia/Lord_Howe"},
			"2024-04-06T14:00:00Z", []string{"04-07T01:45:00+11:00", "04-07T01:45:00+10:30",
				"04-07T02:45:00+10:30"}},
		{"Lord Howe, an hourly rule is an hour apart",
			schedule.Spec{RRule: "FREQ=HOURLY", Timezone: "Australia/Lord_Howe", Anchor: time.Date(2024, 1, 1, 1, 0, 0, 0, time.UTC)},
			"2024-04-06T14:00:00Z", []string{"04-07T01:30:00+10:30", "04-07T02:30:00+10:30"}},

		// Sao Paulo changed its clock at midnight until 2018 and has not changed it since 2019.
		{"Sao Paulo, skipped midnight", schedule.Spec{Cron: "@daily", Timezone: "America/Sao_Paulo"},
			"2018-11-03T12:00:00Z", []string{"11-04T01:00:00-02:00", "11-05T00:00:00-02:00"}},
		{"Sao Paulo, repeated hour before midnight", schedule.Spec{Cron: "30 23 * * *", Timezone: "America/Sao_Paulo"},
			"2019-02-16T12:00:00Z", []string{"02-16T23:30:00-02:00", "02-17T23:30:00-03:00"}},
		{"Sao Paulo, no daylight saving since 2019", schedule.Spec{Cron: "@daily", Timezone: "America/Sao_Paulo"},
			"2024-11-02T12:00:00Z", []string{"11-03T00:00:00-03:00", "11-04T00:00:00-03:00"}},

		{"Kathmandu, offset of 5:45", schedule.Spec{Cron: "0 6 * * *", Timezone: "Asia/Kathmandu"},
			"2024-06-01T00:00:00Z", []string{"06-01T06:00:00+05:45", "06-02T06:00:00+05:45"}},
		{"Kathmandu, hourly cron follows the local hour", schedule.Spec{Cron: "0 * * * *", Timezone: "Asia/Kathmandu"},
			"2024-06-01T00:00:00Z", []string{"06-01T06:00:00+05:45", "06-01T07:00:00+05:45"}},

		// Apia skipped 30 December 2011.
		{"Apia, slot of the skipped day runs at the first instant after it", schedule.Spec{Cron: "30 3 * * *", Timezone: "Pacific/Apia"},
			"2011-12-29T00:00:00Z", []string{"12-29T03:30:00-10:00", "12-31T00:00:00+14:00",
				"12-31T03:30:00+14:00"}},
		{"Apia, two entries at one instant are one slot", schedule.Spec{Cron: "@daily", Timezone: "Pacific/Apia"},
			"2011-12-29T00:00:00Z", []string{"12-29T00:00:00-10:00", "12-31T00:00:00+14:00",
				"01-01T00:00:00+14:00"}},
		{"Apia, monthly slot on the skipped day is kept", schedule.Spec{Cron: "0 6 30 * *", Timezone: "Pacific/Apia"},
			"2011-12-01T00:00:00Z", []string{"12-31T00:00:00+14:00", "01-30T06:00:00+14:00"}},
		{"Apia, wildcards do not run on the skipped day", schedule.Spec{Cron: "0 */12 * * *", Timezone: "Pacific/Apia"},
			"2011-12-29T21:00:00Z", []string{"12-29T12:00:00-10:00", "12-31T00:00:00+14:00",
				"12-31T12:00:00+14:00"}},

		{"29 February waits for a leap year", schedule.Spec{Cron: "0 0 29 2 *"},
			"2096-03-01T00:00:00Z", []string{"02-29T00:00:00+00:00", "02-29T00:00:00+00:00"}},
		{"day 31 runs only in months that have one", schedule.Spec{Cron: "0 0 31 * *"},
			"2024-01-31T00:00:00Z", []string{"03-31T00:00:00+00:00", "05-31T00:00:00+00:00"}},
		{"30 February has no slot", schedule.Spec{Cron: "0 0 30 2 *", Timezone: "Europe/Berlin"}, "2024-01-01T00:00:00Z", nil},
		{"30 February with wildcards has no slot", schedule.Spec{Cron: "* * 30 2 *", Timezone: "Europe/Berlin"}, "2024-01-01T00:00:00Z",
			nil},
		{"30 February as an RRULE has no slot", schedule.Spec{RRule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "2024-01-01T00:00:00Z", nil},
		{"30 February as a minutely RRULE has no slot",
			schedule.Spec{RRule: "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30", Timezone: "Europe/Berlin"}, "2024-01-01T00:00:00Z", nil},
		{"odd minute on an even grid has no slot", schedule.Spec{RRule: "FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1"}, "2024-01-01T00:00:00Z",
			nil},
		{"day of month and day of week match either", schedule.Spec{Cron: "0 0 13 * 5"},
			"2024-09-05T00:00:00Z", []string{"09-06T00:00:00+00:00", "09-13T00:00:00+00:00",
				"09-20T00:00:00+00:00"}},
		{"Sunday is 0 and 7", schedule.Spec{Cron: "0 0 * * 7"}, "2024-06-01T00:00:00Z", []string{"06-02T00:00:00+00:00"}},
		{"month and day names are accepted", schedule.Spec{Cron: "0 0 * jun MON-TUE"}, "2024-06-01T00:00:00Z",
			[]string{"06-03T00:00:00+00:00", "06-04T00:00:00+00:00"}},
		{"year 9999 is the last", schedule.Spec{Cron: "@yearly"}, "9998-06-01T00:00:00Z", []string{"01-01T00:00:00+00:00"}},
		{"after the year 9999 there is no slot", schedule.Spec{Every: time.Second}, "9999-12-31T23:59:59Z", nil},
		{"start is inclusive and end exclusive",
			schedule.Spec{Cron: "@hourly", Start: time.Date(2024, 1, 1, 5, 0, 0, 0, time.UTC),
				End: time.Date(2024, 1, 1, 7, 0, 0, 0, time.UTC)},
			"2023-01-01T00:00:00Z", []string{"01-01T05:00:00+00:00", "01-01T06:00:00+00:00"}},
		{"UNTIL is inclusive", schedule.Spec{RRule: "FREQ=DAILY;UNTIL=20240103T000000"}, "2023-01-01T00:00:00Z",
			[]string{"01-01T00:00:00+00:00", "01-02T00:00:00+00:00", "01-03T00:00:00+00:00"}},
		{"last working day of a month", schedule.Spec{RRule: "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=18"},
			"2024-05-01T00:00:00Z",
			[]string{"05-31T18:00:00+00:00", "06-28T18:00:00+00:00"}},
		{"DTSTART in the far future is the first slot", schedule.Spec{RRule: "DTSTART:24000101T000000Z\nRRULE:FREQ=YEARLY"},
			"2024-05-01T00:00:00Z",
			[]string{"01-01T00:00:00+00:00"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			zone := tc.spec.Timezone
			got := parse(t, tc.spec).Between(at(t, tc.after), at(t, "9999-12-31T23:59:59Z"),
				max(len(tc.want), 1))
			if diff := cmp.Diff(tc.want, format(got, zone)); diff != "" {
				t.Errorf("slots (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseErrorsNameTheFieldAndTheExpectedValue(t *testing.T) {
	for _, tc := range []struct {
		name string
		spec schedule.Spec
		want string
	}{
		{"no kind", schedule.Spec{}, "cron: want exactly one of"},
		{"two kinds", schedule.Spec{Cron: "@daily", Every: time.Hour}, "cron: want exactly one of"},
		{"minute out of range", schedule.Spec{Cron: "60 * * * *"}, "cron: want a valid minute"},
		{"hour is not a number", schedule.Spec{Cron: "0 noon * * *"}, "cron: want a valid hour"},
		{"no such day of month", schedule.Spec{Cron: "0 0 32 * *"}, "cron: want a valid day of month"},
		{"no such month", schedule.Spec{Cron: "0 0 1 13 *"}, "cron: want a valid month"},
		{"no such weekday", schedule.Spec{Cron: "0 0 * * 8"}, "cron: want a valid day of week"},
		{"empty list member", schedule.Spec{Cron: "1,,2 * * * *"}, "cron: want a valid minute"},
		{"seconds", schedule.Spec{Cron: "0 0 0 * * *"}, "cron: want five fields"},
		{"unknown name", schedule.Spec{Cron: "@reboot"}, "cron: want one of @hourly"},
		{"time zone in the cron text", schedule.Spec{Cron: "CRON_TZ=UTC 0 0 * * *"},
			"cron: want five fields; set the time zone in timezone"},
		{"unknown time zone", schedule.Spec{Cron: "@daily", Timezone: "Europe/Atlantis"}, "timezone: want an IANA name"},
		{"a time zone in another case", schedule.Spec{Cron: "@daily", Timezone: "europe/berlin"}, `timezone: want an IANA name such as Europe/Berlin: unknown time zone europe/berlin (did you mean "Europe/Berlin"?)`},
		{"a time zone in another area", schedule.Spec{Cron: "@daily", Timezone: "Europe/new york"}, `timezone: want an IANA name such as Europe/Berlin: unknown time zone Europe/new york (did you mean "America/New_York"?)`},
		{"the server's own time zone", schedule.Spec{Cron: "@daily", Timezone: "Local"}, "timezone: want an IANA name"},
		{"half a second", schedule.Spec{Every: 500 * time.Millisecond}, "every: want whole seconds"},
		{"negative", schedule.Spec{Every: -time.Hour}, "every: want whole seconds"},
		{"end before start", schedule.Spec{Every: time.Hour, Start: time.Unix(10, 0), End: time.Unix(9, 0)},
			"end: want a time after start"},
		{"negative jitter", schedule.Spec{Every: time.Hour, Jitter: -1}, "jitter: want a duration"},
		{"no frequency", schedule.Spec{RRule: "BYHOUR=3"}, "rrule: want a rule such as"},
		{"frequency of seconds", schedule.Spec{RRule: "FREQ=SECONDLY"}, "rrule: want a frequency of MINUTELY"},
		{"EXDATE", schedule.Spec{RRule: "DTSTART:20240101T000000Z\nRRULE:FREQ=DAILY\nEXDATE:20240102T000000Z"}, "rrule: want one RRULE"},
		{"numbered weekday in a weekly rule", schedule.Spec{RRule: "FREQ=WEEKLY;BYDAY=2MO"}, "rrule: want numbers in BYDAY"},
		{"count and until", schedule.Spec{RRule: "FREQ=DAILY;COUNT=2;UNTIL=20300101T000000Z"}, "rrule: want COUNT or UNTIL"},
		{"conflicting time zones", schedule.Spec{RRule: "DTSTART;TZID=Europe/Berlin:20240101T000000\nRRULE:FREQ=DAILY", Timezone: "UTC"},
			"timezone: want the TZID"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := schedule.Parse(tc.spec)
			var typed *schedule.Error
			if !errors.As(err, &typed) || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want an *Error that begins %q", err, tc.want)
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	for _, tc := range []struct {
		spec schedule.Spec
		want string
	}{
		{schedule.Spec{Cron: "30 3 * * *", Timezone: "Europe/Berlin"}, "every day at 03:30 Europe/Berlin"},
		{schedule.Spec{Cron: "@weekly"}, "every Sunday at 00:00 UTC"},
		{schedule.Spec{Cron: "0 9 * * 1-5"}, "every Monday to Friday at 09:00 UTC"},
		{schedule.Spec{Cron: "@monthly"}, "every month on day 1 at 00:00 UTC"},
		{schedule.Spec{Cron: "*/5 * * * *"}, "every 5 minutes of the hour UTC"},
		{schedule.Spec{Cron: "@hourly"}, "every hour at minute 0 UTC"},
		{schedule.Spec{Cron: "1,2 3 * * *"}, `cron "1,2 3 * * *" UTC`},
		{schedule.Spec{Every: 48 * time.Hour}, "every 2 days, same time of day in UTC"},
		{schedule.Spec{Every: 90 * time.Minute}, "every 90 minutes"},
		{schedule.Spec{RRule: "FREQ=DAILY"}, `rrule "FREQ=DAILY" UTC`},
	} {
		if got := schedule.Describe(tc.spec); got != tc.want {
			t.Errorf("%+v: got %q, want %q", tc.spec, got, tc.want)
		}
	}
}
