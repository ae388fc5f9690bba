package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// aText is a template with all that a rewritten document would lose: comments, order, quotes, and a block scalar.
const aText = `# the jobs of the data team
variables:
  type: object
  properties:
    memory_limit: {type: string, default: "64Mi", description: What a container may use}  # small
    image:
      type: string
      default: 'etl:1'
job_configuration:
  job_manifest:
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          containers:
          - name: job
            image: "{{ image }}"
            args:
            - |
              a block
                scalar
            resources:
              limits:
                memory: '{{ memory_limit }}'
`

func (r *running) saveText(text, comment string) answer {
	r.t.Helper()
	return r.call(http.MethodPut, templatePath, encode(r.t, api.TemplateSave{Source: text, Comment: comment})).is(http.StatusOK)
}

func (r *running) templateNow() api.TemplateVersion {
	r.t.Helper()
	return read[api.TemplateVersion](r.call(http.MethodGet, templatePath, "").is(http.StatusOK))
}

func TestT6ThePlainFormKeepsTheTextByteForByte(t *testing.T) {
	r := start(t, withoutKeys)
	r.saveText(aText, "the first")
	r.page("/pools/local/template").is(http.StatusOK).has("Template of local</h1>", "# the jobs of the data team", "version 2", ": the first",
		`name="version" value="2"`)
	changed := strings.Replace(aText, "64Mi", "65Mi", 1)
	r.sendForm("/pools/local/template", url.Values{
		"source": {strings.ReplaceAll(changed, "\n", "\r\n")}, "version": {"2"}, "comment": {"a little more"},
	}).is(http.StatusSeeOther)
	if now := r.templateNow(); now.Source != changed || now.Version != 3 || now.Comment != "a little more" {
		t.Errorf("version %d (%s):\n%s", now.Version, now.Comment, now.Source)
	}
	windows := strings.ReplaceAll(changed, "\n", "\r\n")
	r.saveText(windows, "")
	r.sendForm("/pools/local/template", url.Values{"source": {windows + "# end\r\n"}, "version": {"4"}}).is(http.StatusSeeOther)
	if now := r.templateNow(); now.Source != windows+"# end\r\n" {
		t.Errorf("line breaks of Windows have become %q", now.Source)
	}
}

func TestT7ThePlainFormOverwritesNothingAndLosesNothing(t *testing.T) {
	r := start(t, withoutKeys)
	r.saveText(aText, "")
	r.saveText(strings.Replace(aText, "64Mi", "65Mi", 1), "")
	mine := aText + "# mine\n"
	r.sendForm("/pools/local/template", url.Values{"source": {mine}, "version": {"2"}}).is(http.StatusPreconditionFailed).
		has("# mine", "You edit version 2; the newest is version 3", "template/diff?from=2&amp;to=3", `name="version" value="2"`)
	r.sendForm("/pools/local/template", url.Values{"source": {strings.Replace(aText, "{{ image }}", "{{ imgae }}", 1)}, "version": {"3"}}).
		is(http.StatusUnprocessableEntity).has("imgae", "did you mean")
	if now := r.templateNow(); now.Version != 3 {
		t.Errorf("version %d", now.Version)
	}
}

func TestT5ThePlainFormAsksBeforeItBreaksADeployment(t *testing.T) {
	r := start(t, withoutKeys)
	r.saveText(aText, "")
	r.deploy("big", `,"job_variables":{"memory_limit":"9Gi"}`)
	narrow := strings.Replace(aText, `{type: string, `, `{type: string, enum: [64Mi], `, 1)
	r.sendForm("/pools/local/template", url.Values{"source": {narrow}, "version": {"2"}}).is(http.StatusConflict).
		has(`name="break"`, "although deployments break")
	r.sendForm("/pools/local/template", url.Values{"source": {narrow}, "version": {"2"}, "break": {"on"}}).is(http.StatusSeeOther)
	r.page("/pools/local/template/rollback/2").is(http.StatusOK).has("saved again as version 4")
}

func TestT4VersionsAreListedComparedAndRolledBack(t *testing.T) {
	r := start(t, withoutKeys)
	r.saveText(aText, "the first")
	r.deploy("etl", "")
	r.deploy("fixed", `,"job_variables":{"memory_limit":"1Gi"}`)
	r.saveText(strings.Replace(aText, "64Mi", "65Mi", 1), "the second")
	r.page("/pools/local/template/versions").is(http.StatusOK).has("the first", "the second", "newest",
		"template/diff?from=2&amp;to=3", "template/rollback/2")
	r.page("/pools/local/template/versions/2").is(http.StatusOK).has("# the jobs of the data team", "64Mi", "Roll back…")
	r.page("/pools/local/template/diff?from=2&to=3").is(http.StatusOK).has(`<span class="removed">-    memory`, `<span class="added">&#43;    memory`, "65Mi",
		"2 deployments: 1 keep their Job, 1 get another Job, 0 can make none", "etl: changed")
	question := r.page("/pools/local/template/rollback/2").is(http.StatusOK).has("saved again as version 4", "1 get another Job")
	r.sendForm("/pools/local/template/rollback/2", url.Values{"etag": {question.hiddenField("etag")}, "comment": {"back"}}).
		is(http.StatusSeeOther)
	if now := r.templateNow(); now.Source != aText || now.Version != 4 || now.Comment != "back" {
		t.Errorf("version %d (%s):\n%s", now.Version, now.Comment, now.Source)
	}
	r.sendForm("/pools/local/template/rollback/2", url.Values{"etag": {`"3"`}}).is(http.StatusPreconditionFailed)
	r.page("/pools/local/template/versions/99").is(http.StatusNotFound)
	r.page("/pools/local/template/diff?from=x&to=2").is(http.StatusBadRequest)
}

func TestT11AViewerReadsTheTemplateAndCannotSaveIt(t *testing.T) {
	r := start(t)
	viewer := r.makeKey("me", api.RoleViewer)
	in := r.sendForm("/session", url.Values{"key": {viewer}}).is(http.StatusSeeOther)
	cookie, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")
	r.page("/pools/local/template", "Cookie", cookie).is(http.StatusOK).hasNot("<textarea", `id="save"`, "Save as").has("job_manifest")
	r.page("/pools/local/template/versions", "Cookie", cookie).is(http.StatusOK).hasNot("Roll back…")
	r.sendForm("/pools/local/template", url.Values{"source": {aText}, "version": {"1"}}, "Cookie", cookie).is(http.StatusForbidden)
}
