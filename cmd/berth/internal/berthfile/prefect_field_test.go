package berthfile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
)

// prefectFile is what becomes of a prefect.yaml: the request, the notes, or the errors.
func prefectFile(t *testing.T, text string, from berthfile.Source) string {
	t.Helper()
	from.Read = files(map[string]string{"prefect.yaml": text})
	f, err := berthfile.Load("prefect.yaml", from)
	var problems berthfile.Problems
	var lines []string
	if errors.As(err, &problems) {
		for _, p := range problems {
			lines = append(lines, p.String())
		}
		return strings.Join(lines, "\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range f.Notes {
		lines = append(lines, note.String())
	}
	body, err := f.Request(berthfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(lines, string(body)), "\n")
}

const withPool = ", work_pool: {name: p}}"

func TestAPrefectYAMLGoesThroughAsItIs(t *testing.T) {
	berlin := "timezone: Europe/Berlin"
	for _, c := range []struct {
		name, yaml string
		from       berthfile.Source
		want, not  []string
	}{
		{name: "the output of a step", yaml: "deployments: [{name: d, version: '{{ get-commit-hash.stdout }}', work_pool: {name: p, job_variables: {image: '{{ build-image.image }}:{{ build-image.tag }}'}}}]",
			from: berthfile.Source{Steps: map[string]string{"build-image.image": "r/x", "build-image.tag": "1", "get-commit-hash.stdout": "abc"}},
			want: []string{`"image":"r/x:1"`, `"version":"abc"`}},
		{name: "without it, the flag is named", yaml: "deployments: [{name: d, work_pool: {name: p, job_variables: {image: '{{ build-image.image }}'}}}]",
			want: []string{"set it with --step build-image.image=VALUE"}},
		{name: "a skeleton", yaml: "deployments: [{name: null, work_pool: {name: null, work_queue_name: null, job_variables: {}}}, {name: d" + withPool + "]",
			want: []string{"deployments[0] is not taken over: it has no name, as `prefect init` writes it", `"name":"d"`}, not: []string{`"name":null`}},
		{name: "one of many without a pool", yaml: "deployments: [{name: a}, {name: d" + withPool + "]",
			want: []string{"deployments.a has no work_pool with a name: write it, set it with --pool NAME, or choose other deployments with --only NAME"}},
		{name: "with a pool from the command line", yaml: "deployments: [{name: a}, {name: d" + withPool + "]",
			from: berthfile.Source{Pool: "q"}, want: []string{`"name":"a","pool":"q"`, `"name":"d","pool":"p"`}},
		{name: "only one", yaml: "deployments: [{name: a}, {name: d" + withPool + "]",
			from: berthfile.Source{Only: []string{"d"}}, want: []string{`"name":"d"`}, not: []string{`"name":"a"`}},
		{name: "only one that is not there", yaml: "deployments: [{name: nightly" + withPool + "]",
			from: berthfile.Source{Only: []string{"nihgtly"}}, want: []string{`--only nihgtly: the file has no such deployment (did you mean "nightly"?)`}},
		{name: "a name from the environment", yaml: "name: '{{ $PROJECT }}'\ndeployments: [{name: '{{ NAME }}'" + withPool + "]",
			from: berthfile.Source{Env: map[string]string{"PROJECT": "sales", "NAME": "d"}}, want: []string{`"project":"sales"`, `"name":"d"`}},
		{name: "that is not set", yaml: "name: '{{ $PROJECT }}'\ndeployments: []",
			want: []string{"prefect.yaml:1:7: name takes PROJECT from the environment, where it is not set"}},
		{name: "two of one name", yaml: "deployments: [{name: prod, entrypoint: 'f.py:load_all'" + withPool + ", {name: prod, entrypoint: 'g.py:report'" + withPool + "]",
			want: []string{`"name":"load-all-prod"`, `"name":"report-prod"`, "deployment load-all/prod becomes load-all-prod"}},
		{name: "only one of them", yaml: "deployments: [{name: prod, entrypoint: 'f.py:load_all'" + withPool + ", {name: prod, entrypoint: 'g.py:report'" + withPool + "]",
			from: berthfile.Source{Only: []string{"report/prod"}}, want: []string{`"name":"report-prod"`}, not: []string{`"name":"load-all-prod"`}},
		{name: "the run at hand", yaml: "deployments: [{name: d, work_pool: {name: p, job_variables: {name: 'x-{{ ctx.flow_run.name }}'}}}]",
			want: []string{`"name":"x-{{ ctx.flow_run.name }}"`}},
		{name: "the run at hand in a parameter", yaml: "deployments: [{name: d, parameters: {a: '{{ ctx.flow_run.name }}'}" + withPool + "]",
			want: []string{"refers to the run at hand: {{ ctx.flow_run.name }}; Berth fills it into job_variables and templates only"}},
		{name: "the same error of several", yaml: "x: &v {image: '{{ build.image }}'}\ndeployments:\n- {name: a, work_pool: {name: p, job_variables: *v}}\n- {name: b, work_pool: {name: p, job_variables: *v}}\n- {name: c, work_pool: {name: p, job_variables: *v}}",
			want: []string{"prefect.yaml:1:15: deployments.a.work_pool.job_variables.image refers to the output of a step", "(also of b, c)"}, not: []string{"deployments.b.work_pool"}},
		{name: "the words of YAML 1.1", yaml: "deployments:\n- {name: a, paused: yes, schedules: [{cron: '@daily', active: on}]" + withPool + "\n- {name: b, schedules: [{cron: '@daily', active: off}]" + withPool + "\n- {name: c, paused: 1, schedules: [{cron: '@daily'}]" + withPool + "\n- {name: d, paused: 'yes', schedules: [{cron: '@daily'}]" + withPool,
			want: []string{`"active":false`}, not: []string{`"active":true`}},
		{name: "as a value", yaml: "deployments: [{name: d, parameters: {full: yes}" + withPool + "]", want: []string{`deployments.d.parameters.full is yes, which Prefect reads as true: write that, or quote it to keep the text: "yes"`}},
		{name: "a number in base 60", yaml: "deployments: [{name: d, parameters: {t: 12:30:00}" + withPool + "]", want: []string{`is 12:30:00, which Prefect reads as 45000`}},
		{name: "an interval in base 60", yaml: "deployments: [{name: d, schedules: [{interval: 12:30}, {interval: '12:30'}, {interval: 1:30:00}, {interval: 010}, {interval: 1_000}]" + withPool + "]",
			want: []string{`"interval_seconds":750`, `"interval_seconds":45000`, `"interval_seconds":5400`, `"interval_seconds":8`, `"interval_seconds":1000`}},
		{name: "an interval that is text there", yaml: "deployments: [{name: d, schedules: [{interval: 1e3}, {interval: 0o17}]" + withPool + "]",
			want: []string{`schedules[0].interval is "1e3": it must be whole seconds`, `schedules[1].interval is "0o17"`}},
		{name: "a time with a blank", yaml: "deployments: [{name: d, parameters: {t: 2026-01-01 10:00:00}" + withPool + "]",
			want: []string{`t is 2026-01-01 10:00:00, which Prefect reads as 2026-01-01T10:00:00: write that, or quote it`}},
		{name: "a time with half a second", yaml: "deployments: [{name: d, parameters: {t: 2026-01-01T10:00:00.5+02:00}" + withPool + "]",
			want: []string{`reads as 2026-01-01T10:00:00.500000+02:00`}},
		{name: "days and times that stay", yaml: "deployments: [{name: d, parameters: {a: 2026-01-01, b: 2026-01-01T10:00:00Z, c: 2026-1-1, d: 2026-01-01T10:00, e: 2026-01-01T10:00:00-05:30}" + withPool + "]",
			want: []string{`"a":"2026-01-01","b":"2026-01-01T10:00:00Z","c":"2026-1-1","d":"2026-01-01T10:00","e":"2026-01-01T10:00:00-05:30"`}},
		{name: "half a minute in base 60", yaml: "deployments: [{name: d, parameters: {t: 01:30.5}" + withPool + "]", want: []string{`is 01:30.5, which Prefect reads as 90.5`}},
		{name: "the country of Norway", yaml: "deployments: [{name: d, parameters: {country: NO}" + withPool + "]", want: []string{`country is NO, which Prefect reads as false`}},
		{name: "as a name", yaml: "deployments: [{name: d, parameters: {NO: oslo, 'on': 1, 010: x}" + withPool + "]",
			want: []string{`parameters has the name NO, which Prefect reads as false: quote it to keep the text: "NO"`, `has the name 010, which Prefect reads as 8`}, not: []string{"the name on"}},
		{name: "a merge that is a value", yaml: "deployments: [{name: d, parameters: {a: <<}" + withPool + "]", want: []string{`to write the text, quote it: "<<"`}},
		{name: "quoted", yaml: "deployments: [{name: d, parameters: {t: '12:30:00', full: 'yes'}" + withPool + "]", want: []string{`"full":"yes"`, `"t":"12:30:00"`}},
		{name: "a boolean that is none", yaml: "deployments: [{name: d, paused: maybe" + withPool + "]", want: []string{`deployments.d.paused must be true or false, not "maybe"`}},
		{name: "schedule and schedules", yaml: "deployments: [{name: d, schedule: {cron: '@daily'}, schedules: [{cron: '@hourly'}]" + withPool + "]", want: []string{"deployments.d has both schedule and schedules; write one of them"}},
		{name: "a rule without a beginning", yaml: "deployments: [{name: d, schedules: [{rrule: 'FREQ=WEEKLY;BYHOUR=10', " + berlin + "}]" + withPool + "]", want: []string{`"anchor":"2019-12-31T23:00:00Z","rrule":"FREQ=WEEKLY;BYHOUR=10"`}},
		{name: "a rule that counts from nowhere", yaml: "deployments: [{name: d, schedules: [{rrule: 'RRULE:FREQ=DAILY;COUNT=7;BYHOUR=9'}]" + withPool + "]", want: []string{"has a COUNT and no DTSTART"}},
		{name: "a beginning in UTC and a zone", yaml: "deployments: [{name: d, schedules: [{rrule: \"DTSTART:20260101T060000Z\\nRRULE:FREQ=DAILY\", " + berlin + "}]" + withPool + "]", want: []string{`DTSTART;TZID=Europe/Berlin:20260101T060000\nRRULE:FREQ=DAILY`, "is a time in Europe/Berlin, as in Prefect, although it ends in Z"}},
		{name: "an anchor without a zone", yaml: "deployments: [{name: d, schedules: [{interval: 86400, anchor_date: 2026-01-01T02:30:00, timezone: Asia/Tokyo}]" + withPool + "]", want: []string{`"anchor":"2026-01-01T02:30:00Z"`, "is taken for UTC, as in Prefect"}},
		{name: "an interval without an anchor", yaml: "deployments: [{name: d, schedules: [{interval: 86400}]" + withPool + "]",
			from: berthfile.Source{Now: time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)}, want: []string{"has no anchor_date: Berth counts from 2024-01-01T00:00, not from the deploy, next at 2026-01-02T00:00:00Z"}},
		{name: "a step beyond its range", yaml: "deployments: [{name: d, schedules: [{cron: '0 */24 * * *'}]" + withPool + "]", want: []string{`"cron":"0 0 * * *"`, `means "0 0 * * *"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := prefectFile(t, c.yaml, c.from)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s\nis not in\n%s", want, got)
				}
			}
			for _, not := range c.not {
				if strings.Contains(got, not) {
					t.Errorf("%s\nis in\n%s", not, got)
				}
			}
		})
	}
}
