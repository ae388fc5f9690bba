package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
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
	return r.call(http.MethodPut, templatePath+query, asSave(document))
}

// asSave is the body that saves a template as a document.
func asSave(document string) string { return `{"document":` + document + `}` }

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
		"/to_version")
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

// written is a template as people write one: comments, quotes, anchors, a block text.
const written = "# the team's own\r\nvariables: {type: object, properties: {memory: {type: string, default: \"512Mi\"}}} # not 'integer'\n" +
	"x-limits: &limits {memory: \"{{ memory }}\"}\n\n" + `job_configuration:
  job_manifest: {apiVersion: 'batch/v1', kind: "Job", spec: {template: {spec: {containers: [
    {name: job, image: busybox, args: [yes, '1.50'], resources: {limits: *limits}}]}}}}   ` + "\n"

func TestTheTextOfATemplateComesBackByteForByte(t *testing.T) {
	t.Parallel()
	r := start(t)
	get := func(query string) api.TemplateVersion {
		return read[api.TemplateVersion](r.call(http.MethodGet, templatePath+query, "").is(http.StatusOK))
	}
	save := func(source, comment string) api.TemplateVersion {
		body := encode(t, api.TemplateSave{Source: source, Comment: comment})
		return read[api.TemplateVersion](r.call(http.MethodPut, templatePath, body).is(http.StatusOK))
	}

	if first := get(""); !strings.HasPrefix(first.Source, "# The base job template of a new") {
		t.Errorf("the default template has lost its comments: %.80q", first.Source)
	}
	saved := save(written, "as we write")
	if saved.Version != 2 || saved.Source != written || get("").Source != written || get("").Comment != "as we write" {
		t.Errorf("version %d, %q: %q", saved.Version, get("").Comment, get("").Source)
	}
	if again := save(written, "again"); again.Version != 2 || again.Comment != "as we write" {
		t.Errorf("the same text has made version %d", again.Version)
	}

	// The same document with another comment is another version, for the file would not come back otherwise.
	other := "# one more line\n" + written
	if v := save(other, ""); v.Version != 3 || v.Source != other || encode(t, v.Document) != encode(t, saved.Document) {
		t.Errorf("version %d: %q", v.Version, v.Source)
	}
	// A program that sends the document alone does not take the text away.
	body := encode(t, api.TemplateSave{Document: saved.Document})
	if v := read[api.TemplateVersion](r.call(http.MethodPut, templatePath, body).is(http.StatusOK)); v.Version != 3 || v.Source != other {
		t.Errorf("version %d: %q", v.Version, v.Source)
	}
	body = encode(t, api.TemplateSave{Document: json.RawMessage(process)})
	if v := read[api.TemplateVersion](r.call(http.MethodPut, templatePath, body).is(http.StatusOK)); v.Version != 4 ||
		!strings.HasPrefix(v.Source, "job_configuration:\n") {
		t.Errorf("version %d of a document reads %q", v.Version, v.Source)
	}
	back := read[api.TemplateVersion](r.call(http.MethodPost, templatePath+"/rollback", `{"version":2}`).is(http.StatusOK))
	if back.Version != 5 || back.Source != written || back.Comment != "Roll back to version 2" {
		t.Errorf("the rollback is version %d, %q: %q", back.Version, back.Comment, back.Source)
	}

	diff := read[api.TemplateDiff](r.call(http.MethodPost, templatePath+"/diff", `{"from_version":2,"to_version":3}`).is(http.StatusOK))
	if len(diff.Changes) != 0 || !strings.Contains(diff.Text, "\n+# one more line\n") {
		t.Errorf("%d changes: %s", len(diff.Changes), diff.Text)
	}
	list := read[api.TemplateVersionList](r.call(http.MethodGet, templatePath+"/versions", "").is(http.StatusOK))
	if len(list.Items) != 5 || list.Items[3].Comment != "as we write" || list.Items[3].Source != "" {
		t.Errorf("the list is %s", encode(t, list))
	}
}

func TestADeployKeepsTheTextOfATemplate(t *testing.T) {
	t.Parallel()
	r := start(t)
	apply := func(source string) api.ApplyResult {
		body := encode(t, map[string]any{"pools": []any{map[string]any{"name": "local", "base_job_template_source": source}}})
		return read[api.ApplyResult](r.call(http.MethodPost, "/api/v1/apply", body).is(http.StatusOK))
	}
	apply(written)
	if again := apply(written); again.Changes[0].Action != api.Unchanged {
		t.Errorf("the same text changes something: %s", encode(t, again))
	}
	changed := apply(written + "# more\n").Changes[0]
	if changed.Action != api.Update || !slices.Equal(*changed.Fields, []string{"base_job_template_source"}) {
		t.Errorf("a comment changes %s", encode(t, changed))
	}
	if v := read[api.TemplateVersion](r.call(http.MethodGet, templatePath, "")); v.Version != 3 || v.Source != written+"# more\n" {
		t.Errorf("version %d: %q", v.Version, v.Source)
	}
}

func TestATextThatIsNoTemplateIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, test := range []struct {
		name, source string
		place        string // line:column:length; empty: none
	}{
		{"no YAML", "a: [\n", "1:1:1"},
		{"a tab", "a:\n\tb: 1\n", "2:1:1"},
		{"a key that comes twice", "job_configuration: {}\njob_configuration: {}\n", "2:1:1"},
		{"an unknown key", "job_configuration: {}\nvariabels: {}\n", "2:1:9"},
		{"a variable that is not declared", strings.Replace(written, "{{ memory }}", "{{ memroy }}", 1), "3:29:12"},
		{"one in a manifest that is a text", "job_configuration:\n  job_manifest: |\n    kind: Job\n    x: '{{ nothing }}'\n", "4:12:7"},
		{"a text that stands for gigabytes", billion(), "1:5:1"},
		{"many values", "a: [" + strings.Repeat("1,", 250_000) + "1]", ""},
		{"many keys", "{" + strings.Repeat("a", 500_000) + ": 1}", "1:1:1"},
		{"a NUL", "a: \x00", "1:1:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := encode(t, api.TemplateSave{Source: test.source})
			refusal := r.call(http.MethodPut, templatePath, body).refused(http.StatusUnprocessableEntity, "template-invalid")
			got := ""
			if p := (*refusal.Errors)[0].Place; p != nil {
				got = fmt.Sprintf("%d:%d:%d", p.Line, p.Column, p.Length)
			}
			if got != test.place {
				t.Errorf("the place is %q, want %q: %s", got, test.place, encode(t, refusal.Errors))
			}
		})
	}
	r.call(http.MethodPut, templatePath, `{}`).refused(http.StatusBadRequest, "invalid-body")
	r.call(http.MethodPut, templatePath, `{"source":"a: 1","document":{}}`).refused(http.StatusBadRequest, "invalid-body")
	if v := read[api.TemplateVersion](r.call(http.MethodGet, templatePath, "")); v.Version != 1 {
		t.Errorf("a refused text is version %d", v.Version)
	}
}

// billion is a text of a kilobyte that stands for ten to the tenth texts of a kilobyte.
func billion() string {
	text := "x0: &x0 " + strings.Repeat("a", 1000) + "\n"
	for i := 1; i <= 10; i++ {
		text += fmt.Sprintf("x%d: &x%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 10), ", "))
	}
	return text
}

func TestACheckSaysWhatAnEditorShows(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	check := func(c api.TemplateCheck) api.TemplateChecked {
		return read[api.TemplateChecked](r.call(http.MethodPost, templatePath+"/check", encode(t, c)).is(http.StatusOK))
	}
	source := strings.ReplaceAll(aTemplate(256, "{{ memory }}Mi"), "\t", "  ")

	good := check(api.TemplateCheck{Source: source, Deployment: "dated"})
	if len(good.Errors) != 0 || good.Yaml == nil || !strings.Contains(*good.Yaml, "2026-01-01") || good.Version != 2 ||
		good.Impact == nil || good.Impact.Deployments != 3 || good.Impact.Unchanged != 3 || len(good.Document) == 0 {
		t.Errorf("of the template itself: %s", encode(t, good))
	}
	none := false
	if quick := check(api.TemplateCheck{Source: source, Impact: &none}); quick.Impact != nil || quick.Job == nil {
		t.Errorf("without impact: %s", encode(t, quick))
	}

	narrow := check(api.TemplateCheck{Source: strings.Replace(source, `"maximum":256`, `"maximum":150`, 1), Deployment: "big"})
	if len(narrow.Errors) != 1 || narrow.Errors[0].Pointer != "/job_variables/memory" || narrow.Errors[0].Place != nil || narrow.Job != nil {
		t.Errorf("of a deployment that does not fit: %s", encode(t, narrow))
	}
	if narrow.Impact.NewlyBroken != 1 || (*narrow.Breaks)[0].Deployment != "big" || (*narrow.Breaks)[0].Reason == "" {
		t.Errorf("the impact is %s", encode(t, narrow.Impact))
	}

	wrong := check(api.TemplateCheck{Source: strings.Replace(strings.Replace(source, "{{ date }}", "{{ dat }}", 1), `"image":`, `"imgae":`, 1)})
	if len(wrong.Errors) < 2 || wrong.Job != nil || wrong.Impact != nil {
		t.Fatalf("of two mistakes: %s", encode(t, wrong))
	}
	for _, e := range wrong.Errors {
		if e.Place == nil || e.Place.Line < 4 {
			t.Errorf("no place: %s", encode(t, e))
		}
	}

	r.call(http.MethodPost, templatePath+"/check", encode(t, api.TemplateCheck{Source: source, Deployment: "nobody"})).
		refused(http.StatusNotFound, "not-found")
	if v := read[api.TemplateVersion](r.call(http.MethodGet, templatePath, "")); v.Version != 2 {
		t.Errorf("a check has saved version %d", v.Version)
	}
}

func TestPreviewSaysAllErrorsAtOnce(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	r.deploy("typed", `,"parameter_schema":{"properties":{"day":{"type":"string"}}}`)
	shown := read[api.TemplatePreview](r.call(http.MethodPost, templatePath+"/preview",
		`{"deployment":"typed","parameters":{"day":1},"job_variables":{"memory":999,"teem":"x"}}`).is(http.StatusOK))
	var places []string
	for _, e := range shown.Errors {
		places = append(places, e.Pointer)
	}
	for _, want := range []string{"/parameters/day", "/job_variables/memory", "/job_variables/teem"} {
		if !slices.Contains(places, want) {
			t.Errorf("nothing is said of %s: %s", want, encode(t, shown.Errors))
		}
	}
}

func TestPreviewHasTheVersionOfItsTemplate(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	document := aTemplate(128, "{{ memory }}Mi")
	for body, want := range map[string]string{
		`{"deployment":"dated"}`: "2", `{"deployment":"dated","version":2}`: "2",
		`{"deployment":"dated","document":` + document + `}`: "3",
	} {
		shown := read[api.TemplatePreview](r.call(http.MethodPost, templatePath+"/preview", body).is(http.StatusOK))
		if text := `"berth.dev/template-version":"` + want + `"`; !strings.Contains(string(shown.Job), text) {
			t.Errorf("%s: no %s in %s %s", body, text, shown.Job, encode(t, shown.Errors))
		}
	}
}

// TestAFieldThatOnlySomeRunsHaveIsRefusedBeforeTheTemplateIsSaved: no deployment sets the variable, and every run that
// does would fail.
func TestAFieldThatOnlySomeRunsHaveIsRefusedBeforeTheTemplateIsSaved(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	document := strings.NewReplacer(`"team":{"type":"string"`, `"dir":{"type":"string"},"team":{"type":"string"`,
		`"args":`, `"workingDirr":"{{ dir }}","args":`).Replace(aTemplate(256, "{{ memory }}Mi"))
	const place = "/job_configuration/job_manifest/spec/template/spec/containers/0/workingDirr"
	report := read[api.LintReport](r.call(http.MethodPost, templatePath+"/lint", document).is(http.StatusOK))
	if len(report.Errors) != 1 || report.Errors[0].Pointer != place ||
		report.Errors[0].Suggestion == nil || *report.Errors[0].Suggestion != `did you mean "workingDir"?` {
		t.Errorf("lint says %s", encode(t, report.Errors))
	}
	r.call(http.MethodPost, templatePath+"/impact", `{"document":`+document+`}`).
		refused(http.StatusUnprocessableEntity, "template-invalid", "/document"+place)
	r.saveTemplate(document, "").refused(http.StatusUnprocessableEntity, "template-invalid", place)
}

func TestACheckOfATextThatIsNoObjectHasNoDocument(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	for _, source := range []string{"0", "[]", "text", "null", "'{}'"} {
		body := encode(t, api.TemplateCheck{Source: source})
		checked := read[api.TemplateChecked](r.call(http.MethodPost, templatePath+"/check", body).is(http.StatusOK))
		if len(checked.Document) != 0 || len(checked.Errors) == 0 {
			t.Errorf("%s: %s", source, encode(t, checked))
		}
	}
}
