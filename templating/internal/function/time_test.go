package function_test

import "testing"

func TestTimes(t *testing.T) {
	w := world{variables: object{"epoch": int64(0), "zone": "2026-06-01T12:00:00+02:00", "l": list()}}
	w.run(t, []evaluation{
		{name: "now is the scheduled time in UTC", source: `{{ (now) }}`, want: "2026-01-02T02:04:05.6Z"},
		{
			name: "date formats with Go's layout", source: `{{ date "2006-01-02 15:04" now }}`,
			want: "2026-01-02 02:04",
		},
		{name: "date of seconds since 1970", source: `{{ date "2006" .epoch }}`, want: "1970"},
		{
			name: "date of a time with a zone is UTC", source: `{{ date "15:04 MST" .zone }}`,
			want: "10:00 UTC",
		},
		{name: "date of a day", source: `{{ date "Mon" "2026-05-06" }}`, want: "Wed"},
		{name: "date of a time with a space", source: `{{ date "15" "2026-05-06 07:08:09" }}`, want: "07"},
		{
			name:   "date of what is not a time, which sprig takes for now",
			source: `{{ date "2006" "soon" }}`,
			err:    "date: argument 2 must be a time such as now, RFC 3339 or seconds since 1970, not a string",
		},
		{name: "date of a list", source: `{{ date "2006" .l }}`, err: "not a list"},
		{
			name: "a layout that is too long", source: `{{ date (repeat 257 "2") now }}`,
			err: "date: a layout must not be longer than 256 characters",
		},
		{name: "htmlDate", source: `{{ htmlDate .zone }}`, want: "2026-06-01"},
		{
			name: "dateModify forwards", source: `{{ dateModify "36h" "2026-01-01" }}`,
			want: "2026-01-02T12:00:00Z",
		},
		{
			name: "dateModify backwards", source: `{{ now | dateModify "-1h30m" | date "15:04" }}`,
			want: "00:34",
		},
		{
			name: "date_modify is another name", source: `{{ date_modify "1s" "2026-01-01" }}`,
			want: "2026-01-01T00:00:01Z",
		},
		{
			name: "dateModify by what is not a duration", source: `{{ dateModify "soon" now }}`,
			err: `dateModify: "soon" is not a duration such as -1h30m`,
		},
		{name: "toDate", source: `{{ toDate "02.01.2006" "06.05.2026" }}`, want: "2026-05-06T00:00:00Z"},
		{
			name:   "toDate of another layout is an error, where sprig returns the year 1",
			source: `{{ toDate "2006" "soon" }}`, err: `toDate: "soon" does not match the layout "2006"`,
		},
		{name: "unixEpoch is text, as in sprig", source: `{{ unixEpoch "1970-01-02" }}`, want: "86400"},
		{name: "unixEpoch before 1970", source: `{{ unixEpoch "1969-12-31" }}`, want: "-86400"},
		{name: "duration of seconds", source: `{{ duration 3725 }}`, want: "1h2m5s"},
		{name: "duration of a number in a string", source: `{{ duration "95" }}`, want: "1m35s"},
		{
			name: "duration beyond 292 years", source: `{{ duration 9223372037 }}`,
			err: "duration: the result is out of range",
		},
		{name: "durationRound gives the largest unit", source: `{{ durationRound "26h10m" }}`, want: "1d"},
		{name: "durationRound of months", source: `{{ durationRound "1500h" }}`, want: "2mo"},
		{name: "durationRound below a second", source: `{{ durationRound "300ms" }}`, want: "0s"},
		{
			name: "durationRound of what is not a duration", source: `{{ durationRound "soon" }}`,
			err: `durationRound: "soon" is not a duration`,
		},
	})
}
