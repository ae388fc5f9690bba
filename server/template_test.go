package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

const templatePath = "/api/v1/work-pools/local/template"

// aTemplate takes a memory in MiB of at most a maximum.
func aTemplate(maximum int, memory string) string {
	return fmt.Sprintf(`{
		"variables": {"type":"object","required":["date"],"additionalProperties":false,
			"properties":{"memory":{"type":"integer","default":128,"maximum":%d},"date":{"type":"string"},"team":{"type":"string","default":"data"}}},
		"job_configuration": {"labels":{"team":"{{ team }}"},"job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":{"containers":[
			{"name":"job","image":"busybox:1.36","args":["{{ date }}"],"resources":{"limits":{"memory":"%s"}}}]}}}}}}`, maximum, memory)
}

func (r *running) saveTemplate(document, query string) answer {
	r.t.Helper()
	return r.call(http.MethodPut, templatePath+query, document)
}

// withTemplate starts a server whose pool has a template and three deployments: small, big (200 MiB) and
// dated.
func withTemplate(t *testing.T) *running {
	r := start(t)
	r.saveTemplate(aTemplate(256, "{{ memory }}Mi"), "").is(http.StatusOK)
	r.deploy("big", `,"job_variables":{"memory":200}`)
	r.deploy("dated", `,"job_variables":{"date":"2026-01-01"}`)
	r.deploy("small", "")
	return r
}

func TestPreviewIsTheJobOfARun(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	memory := func(body string) string {
		shown := read[api.TemplatePreview](r.call(http.MethodPost, templatePath+"/preview",
			body).is(http.StatusOK))
		var job struct {
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct {
							Resources struct{ Limits struct{ Memory string } }
						}
					}
				}
			}
		}
		if len(shown.Errors) > 0 {
			t.Fatalf("%s: %+v", body, shown.Errors)
		}
		if err := json.Unmarshal(shown.Job, &job); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(*shown.Yaml, "kind: Job\n") {
			t.Errorf("%s: no YAML: %s", body, *shown.Yaml)
		}
		return job.Spec.Template.Spec.Containers[0].Resources.Limits.Memory
	}
	for body, want := range map[string]string{
		`{}`: "128Mi", `{"deployment":"big"}`: "200Mi",
		`{"deployment":"big","job_variables":{"memory":50}}`:    "50Mi",
		`{"document":` + aTemplate(256, "{{ memory }}Gi") + `}`: "128Gi",
	} {
		if got := memory(body); got != want {
			t.Errorf("%s: memory %s, want %s", body, got, want)
		}
	}
	shown := read[api.TemplatePreview](r.call(http.MethodPost, templatePath+"/preview",
		`{}`).is(http.StatusOK))
	if !strings.Contains(string(shown.Invented), `"date"`) {
		t.Errorf("the invented date is not named: %s", shown.Invented)
	}
	for body, pointer := range map[string]string{
		`{"job_variables":{"memory":1000}}`:                   "/job_variables/memory",
		`{"document":{"job_configuration":{}}}`:               "/document/job_configuration/job_manifest",
		`{"deployment":"big","job_variables":{"memory":"x"}}`: "/job_variables/memory",
	} {
		shown := read[api.TemplatePreview](r.call(http.MethodPost, templatePath+"/preview",
			body).is(http.StatusOK))
		if len(shown.Errors) == 0 || shown.Errors[0].Pointer != pointer || shown.Job != nil {
			t.Errorf("%s: got %+v", body, shown)
		}
	}
	r.call(http.MethodPost, templatePath+"/preview", `{"deployment":"nobody"}`).refused(http.StatusNotFound,
		"not-found")
	r.call(http.MethodPost, templatePath+"/preview", `{"version":9}`).refused(http.StatusNotFound,
		"not-found")
	r.call(http.MethodPost, templatePath+"/preview",
		`{"version":1,"document":{}}`).refused(http.StatusBadRequest, "invalid-body", "/version")
}

func TestDiffOfTwoTemplates(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	body := `{"document":` + aTemplate(130, "{{ memory }}Mi") + `}`
	diff := read[api.TemplateDiff](r.call(http.MethodPost, templatePath+"/diff", body).is(http.StatusOK))
	if len(diff.Changes) != 1 || diff.Changes[0].Pointer != "/variables/properties/memory/maximum" ||
		string(diff.Changes[0].Before) != "256" ||
		string(diff.Changes[0].After) != "130" ||
		!strings.Contains(diff.Text, "-      maximum: 256\n+      maximum: 130\n") {
		t.Errorf("got %+v", diff)
	}
	if diff = read[api.TemplateDiff](r.call(http.MethodPost, templatePath+"/diff",
		`{"from_version":1,"to_version":2}`).is(http.StatusOK)); len(diff.Changes) == 0 {
		t.Error("two versions are the same")
	}
	r.call(http.MethodPost, templatePath+"/diff", `{}`).refused(http.StatusBadRequest, "invalid-body",
		"/document")
	r.call(http.MethodPost, templatePath+"/diff",
		`{"document":{"job_configuration":{}}}`).refused(http.StatusUnprocessableEntity, "template-invalid",
		"/document/job_configuration/job_manifest")
}

func TestImpactOfATemplateChange(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	body := `{"document":` + aTemplate(150, "{{ memory }}M") + `}`
	impact := read[api.TemplateImpact](r.call(http.MethodPost, templatePath+"/impact",
		body).is(http.StatusOK))
	want := api.TemplateImpactSummary{Deployments: 3, Changed: 2, Broken: 1, NewlyBroken: 1}
	if impact.Summary != want || len(impact.Items) != 3 {
		t.Fatalf("got %+v", impact)
	}
	if big := impact.Items[0]; big.Deployment != "big" || big.Verdict != "broken" ||
		big.Errors[0].Pointer != "/job_variables/memory" {
		t.Errorf("got %+v", big)
	}
	if dated := impact.Items[1]; dated.Deployment != "dated" || dated.Verdict != "changed" ||
		len(dated.Changes) != 1 || !strings.Contains(dated.Text, "128M\n") {
		t.Errorf("got %+v", dated)
	}
	var names []string
	for query := "?limit=1"; query != ""; {
		page := read[api.TemplateImpact](r.call(http.MethodPost, templatePath+"/impact"+query,
			body).is(http.StatusOK))
		if page.Summary != want || len(page.Items) != 1 ||
			len(page.Items[0].Errors)+len(page.Items[0].Changes) == 0 {
			t.Fatalf("page %s: %+v", query, page)
		}
		names, query = append(names, page.Items[0].Deployment), ""
		if page.NextCursor != nil {
			query = "?limit=1&cursor=" + *page.NextCursor
		}
	}
	if got := strings.Join(names, " "); got != "big dated small" {
		t.Errorf("pages hold %s", got)
	}
	r.call(http.MethodPost, templatePath+"/impact?cursor=x", body).refused(http.StatusBadRequest,
		"invalid-cursor")
}

func TestSavingATemplateReportsBrokenDeployments(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	tighter := aTemplate(150, "{{ memory }}Mi")
	refusal := r.saveTemplate(tighter, "?require_unbroken=true").refused(http.StatusConflict,
		"template-breaks-deployments", "")
	if !strings.Contains(*refusal.Detail, "big") {
		t.Errorf("it does not say what: %s", *refusal.Detail)
	}
	saved := read[api.TemplateVersion](r.saveTemplate(tighter, "").is(http.StatusOK))
	if saved.Version != 3 || saved.Impact.NewlyBroken != 1 || len(*saved.Warnings) != 1 ||
		!strings.Contains((*saved.Warnings)[0].Message, "big") {
		t.Errorf("got %+v", saved)
	}
	rolled := r.call(http.MethodPost, templatePath+"/rollback?require_unbroken=true",
		`{"version":2}`).is(http.StatusOK)
	back := read[api.TemplateVersion](rolled)
	if back.Version != 4 || back.Impact.Broken != 0 || rolled.header.Get("ETag") != `"4"` {
		t.Errorf("got %+v", back)
	}
	if again := read[api.TemplateVersion](r.call(http.MethodPost, templatePath+"/rollback",
		`{"version":2}`).is(http.StatusOK)); again.Version != 4 {
		t.Errorf("going back to what is there made version %d", again.Version)
	}
	r.call(http.MethodPost, templatePath+"/rollback", `{"version":77}`).refused(http.StatusNotFound,
		"not-found")
	stale := r.request(r.admin, http.MethodPost, templatePath+"/rollback", `{"version":3}`)
	stale.Header.Set("If-Match", `"3"`)
	r.send(stale).refused(http.StatusPreconditionFailed, "precondition-failed")
}

func TestUpdateWithAnOldETagIsRefused(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	const path = "/api/v1/deployments/big"
	tag := r.call(http.MethodGet, path, "").is(http.StatusOK).header.Get("ETag")
	with := func(method, body string) answer {
		request := r.request(r.admin, method, path, body)
		request.Header.Set("If-Match", tag)
		return r.send(request)
	}
	changed := with(http.MethodPatch, `{"paused":true}`).is(http.StatusOK)
	with(http.MethodPatch, `{"paused":false}`).refused(http.StatusPreconditionFailed, "precondition-failed")
	with(http.MethodDelete, "").refused(http.StatusPreconditionFailed, "precondition-failed")
	tag = changed.header.Get("ETag")
	with(http.MethodDelete, "").is(http.StatusOK)
}
