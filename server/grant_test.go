package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
)

func TestNoKeyGrantsARoleOrAPoolThatItDoesNotHave(t *testing.T) {
	t.Parallel()
	r := teams(t)
	tests := []struct {
		name    string
		holder  []string
		granted []string
		allowed bool
	}{
		{"an admin of all pools grants admin in all", []string{"admin"}, []string{"admin"}, true},
		{"an admin of a pool grants admin there", []string{"admin:a"}, []string{"admin:a"}, true},
		{"an admin of a pool grants worker there", []string{"admin:a"}, []string{"worker:a"}, true},
		{"an admin of two pools grants both", []string{"admin:a", "admin:b"}, []string{"viewer:a", "editor:b"}, true},
		{"an admin of a pool grants viewer in another", []string{"admin:a"}, []string{"viewer:b"}, false},
		{"an admin of a pool grants viewer in a pool that does not exist", []string{"admin:a"},
			[]string{"viewer:nowhere"}, false},
		{"an admin of a pool grants viewer in all", []string{"admin:a"}, []string{"viewer"}, false},
		{"an admin of a pool hides another pool in a list", []string{"admin:a"}, []string{"viewer:a", "viewer:b"}, false},
		{"an admin of a pool grants worker in all", []string{"admin:a"}, []string{"worker"}, false},
		{"an admin of a pool who edits another grants viewer there", []string{"admin:a", "editor:b"},
			[]string{"viewer:b"}, false},
		{"an admin of a pool who edits all grants editor in all", []string{"admin:a", "editor"},
			[]string{"editor"}, false},
		{"an editor grants viewer", []string{"editor"}, []string{"viewer:a"}, false},
		{"a worker grants worker", []string{"worker"}, []string{"worker:a"}, false},
	}
	for i, test := range tests {
		key := r.makeKeyWith(fmt.Sprint("holder ", i), bindings(test.holder...)...)
		body := encode(t, api.APIKeyCreate{Name: fmt.Sprint("granted ", i), Bindings: bindings(test.granted...)})
		a := r.send(r.request(key, http.MethodPost, "/api/v1/api-keys", body))
		a.what = test.name
		if test.allowed {
			a.is(http.StatusCreated)
			continue
		}
		a.refused(http.StatusForbidden, "forbidden")
	}
	for _, body := range []string{
		`{"name":"x","bindings":[]}`, `{"name":"x"}`, `{"name":"x","bindings":[{"role":"viewer"}]}`,
		`{"name":"x","bindings":[{"role":"job","pool":"a"}]}`, `{"name":"x","bindings":[{"role":"owner","pool":"a"}]}`,
		`{"name":"x","bindings":[{"role":"admin","pool":"**"}]}`, `{"name":"x","bindings":[{"role":"admin","pool":""}]}`,
		`{"name":"x","bindings":[{"role":"admin","pool":null}]}`, `{"name":"x","role":"admin"}`,
	} {
		r.call(http.MethodPost, "/api/v1/api-keys", body).refused(http.StatusBadRequest, "invalid-body")
	}
	// A pool cannot be named so that it means all.
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"*","type":"process"}`).
		refused(http.StatusBadRequest, "invalid-body")
}

func TestAdminOfAPoolSeesAndRevokesKeysOfItsPoolOnly(t *testing.T) {
	t.Parallel()
	r := teams(t)
	admin := r.makeKeyWith("boss of a", bindings("admin:a")...)
	r.makeKeyWith("in a", bindings("viewer:a")...)
	r.makeKeyWith("in b", bindings("viewer:b")...)
	r.makeKeyWith("in both", bindings("operator:a", "viewer:b")...)

	var shown []string
	for _, key := range read[api.APIKeyList](r.send(r.request(admin, http.MethodGet, "/api/v1/api-keys",
		"")).is(http.StatusOK)).Items {
		for _, b := range key.Bindings {
			shown = append(shown, fmt.Sprintf("%s=%s:%s", key.Name, b.Role, b.Pool))
		}
	}
	want := "bootstrap-admin=admin:* bootstrap-worker=worker:* boss of a=admin:a in a=viewer:a in both=operator:a"
	if got := strings.Join(shown, " "); got != want {
		t.Errorf("it sees\n%s\nwant\n%s", got, want)
	}

	revoke := func(name string) answer {
		return r.send(r.request(admin, http.MethodDelete,
			"/api/v1/api-keys/"+strings.ReplaceAll(name, " ", "%20"), ""))
	}
	hidden := revoke("in b").refused(http.StatusNotFound, "not-found")
	missing := revoke("in c").refused(http.StatusNotFound, "not-found")
	if strings.ReplaceAll(*hidden.Detail, "in b", "") != strings.ReplaceAll(*missing.Detail, "in c", "") {
		t.Errorf("a hidden key is told from a missing one: %s and %s", *hidden.Detail, *missing.Detail)
	}
	revoke("in both").refused(http.StatusForbidden, "forbidden")
	revoke("bootstrap-admin").refused(http.StatusForbidden, "forbidden")
	revoke("in a").is(http.StatusNoContent)
	for _, name := range []string{"in b", "in both", "bootstrap-worker"} {
		r.call(http.MethodDelete, "/api/v1/api-keys/"+strings.ReplaceAll(name, " ", "%20"),
			"").is(http.StatusNoContent) // it was still valid
	}
}

func TestKeyWithDifferentRolesGetsEachInItsPool(t *testing.T) {
	t.Parallel()
	r := teams(t)
	r.call(http.MethodPost, "/api/v1/apply", `{"pools":[{"name":"c","type":"process"}],
		"deployments":[{"name":"in-c","pool":"c"}]}`).is(http.StatusOK)
	inA, inB := r.startRun("in-a", `{}`), r.startRun("in-b", `{}`)
	r.startRun("in-c", `{}`)
	key := r.makeKeyWith("mixed", bindings("operator:a", "viewer:b", "worker:c")...)
	as := func(method, path, body string) answer {
		return r.send(r.request(key, method, "/api/v1/"+path, body))
	}

	var pools []string
	for _, run := range read[api.RunList](as("GET", "runs", "").is(http.StatusOK)).Items {
		pools = append(pools, run.Pool)
	}
	if got := strings.Join(pools, ""); got != "ab" && got != "ba" {
		t.Errorf("it lists runs of %v; a worker's role lists nothing", pools)
	}
	as("GET", "runs?pool=b", "").is(http.StatusOK)
	as("GET", "runs?pool=c", "").refused(http.StatusForbidden, "forbidden")
	as("POST", "deployments/in-b/runs", `{}`).refused(http.StatusForbidden, "forbidden")
	as("POST", "deployments/in-a/runs", `{}`).is(http.StatusCreated)
	as("POST", "runs/"+inB.ID.String()+"/cancel", "").refused(http.StatusForbidden, "forbidden")

	// A selection by filter takes only runs that the caller may change.
	result := read[api.RunBulkResult](as("POST", "runs/cancel", `{"filter":{"states":["SCHEDULED"]}}`).is(http.StatusOK))
	if len(result.Done) != 2 || len(result.Refused) != 0 {
		t.Errorf("cancelled %d, refused %+v", len(result.Done), result.Refused)
	}
	result = read[api.RunBulkResult](as("POST", "runs/cancel",
		`{"ids":["`+inA.ID.String()+`","`+inB.ID.String()+`"]}`).is(http.StatusOK))
	if len(result.Refused) == 0 || result.Refused[len(result.Refused)-1].Code != "forbidden" {
		t.Errorf("a named run of a pool that it only reads: %+v", result)
	}

	who := read[api.WhoAmI](as("GET", "whoami", "").is(http.StatusOK))
	if who.Name != "mixed" || who.Kind != api.CallerAPIKey || who.KeyID == nil || len(who.Bindings) != 3 ||
		*who.CreatedBy != "bootstrap-admin" {
		t.Errorf("it is told that it is %+v", who)
	}
	for operation, want := range map[string]string{
		"CreateRun": "[a]", "GetRun": "[a b]", "ClaimRuns": "[c]", "CreateWorkPool": "[]", "Apply": "[]",
		"GetInfo": "[a b c]",
	} {
		if got := fmt.Sprint(who.Operations[operation]); got != want {
			t.Errorf("it may %s in %s, want %s", operation, got, want)
		}
	}
	all := read[api.WhoAmI](r.call("GET", "/api/v1/whoami", "").is(http.StatusOK))
	if got := all.Operations["CreateWorkPool"]; len(got) != 1 || got[0] != access.AllPools {
		t.Errorf("an admin may create pools in %v", got)
	}
}

func TestBootstrapWorkerKeyIsForItsPoolsOnly(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) {
		o.EnsurePools = append(o.EnsurePools, server.PoolSpec{Name: "other", Type: "process"})
		o.BootstrapWorkerPools = []string{"local"}
	})
	report := func(pool string) answer {
		return r.send(r.request(r.worker, http.MethodPost, "/api/v1/worker/reports",
			`{"worker":"w","pool":"`+pool+`","reports":[]}`))
	}
	report("local").is(http.StatusOK)
	report("other").refused(http.StatusForbidden, "forbidden")
}
