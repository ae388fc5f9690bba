package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// imageless is a template that needs values to be a valid Job, and takes no image from anywhere else.
const imageless = `{"variables":{"type":"object","properties":{"image":{"type":"string"},"memory":{"type":"string"},
	"day":{"type":"string"}}},
	"job_configuration":{"job_manifest":{"spec":{"template":{
	"metadata":{"annotations":{"day":"{{ day }}"}},
	"spec":{"containers":[{"name":"job","image":"{{ image }}","resources":{"limits":{"memory":"{{ memory }}"}}}]}}}}}}`

func linesOf(findings []api.Finding) []string {
	said := make([]string, len(findings))
	for i, f := range findings {
		said[i] = f.Pointer + ": " + f.Message
	}
	return said
}

func has(findings []api.Finding, pointer, message string) bool {
	return slices.ContainsFunc(findings, func(f api.Finding) bool {
		return f.Pointer == pointer && strings.Contains(f.Message, message)
	})
}

func TestTheFinishedJobIsCheckedAtDeployScheduleAndRunCreation(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.saveTemplate(imageless, "").is(http.StatusOK)
	deploy := func(more string) answer {
		return r.apply(`{"dry_run":true,"deployments":[{"name":"d","pool":"local"` + more + `}]}`)
	}

	// Runs may give the image, so a deployment without one is only warned of. A value that no Job can have is refused.
	plan := read[api.ApplyResult](deploy("").is(http.StatusOK))
	if !has(plan.Warnings, "/deployments/0/job_variables/image", `container "job" needs an image`) ||
		plan.Broken == nil || !slices.Equal(*plan.Broken, []string{"d"}) {
		t.Errorf("without an image: %q, broken %v", linesOf(plan.Warnings), plan.Broken)
	}
	good := read[api.ApplyResult](deploy(`,"job_variables":{"image":"x:1","memory":"1Gi"}`).is(http.StatusOK))
	if len(good.Warnings) > 0 || good.Broken != nil {
		t.Errorf("a deployment that is right: %q, broken %v", linesOf(good.Warnings), good.Broken)
	}
	deploy(`,"job_variables":{"image":"x:1","memory":"12x"}`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/deployments/0/job_variables/memory")
	small := read[api.ApplyResult](deploy(`,"job_variables":{"image":"x:1","memory":"128m"}`).is(http.StatusOK))
	if !has(small.Warnings, "/deployments/0/job_variables/memory", "128") {
		t.Errorf("memory: 128m: %q", linesOf(small.Warnings))
	}

	// A schedule says all that its runs have.
	deploy(`,"schedules":[{"cron":"0 6 * * *"}]`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/deployments/0/schedules/0/job_variables/image")
	deploy(`,"schedules":[{"cron":"0 6 * * *","job_variables":{"image":"x:1"}}]`).is(http.StatusOK)

	r.deploy("d", "")
	const runs = "/api/v1/deployments/d/runs"
	r.call(http.MethodPost, runs, `{}`).refused(http.StatusUnprocessableEntity, "variables-invalid", "/job_variables/image")
	r.call(http.MethodPost, runs, `{"job_variables":{"image":"x:1","memory":"12x"}}`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/job_variables/memory")
	r.call(http.MethodPost, runs+"/bulk", `{"runs":[{"job_variables":{"image":"x:1"}},{}]}`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/runs/1/job_variables/image")
	r.call(http.MethodPost, runs, `{"job_variables":{"image":"x:1"}}`).is(http.StatusCreated)
}

func TestAWorkersOwnValuesAreLeftToTheWorker(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.saveTemplate(`{"template_env":["REGISTRY"],"job_configuration":{"job_manifest":{"spec":{"template":{
		"spec":{"containers":[{"name":"job","image":"{{ $REGISTRY }}/job:1"}]}}}}}}`, "").is(http.StatusOK)
	r.deploy("d", `,"schedules":[{"cron":"0 6 * * *"}]`)
	r.startRun("d", `{}`)
}

func TestAnUnknownJobVariableIsWarnedOfEverywhere(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.saveTemplate(imageless, "").is(http.StatusOK)
	const unknown = "does not declare a variable"
	good := `,"job_variables":{"image":"x:1"}`
	plan := read[api.ApplyResult](r.apply(`{"deployments":[{"name":"d","pool":"local"` + good +
		`,"schedules":[{"cron":"0 6 * * *","job_variables":{"imgae":"y:1"}}]},
		{"name":"e","pool":"local","job_variables":{"image":"x:1","memroy":"1Gi"}}]}`).is(http.StatusOK))
	if got := linesOf(plan.Warnings); len(got) != 2 ||
		!has(plan.Warnings, "/deployments/0/schedules/0/job_variables/imgae", unknown) ||
		!has(plan.Warnings, "/deployments/1/job_variables/memroy", unknown) {
		t.Errorf("deploy: %q", got)
	}
	run := r.startRun("d", `{"job_variables":{"memroy":"1Gi"}}`)
	if run.Warnings == nil || !has(*run.Warnings, "/job_variables/memroy", unknown) {
		t.Errorf("run: %v", run.Warnings)
	}
	created := read[api.RunsCreated](r.call(http.MethodPost, "/api/v1/deployments/d/runs/bulk",
		`{"runs":[{},{"job_variables":{"memroy":"1Gi"}},{"job_variables":{"imgae":"x"}}]}`).is(http.StatusOK))
	if created.Warnings == nil || !has(*created.Warnings, "/runs/1/job_variables/memroy", unknown) ||
		!has(*created.Warnings, "/runs/2/job_variables/imgae", unknown) {
		t.Errorf("bulk: %v", created.Warnings)
	}
	shown := read[api.TemplatePreview](r.call(http.MethodPost, templatePath+"/preview",
		`{"deployment":"d","job_variables":{"memroy":"1Gi"}}`).is(http.StatusOK))
	if !has(shown.Warnings, "/job_variables/memroy", unknown) || len(shown.Errors) > 0 {
		t.Errorf("preview: %q, errors %q", linesOf(shown.Warnings), linesOf(shown.Errors))
	}
}

// TestADryRunNamesTheDeploymentsThatItsTemplateBreaks: also deployments that are not in the file.
func TestADryRunNamesTheDeploymentsThatItsTemplateBreaks(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	body := func(maximum int) string {
		return `{"dry_run":true,"pools":[{"name":"local","base_job_template":` + aTemplate(maximum, "{{ memory }}Mi") + `}]}`
	}
	plan := read[api.ApplyResult](r.apply(body(128)).is(http.StatusOK))
	if plan.Broken == nil || !slices.Equal(*plan.Broken, []string{"big"}) ||
		!has(plan.Warnings, "/pools/0/base_job_template", "1 of 3 deployments do not fit this template: big") {
		t.Errorf("broken %v, %q", plan.Broken, linesOf(plan.Warnings))
	}
	if plan := read[api.ApplyResult](r.apply(body(512)).is(http.StatusOK)); plan.Broken != nil {
		t.Errorf("broken %v by a template that takes all of them", *plan.Broken)
	}
}

func TestFormatsInTheSchemaOfParametersAreChecked(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("d", `,"parameter_schema":{"properties":{"day":{"type":"string","format":"date"},"id":{"format":"uuid"},
		"other":{"format":"no-format-that-is-known"}}}`)
	r.startRun("d", `{"parameters":{"day":"2026-02-28","id":"0197b8f0-1234-7abc-9def-0123456789ab","other":"x"}}`)
	r.call(http.MethodPost, "/api/v1/deployments/d/runs", `{"parameters":{"day":"2026-02-30"}}`).
		refused(http.StatusUnprocessableEntity, "parameters-invalid", "/parameters/day")
	r.call(http.MethodPost, "/api/v1/deployments/d/runs", `{"parameters":{"id":"x"}}`).
		refused(http.StatusUnprocessableEntity, "parameters-invalid", "/parameters/id")
	r.apply(`{"deployments":[{"name":"d","pool":"local","parameters":{"day":"soon"},
		"parameter_schema":{"properties":{"day":{"format":"date"}}}}]}`).
		refused(http.StatusUnprocessableEntity, "parameters-invalid", "/deployments/0/parameters/day")
}

func TestAClaimCarriesTheTimeZoneOfItsSchedule(t *testing.T) {
	t.Parallel()
	r := start(t)
	large := strings.Repeat("x", 9000) // is read apart from the others
	r.deploy("often", `,"schedules":[{"interval_seconds":1,"timezone":"Europe/Berlin","parameters":{"a":"`+large+`"}}]`)
	w := r.newWorker("w1")
	if claim := w.claimOne(); claim.Timezone == nil || *claim.Timezone != "Europe/Berlin" {
		t.Errorf("got %v", claim.Timezone)
	}
	r.deploy("often", `,"schedules":[{"interval_seconds":1,"timezone":"Asia/Tokyo"}]`)
	for range 20 { // earlier runs come first
		if claim := w.claimOne(); claim.Timezone != nil && *claim.Timezone == "Asia/Tokyo" {
			return
		}
	}
	t.Error("no run has the new time zone")
}

func TestReferencesToTheRunInParametersAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.apply(`{"deployments":[{"name":"d","pool":"local","parameters":{"days":["{{ ctx.run.date }}"]}}]}`).
		refused(http.StatusUnprocessableEntity, "parameters-invalid", "/deployments/0/parameters/days/0")
	r.apply(`{"deployments":[{"name":"d","pool":"local","schedules":[{"cron":"@daily","parameters":{"day":"{{ ctx.run.scheduled_time }}"}}]}]}`).
		refused(http.StatusUnprocessableEntity, "parameters-invalid", "/deployments/0/schedules/0/parameters/day")
	r.deploy("d", `,"parameters":{"text":"{{ name }} and {{ other }}"}`)
	if run := r.startRun("d", `{}`); string(run.Parameters) != `{"text":"{{ name }} and {{ other }}"}` {
		t.Errorf("got %s", run.Parameters)
	}
}

func TestAWorkerThatSaysGoodbyeIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("d", "")
	run := r.startRun("d", `{}`)
	w := r.newWorker("w1")
	workers := func() int {
		return len(read[api.WorkerList](r.call(http.MethodGet, "/api/v1/workers", "").is(http.StatusOK)).Items)
	}
	if n := workers(); n != 1 {
		t.Fatalf("%d workers", n)
	}
	stops := true
	tell[api.RenewResponse](r, "leases", api.RenewRequest{
		Worker: w.name, Pool: w.pool, SessionID: w.session(), Leases: []api.AttemptLease{}, Partial: &stops, Goodbye: &stops,
	})
	if why := r.why(run.ID); workers() != 0 || !strings.Contains(why.Sentence, "has no live worker") {
		t.Errorf("%d workers, and %q", workers(), why.Sentence)
	}
	r.newWorker("w1")
	if n := workers(); n != 1 {
		t.Errorf("%d workers once it is back", n)
	}
}
