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
