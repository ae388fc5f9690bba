package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

const openTemplate = `{"variables":{"type":"object","properties":{"env":{"type":"object"}}},
	"job_configuration":{"env":"{{ env }}","job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{
	"spec":{"containers":[{"name":"job","image":"busybox:1.36"}]}}}}}}`

func startProtected(t *testing.T) *running {
	t.Helper()
	protected, err := reference.ParseProtected([]string{"secret/berth-keys"})
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(o *server.Options) { o.Protected = protected })
	r.call(http.MethodPost, "/api/v1/work-pools",
		`{"name":"open","type":"kubernetes","base_job_template":`+openTemplate+`}`).is(http.StatusCreated)
	return r
}

func (r *running) previewEnv(env string) string {
	r.t.Helper()
	return string(r.call(http.MethodPost, "/api/v1/work-pools/open/template/preview",
		`{"job_variables":{"env":`+env+`}}`).is(http.StatusOK).body)
}

func TestAReferenceOfAJobVariableMustBeOnTheListOfThePool(t *testing.T) {
	t.Parallel()
	r := startProtected(t)
	const db = `{"X":{"valueFrom":{"secretKeyRef":{"name":"db","key":"url"}}}}`
	if got := r.previewEnv(db); !strings.Contains(got, "work pool \\\"open\\\" does not allow it") {
		t.Errorf("a Secret that is not on the list is previewed: %s", got)
	}
	changed := string(r.call(http.MethodPatch, "/api/v1/work-pools/open",
		`{"references":{"secrets":[{"name":"db","keys":["url"]},{"name":"berth-keys"}]}}`).is(http.StatusOK).body)
	if !strings.Contains(changed, `"keys":["url"]`) {
		t.Errorf("the pool is %s", changed)
	}
	if got := r.previewEnv(db); strings.Contains(got, "does not allow it") {
		t.Errorf("a Secret on the list is refused: %s", got)
	}
	const keys = `{"X":{"valueFrom":{"secretKeyRef":{"name":"berth-keys","key":"admin"}}}}`
	if got := r.previewEnv(keys); !strings.Contains(got, "belongs to this installation") {
		t.Errorf("the keys are within reach: %s", got)
	}
	audit := string(r.call(http.MethodGet, "/api/v1/audit", "").is(http.StatusOK).body)
	if !strings.Contains(audit, "references") || !strings.Contains(audit, "can name any Secret") {
		t.Errorf("the audit names neither the list nor the variable: %s", audit)
	}
}

func TestAnEntryThatCanNameNothingIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	r := startProtected(t)
	for body, pointer := range map[string]string{
		`{"secrets":[{"name":"a"},{"name":"Not A Name"}]}`:    "/references/secrets/1/name",
		`{"config_maps":[{"name":"a","keys":["k","a key"]}]}`: "/references/config_maps/0/keys/1",
		`{"service_accounts":["*"]}`:                          "/references/service_accounts/0",
	} {
		got := r.call(http.MethodPatch, "/api/v1/work-pools/open", `{"references":`+body+`}`)
		if !strings.Contains(string(got.is(http.StatusBadRequest).body), pointer) {
			t.Errorf("%s: %s", body, got.body)
		}
	}
}

// Every form in which a template passes a variable on is named at save, in preview and in the audit.
func TestSavePreviewAndAuditNameTheVariablesThatReachSecrets(t *testing.T) {
	t.Parallel()
	r := start(t)
	pod := func(spec string) string {
		return `"job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":` + spec + `}}}`
	}
	const job = `"containers":[{"name":"job","image":"busybox:1.36"}]`
	container := func(more string) string {
		return pod(`{"containers":[{"name":"job","image":"busybox:1.36",` + more + `}]}`)
	}
	for name, test := range map[string]struct{ kind, configuration string }{
		"map":         {"object", `"env":"{{ v }}",` + pod(`{`+job+`}`)},
		"list":        {"array", container(`"env":"{{ v }}"`)},
		"dotted":      {"object", container(`"envFrom":[{"secretRef":{"name":"{{ v.name }}"}}]`)},
		"nested":      {"object", container(`"env":["{{ v }}"]`)},
		"envFrom":     {"array", container(`"envFrom":"{{ v }}"`)},
		"projected":   {"array", pod(`{` + job + `,"volumes":[{"name":"x","projected":{"sources":"{{ v }}"}}]}`)},
		"pullSecrets": {"array", pod(`{` + job + `,"imagePullSecrets":"{{ v }}"}`)},
		"csi": {"string", pod(`{` + job + `,"volumes":[{"name":"x","csi":{"driver":"d",` +
			`"nodePublishSecretRef":{"name":"{{ v }}"}}}]}`)},
		"text": {"array", `"job_manifest":"apiVersion: batch/v1\nkind: Job\nspec:\n  template:\n    spec:\n` +
			`      containers:\n      - name: job\n        image: busybox\n        env: {{ toJson .v }}\n"`},
	} {
		t.Run(name, func(t *testing.T) {
			document := `{"variables":{"properties":{"v":{"type":"` + test.kind + `"}}},` +
				`"job_configuration":{"namespace":"jobs",` + test.configuration + `}}`
			const want = `variable \"v\" can name any Secret of namespace \"jobs\"`
			saved := r.saveTemplate(document, "").is(http.StatusOK)
			shown := r.call(http.MethodPost, templatePath+"/preview", `{}`).is(http.StatusOK)
			unsaved := r.call(http.MethodPost, templatePath+"/preview", `{"document":`+document+`}`).is(http.StatusOK)
			audit := r.call(http.MethodGet, "/api/v1/audit?limit=1&kind=template", "").is(http.StatusOK)
			for where, answer := range map[string]answer{
				"save": saved, "preview": shown, "preview of a document": unsaved, "audit": audit,
			} {
				if !strings.Contains(string(answer.body), want) {
					t.Errorf("%s does not name the variable: %s", where, answer.body)
				}
			}
		})
	}
}

func TestAnAnnotationOfAJobVariableMustBeOnTheListOfThePool(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.saveTemplate(`{"variables":{"properties":{"annotations":{"type":"object"}}},"job_configuration":{
		"annotations":"{{ annotations }}","job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{
		"spec":{"containers":[{"name":"job","image":"busybox:1.36"}]}}}}}}`, "").is(http.StatusOK)
	r.deploy("etl", "")
	const inject = `{"job_variables":{"annotations":{"vault.hashicorp.com/agent-inject":"true"}}}`
	refused := r.call(http.MethodPost, "/api/v1/deployments/etl/runs", inject).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/job_variables")
	if f := (*refused.Errors)[0]; !strings.Contains(f.Message, `annotation "vault.hashicorp.com/agent-inject" comes `+
		`from a job variable`) || !strings.Contains(*f.Suggestion, "--metadata-key vault.hashicorp.com/agent-inject") {
		t.Errorf("got %+v", f)
	}
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"references":{"metadata_keys":["vault"]}}`).
		refused(http.StatusBadRequest, "invalid-body", "/references/metadata_keys/0")
	r.allow(`{"metadata_keys":["vault.hashicorp.com/*"]}`)
	r.startRun("etl", inject)
	w := r.newWorker("w")
	if claim := w.claimOne(); len(*claim.References.MetadataKeys) != 1 {
		t.Errorf("the worker is told %+v", claim.References)
	}
}
