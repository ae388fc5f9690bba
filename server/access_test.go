package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
)

func encode(t testing.TB, v any) string {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// makeKey makes a key through the API that has a role in some pools; without pools, in all.
func (r *running) makeKey(name string, role api.Role, pools ...string) string {
	r.t.Helper()
	if pools == nil {
		pools = []string{access.AllPools}
	}
	var bindings []api.Binding
	for _, pool := range pools {
		bindings = append(bindings, api.Binding{Role: role, Pool: pool})
	}
	return r.makeKeyWith(name, bindings...)
}

// makeKeyWith makes a key with several roles through the API.
func (r *running) makeKeyWith(name string, bindings ...api.Binding) string {
	r.t.Helper()
	wanted := api.APIKeyCreate{Name: name, Bindings: bindings}
	return read[api.APIKeyCreated](r.call(http.MethodPost, "/api/v1/api-keys",
		encode(r.t, wanted)).is(http.StatusCreated)).Secret
}

func TestRolesOverHTTP(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	keys := map[api.Role]string{
		api.RoleAdmin: r.admin, api.RoleWorker: r.worker, api.RoleEditor: r.makeKey("e", api.RoleEditor),
		api.RoleOperator: r.makeKey("o", api.RoleOperator), api.RoleViewer: r.makeKey("v", api.RoleViewer),
	}
	tests := []struct {
		method, path, body string
		may                []api.Role
	}{
		{
			"GET", "/api/v1/info", "",
			[]api.Role{api.RoleAdmin, api.RoleEditor, api.RoleOperator, api.RoleViewer, api.RoleWorker},
		},
		{
			"GET", "/api/v1/runs", "",
			[]api.Role{api.RoleAdmin, api.RoleEditor, api.RoleOperator, api.RoleViewer},
		},
		{
			"POST", "/api/v1/deployments/hello/runs", "{}",
			[]api.Role{api.RoleAdmin, api.RoleEditor, api.RoleOperator},
		},
		{
			"PATCH", "/api/v1/work-pools/local", `{"description":"d"}`,
			[]api.Role{api.RoleAdmin, api.RoleEditor},
		},
		{"POST", "/api/v1/apply", "{}", []api.Role{api.RoleAdmin, api.RoleEditor}},
		{"GET", "/api/v1/api-keys", "", []api.Role{api.RoleAdmin}},
		{
			"POST", "/api/v1/worker/reports", `{"worker":"w","pool":"local","reports":[]}`,
			[]api.Role{api.RoleAdmin, api.RoleWorker},
		},
	}
	for _, test := range tests {
		for role, key := range keys {
			answer := r.send(r.request(key, test.method, test.path, test.body))
			allowed := false
			for _, one := range test.may {
				allowed = allowed || one == role
			}
			switch {
			case allowed && answer.status >= 300:
				t.Errorf("%s %s as %s: %d %s", test.method, test.path, role, answer.status, answer.body)
			case !allowed:
				answer.refused(http.StatusForbidden, "forbidden")
			}
		}
		answer := r.send(r.request("", test.method, test.path, test.body))
		answer.refused(http.StatusUnauthorized, "unauthenticated")
		if answer.header.Get("WWW-Authenticate") == "" {
			t.Error("the answer does not say how to authenticate")
		}
	}
}

func TestPublicOperationsNeedNoKey(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, path := range []string{"/healthz", "/readyz", "/session"} {
		r.send(r.request("", http.MethodGet, path, "")).is(http.StatusOK)
	}
}

// TestMetricsNamePoolsOnlyToARoleInAllOfThem is about the address of the API. A separate address needs no key.
func TestMetricsNamePoolsOnlyToARoleInAllOfThem(t *testing.T) {
	t.Parallel()
	r := start(t)
	get := func(key string) answer {
		t.Helper()
		return r.send(r.request(key, http.MethodGet, "/metrics", ""))
	}
	get("").refused(http.StatusUnauthorized, "unauthenticated")
	get(newKey(t)).refused(http.StatusUnauthorized, "unauthenticated")
	get(r.makeKey("one pool", api.RoleAdmin, "local")).refused(http.StatusForbidden, "forbidden")
	if names := get(r.makeKey("scraper", api.RoleViewer)).is(http.StatusOK); !strings.Contains(
		string(names.body), `pool="local"`) {
		t.Error("the metrics name no pool")
	}
}

func TestKeyLimitedToPoolsHasNoAccessToOthers(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"secret","type":"process"}`).is(http.StatusCreated)
	r.deploy("open", "")
	r.call(http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"hidden","pool":"secret"}]}`).is(http.StatusOK)
	hidden := r.startRun("hidden", `{}`)
	r.startRun("open", `{}`)

	admin, worker := r.makeKey("limited", api.RoleAdmin, "local"), r.makeKey("limited-worker", api.RoleWorker,
		"local")
	as := func(key, method, path, body string) answer {
		t.Helper()
		return r.send(r.request(key, method, path, body))
	}
	if pools := read[api.WorkPoolList](as(admin, "GET", "/api/v1/work-pools", "")); len(pools.Items) != 1 ||
		pools.Items[0].Name != "local" {
		t.Errorf("it sees %+v", pools.Items)
	}
	if deployments := read[api.DeploymentList](as(admin, "GET", "/api/v1/deployments",
		"")); len(deployments.Items) != 1 {
		t.Errorf("it sees %+v", deployments.Items)
	}
	if runs := read[api.RunList](as(admin, "GET", "/api/v1/runs", "")); len(runs.Items) != 1 ||
		runs.Items[0].Pool != "local" {
		t.Errorf("it sees %+v", runs.Items)
	}
	as(admin, "POST", "/api/v1/deployments/open/runs", "{}").is(http.StatusCreated)
	id := hidden.ID.String()
	for _, refused := range [][3]string{
		{"GET", "/api/v1/work-pools/secret"}, {"DELETE", "/api/v1/work-pools/secret"}, {"GET", "/api/v1/work-pools/secret/template"},
		{"PUT", "/api/v1/work-pools/secret/template", asSave(process)}, {"POST", "/api/v1/work-pools", `{"name":"more","type":"process"}`},
		{"GET", "/api/v1/deployments/hidden"}, {"DELETE", "/api/v1/deployments/hidden"}, {"PATCH", "/api/v1/deployments/hidden",
			`{"paused":true}`},
		{"POST", "/api/v1/deployments/hidden/runs", `{}`}, {"GET", "/api/v1/runs?pool=secret"}, {"GET", "/api/v1/runs/" + id},
		{"GET", "/api/v1/runs/" + id + "/logs"}, {"GET", "/api/v1/runs/" + id + "/events"}, {"GET", "/api/v1/runs/" + id + "/stream"},
		{"POST", "/api/v1/runs/" + id + "/cancel"}, {"POST", "/api/v1/api-keys", `{"name":"x","bindings":[{"role":"admin","pool":"*"}]}`},
		{"PUT", "/api/v1/variables/v", `{"value":1}`}, {"POST", "/api/v1/apply", `{"variables":[{"name":"v","value":1}]}`},
	} {
		a := as(admin, refused[0], refused[1], refused[2])
		if strings.Contains(refused[1], "hidden") || strings.Contains(refused[1], id) {
			a.refused(http.StatusNotFound, "not-found") // it may not know that they exist
		} else {
			a.refused(http.StatusForbidden, "forbidden")
		}
	}
	as(admin, "POST", "/api/v1/apply",
		`{"deployments":[{"name":"x","pool":"secret"}]}`).refused(http.StatusForbidden,
		"forbidden", "/deployments/0/pool")
	as(admin, "POST", "/api/v1/apply",
		`{"deployments":[{"name":"hidden","pool":"local"}]}`).refused(http.StatusForbidden,
		"forbidden", "/deployments/0/name")
	// The pool that a call names says nothing about the attempts in it.
	claims := r.newWorkerOf("secret", api.Process, "w").claim(1, 0)
	const session = `"session_id":"0197a1de-7f00-7b01-a5c3-80b396c2d0aa"`
	lease := fmt.Sprintf(`{"attempt_id":%q,"epoch":1`, claims[0].AttemptID)
	for path, body := range map[string]string{
		"leases":  `{"pool":"local","worker":"w",` + session + `,"leases":[` + lease + `}]}`,
		"reports": `{"pool":"local","worker":"w","reports":[` + lease + `,"kind":"handed_back"}]}`,
		"logs":    `{"chunks":[` + lease + `,"offset":0,"text":"x"}]}`,
	} {
		as(worker, "POST", "/api/v1/worker/"+path, body).refused(http.StatusForbidden, "forbidden")
	}
	as(worker, "POST", "/api/v1/worker/leases",
		`{"pool":"local","worker":"w",`+session+`,"leases":[],"release":[`+lease+`}]}`).refused(http.StatusForbidden,
		"forbidden")
	for path, body := range map[string]string{
		"hello":  `,` + session + `,"type":"process","cluster_id":"c","version":"1"`,
		"claim":  `,` + session + `,"request_id":"` + uuid.NewString() + `","cluster_id":"c","max":0,"wait_seconds":0`,
		"leases": `,` + session + `,"leases":[]`, "reports": `,"reports":[]`,
	} {
		as(worker, "POST", "/api/v1/worker/"+path,
			`{"protocol":1,"pool":"secret","worker":"w"`+body+`}`).refused(http.StatusForbidden, "forbidden")
	}
}

func TestRevokedKeyIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	key := r.makeKey("gone", api.RoleViewer)
	r.send(r.request(key, http.MethodGet, "/api/v1/runs", "")).is(http.StatusOK)
	r.call(http.MethodDelete, "/api/v1/api-keys/gone", "").is(http.StatusNoContent)
	r.send(r.request(key, http.MethodGet, "/api/v1/runs", "")).refused(http.StatusUnauthorized,
		"unauthenticated")
	r.call(http.MethodDelete, "/api/v1/api-keys/nobody", "").refused(http.StatusNotFound, "not-found")
}

func TestEventsNameTheActor(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", "")
	key := r.makeKey("night shift", api.RoleOperator)
	run := read[api.Run](r.send(r.request(key, http.MethodPost, "/api/v1/deployments/hello/runs",
		"{}")).is(http.StatusCreated))
	r.send(r.request(key, http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "")).is(http.StatusOK)
	events := read[api.RunEventList](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/events", ""))
	if run.CreatedBy != "night shift" || events.Items[0].Actor != "night shift" {
		t.Errorf("made by %q, events %+v", run.CreatedBy, events.Items)
	}
}
