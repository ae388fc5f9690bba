package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

func TestSchedulesArePartOfADeployment(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	const path = "/api/v1/deployments/etl"
	apply := func(schedules string) answer {
		return r.call(
			http.MethodPost,
			"/api/v1/apply",
			`{"deployments":[{"name":"etl","pool":"local","job_variables":{"date":"2026-01-01"},"schedules":[`+schedules+`]}]}`,
		)
	}
	const nightly = `{"name":"nightly","cron":"30 2 * * *","timezone":"Europe/Berlin","job_variables":{"memory":200},"overlap":"forbid"}`
	const rare = `{"name":"rare","rrule":"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29","active":false}`
	apply(nightly + `,` + rare).is(http.StatusOK)
	changed := func(a answer) string {
		c := read[api.ApplyResult](a.is(http.StatusOK)).Changes[0]
		if c.Fields == nil {
			return string(c.Action)
		}
		return string(c.Action) + " " + strings.Join(*c.Fields, " ")
	}
	if got := changed(apply(nightly + `,` + rare)); got != "unchanged" {
		t.Errorf("the same again: %s", got)
	}
	shown := *read[api.Deployment](r.call(http.MethodGet, path, "").is(http.StatusOK)).Schedules
	if len(shown) != 2 || shown[0].Name != "nightly" || len(shown[0].Next) != 5 || shown[1].Active ||
		len(shown[1].Next) != 0 {
		t.Errorf("got %+v", shown)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if first := shown[0].Next[0].In(berlin); first.Format("15:04") != "02:30" || shown[0].Description == "" {
		t.Errorf("first at %s: %s", first, shown[0].Description)
	}
	// Pausing outlives a deployment that says nothing of it.
	r.call(http.MethodPatch, path+"/schedules/nightly", `{"active":false}`).is(http.StatusOK)
	if got := changed(apply(nightly + `,` + rare)); got != "unchanged" {
		t.Errorf("apply with a paused schedule: %s", got)
	}
	if got := changed(apply(nightly)); got != "update schedules" {
		t.Errorf("without one: %s", got)
	}
	all := read[api.ScheduleList](r.call(http.MethodGet, "/api/v1/schedules?pool=local",
		"").is(http.StatusOK)).Items
	if len(all) != 1 || all[0].Active || all[0].Deployment != "etl" {
		t.Errorf("got %+v", all)
	}
	if got := changed(apply(strings.Replace(nightly, "{", `{"active":true,`, 1))); got != "update schedules" {
		t.Errorf("active again: %s", got)
	}
	r.call(http.MethodPatch, path+"/schedules/hourly", `{"active":false}`).refused(http.StatusNotFound,
		"not-found")
	r.call(http.MethodPatch, path+"/schedules/nightly", `{}`).refused(http.StatusBadRequest, "invalid-body",
		"/active")
	r.call(http.MethodDelete, path, "").is(http.StatusOK)
	if all := read[api.ScheduleList](r.call(http.MethodGet, "/api/v1/schedules",
		"").is(http.StatusOK)).Items; len(all) != 0 {
		t.Errorf("after the deployment is gone: %+v", all)
	}
}

func TestApplyReportsAllScheduleErrorsAtOnce(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"etl","pool":"local","schedules":[
		{"cron":"61 * * * *","job_variables":{"date":"2026-01-01"}},
		{"name":"b","cron":"@daily","interval_seconds":5,"job_variables":{"date":"2026-01-01"}},
		{"name":"c","rrule":"FREQ=SOMETIMES","job_variables":{"date":"2026-01-01"}},
		{"name":"d","cron":"0 0 30 2 *","job_variables":{"date":"2026-01-01"}},
		{"name":"e","cron":"@hourly","timezone":"Mars/Base","job_variables":{"date":"2026-01-01"}},
		{"name":"f","cron":"@hourly","job_variables":{"date":"2026-01-01","memory":100000}},
		{"name":"f","cron":"@hourly"},
		{"name":"g","cron":"@hourly","active":false}]}]}`).
		refused(http.StatusUnprocessableEntity, "apply-invalid", "/deployments/0/schedules/0/cron",
			"/deployments/0/schedules/1/cron",
			"/deployments/0/schedules/2/rrule", "/deployments/0/schedules/3",
			"/deployments/0/schedules/4/timezone",
			"/deployments/0/schedules/5/job_variables/memory", "/deployments/0/schedules/6/name", "/deployments/0/schedules/6/job_variables/date")
	r.call(http.MethodGet, "/api/v1/deployments/etl", "").refused(http.StatusNotFound, "not-found")
	r.call(http.MethodPost, "/api/v1/schedules/preview",
		`{"schedule":{"cron":"* * * *"}}`).refused(http.StatusBadRequest, "invalid-body", "/schedule/cron")
	slots := read[api.SchedulePreview](r.call(
		http.MethodPost,
		"/api/v1/schedules/preview",
		`{"schedule":{"cron":"30 2 * * *","timezone":"Europe/Berlin"},"after":"2026-03-27T12:00:00Z","count":3}`,
	).is(http.StatusOK)).Next
	want := []string{"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z",
		"2026-03-30T00:30:00Z"} // the clock jumps over half past two on the 29th
	for i, slot := range slots {
		if got := slot.Format(time.RFC3339); got != want[i] {
			t.Errorf("slot %d is %s, want %s", i, got, want[i])
		}
	}
}

func TestRunSchemaHasDefaultsAndFrozenValues(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	r.deploy(
		"etl",
		`,"job_variables":{"date":"2026-01-01","memory":200},"parameters":{"day":"monday","full":true},"frozen":{"job_variables":["memory"],"parameters":["full"]}`,
	)
	schema := read[api.RunSchema](r.call(http.MethodGet, "/api/v1/deployments/etl/run-schema",
		"").is(http.StatusOK))
	variables := `{"additionalProperties":false,"properties":{"date":{"default":"2026-01-01","type":"string"},` +
		`"memory":{"const":200,"default":128,"maximum":256,"readOnly":true,"type":"integer"},"team":{"default":"data","type":"string"}},"type":"object"}`
	if string(schema.JobVariables) != variables {
		t.Errorf("job variables %s, want %s", schema.JobVariables, variables)
	}
	if want := `{"properties":{"day":{"default":"monday"},"full":{"const":true,"readOnly":true}},"type":"object"}`; string(
		schema.Parameters,
	) != want {
		t.Errorf("parameters %s, want %s", schema.Parameters, want)
	}
	r.call(http.MethodGet, "/api/v1/deployments/nobody/run-schema", "").refused(http.StatusNotFound,
		"not-found")
}

func TestScheduledRunIsCreated(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(
		http.MethodPost,
		"/api/v1/apply",
		`{"deployments":[{"name":"often","pool":"local","schedules":[{"interval_seconds":1}]}]}`,
	).is(http.StatusOK)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	w.finish(claim, 0, "")
	run := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+claim.RunID.String(),
		"").is(http.StatusOK)).Run
	if run.State.Type != api.COMPLETED || run.CreatedBy != "schedule:default" {
		t.Errorf("got %+v", run)
	}
}
