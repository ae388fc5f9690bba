package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

const process = `{"job_configuration":{"job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"job","image":"process","command":["true"]}]}}}}}}`

// TestInvalidInputIsRefusedAndNotStored sends what people get wrong.
func TestInvalidInputIsRefusedAndNotStored(t *testing.T) {
	t.Parallel()
	r := start(t)
	schema := `,"parameter_schema":{"type":"object","required":["date"],"properties":{"date":{"type":"string"}}}`
	r.deploy(
		"etl",
		schema+`,"job_variables":{"env":{"A":"1"}},"parameters":{"fixed":1},"frozen":{"parameters":["fixed"],"job_variables":["env"]}`,
	)
	const run = "/api/v1/deployments/etl/runs"
	tests := []struct {
		name, method, path, body string
		status                   int
		code                     string
		pointers                 []string
	}{
		{
			name: "an unknown field", method: "POST", path: "/api/v1/work-pools",
			body: `{"name":"p","type":"process","limit":3}`, status: 400, code: "invalid-body",
			pointers: []string{"/limit"},
		},
		{
			name: "a wrong type", method: "POST", path: "/api/v1/work-pools",
			body: `{"name":"p","type":"process","paused":"no"}`, status: 400, code: "invalid-body",
			pointers: []string{"/paused"},
		},
		{
			name: "invalid JSON", method: "POST", path: "/api/v1/work-pools", body: `{name: p}`,
			status: 400, code: "invalid-json",
		},
		{
			name:   "a body without end",
			method: "POST",
			path:   "/api/v1/work-pools",
			body: `{"name":"p","type":"process","description":"` +
				strings.Repeat("x", 4<<20) + `"}`,
			status: 413,
			code:   "body-too-large",
		},
		{
			name: "a pool that is there", method: "POST", path: "/api/v1/work-pools",
			body: `{"name":"local","type":"process"}`, status: 409, code: "already-exists",
		},
		{name: "a template that does not render a Job", method: "POST", path: "/api/v1/work-pools",
			body:   `{"name":"p","type":"kubernetes","base_job_template":{"job_configuration":{"job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"tmplate":{}}}}}}`,
			status: 422, code: "template-invalid",
			pointers: []string{"/base_job_template/job_configuration/job_manifest/spec/tmplate"}},
		{name: "a placeholder that is not declared", method: "PUT", path: "/api/v1/work-pools/local/template",
			body:   asSave(strings.Replace(process, `"process"`, `"{{ imgae }}"`, 1)),
			status: 422, code: "template-invalid",
			pointers: []string{"/job_configuration/job_manifest/spec/template/spec/containers/0/image"}},
		{
			name: "a template with an unknown key", method: "PUT",
			path: "/api/v1/work-pools/local/template", body: asSave(`{"jobconfiguration":{}}`), status: 422,
			code: "template-invalid", pointers: []string{"/jobconfiguration"},
		},
		{
			name: "a template for a pool that does not exist", method: "PUT",
			path: "/api/v1/work-pools/nowhere/template", body: asSave(process), status: 404, code: "not-found",
		},
		{
			name: "an unknown pool", method: "GET", path: "/api/v1/work-pools/nowhere", status: 404,
			code: "not-found",
		},
		{
			name: "an unknown deployment", method: "POST", path: "/api/v1/deployments/nothing/runs",
			body: `{}`, status: 404, code: "not-found",
		},
		{
			name: "an unknown run", method: "GET",
			path: "/api/v1/runs/0198c9f4-7a3c-7000-8000-000000000000", status: 404, code: "not-found",
		},
		{
			name: "a run that is none", method: "GET", path: "/api/v1/runs/etl", status: 404,
			code: "not-found",
		},
		{name: "a deployment to an unknown pool", method: "POST", path: "/api/v1/apply",
			body:   `{"deployments":[{"name":"x","pool":"nowhere"}]}`,
			status: 422, code: "apply-invalid", pointers: []string{"/deployments/0/pool"}},
		{name: "a deployment to an unknown queue", method: "POST", path: "/api/v1/apply",
			body:   `{"deployments":[{"name":"x","pool":"local","queue":"fast"}]}`,
			status: 422, code: "apply-invalid", pointers: []string{"/deployments/0/queue"}},
		{name: "job variables of a wrong type", method: "POST", path: "/api/v1/apply",
			body:   `{"deployments":[{"name":"x","pool":"local"},{"name":"y","pool":"local","job_variables":{"working_dir":7}}]}`,
			status: 422, code: "variables-invalid",
			pointers: []string{"/deployments/1/job_variables/working_dir"}},
		{name: "a parameter schema that is none", method: "POST", path: "/api/v1/apply",
			body:   `{"deployments":[{"name":"x","pool":"local","parameter_schema":{"type":"strnig"}}]}`,
			status: 422, code: "parameters-invalid",
			pointers: []string{"/deployments/0/parameter_schema/type"}},
		{name: "parameters that their schema refuses", method: "POST", path: "/api/v1/apply",
			body:   `{"deployments":[{"name":"x","pool":"local","parameters":{"date":1}` + schema + `}]}`,
			status: 422, code: "parameters-invalid", pointers: []string{"/deployments/0/parameters/date"}},
		{name: "something frozen without a value", method: "POST", path: "/api/v1/apply",
			body:   `{"deployments":[{"name":"x","pool":"local","frozen":{"job_variables":["command"]}}]}`,
			status: 422, code: "frozen", pointers: []string{"/deployments/0/frozen/job_variables/0"}},
		{name: "the same deployment twice", method: "POST", path: "/api/v1/apply",
			body:   `{"deployments":[{"name":"x","pool":"local"},{"name":"x","pool":"local"}]}`,
			status: 422, code: "apply-invalid", pointers: []string{"/deployments/1/name"}},
		{
			name: "a new pool of no type", method: "POST", path: "/api/v1/apply",
			body: `{"pools":[{"name":"x"}]}`, status: 422, code: "apply-invalid",
			pointers: []string{"/pools/0/type"},
		},
		{
			name: "a pool of another type", method: "POST", path: "/api/v1/apply",
			body: `{"pools":[{"name":"local","type":"kubernetes"}]}`, status: 422,
			code: "apply-invalid", pointers: []string{"/pools/0/type"},
		},
		{
			name: "a run without a required parameter", method: "POST", path: run, body: `{}`,
			status: 422, code: "parameters-invalid", pointers: []string{"/parameters"},
		},
		{
			name: "a run with a parameter of a wrong type", method: "POST", path: run,
			body: `{"parameters":{"date":20260101}}`, status: 422, code: "parameters-invalid",
			pointers: []string{"/parameters/date"},
		},
		{name: "a run with a wrong job variable", method: "POST", path: run,
			body:   `{"parameters":{"date":"d"},"job_variables":{"command":"ls"}}`,
			status: 422, code: "variables-invalid", pointers: []string{"/job_variables/command"}},
		{name: "a run with a stored variable that does not exist", method: "POST", path: run,
			body:   `{"parameters":{"date":"d"},"job_variables":{"working_dir":"{{ berth.variables.nothing }}"}}`,
			status: 422, code: "variables-invalid", pointers: []string{"/job_variables/working_dir"}},
		{
			name: "a run that overrides a frozen parameter", method: "POST", path: run,
			body: `{"parameters":{"date":"d","fixed":2}}`, status: 422, code: "frozen",
			pointers: []string{"/parameters/fixed"},
		},
		{name: "a run that overrides a frozen job variable", method: "POST", path: run,
			body:   `{"parameters":{"date":"d"},"job_variables":{"env":{"A":"2"}}}`,
			status: 422, code: "frozen", pointers: []string{"/job_variables/env/A"}},
		{
			name:   "a run with too many parameters",
			method: "POST",
			path:   run,
			body: `{"parameters":{"date":"` + strings.Repeat("x", 64<<10) +
				`"}}`,
			status:   422,
			code:     "parameters-invalid",
			pointers: []string{"/parameters"},
		},
		{
			name: "a variable with an impossible name", method: "PUT", path: "/api/v1/variables/a%20b",
			body: `{"value":1}`, status: 400, code: "invalid-parameter",
		},
		{name: "a key that has expired before it was made", method: "POST", path: "/api/v1/api-keys",
			body:   `{"name":"k","bindings":[{"role":"viewer","pool":"*"}],"expires_at":"2020-01-01T00:00:00Z"}`,
			status: 400, code: "invalid-body", pointers: []string{"/expires_at"}},
		{name: "a limit and no limit", method: "PATCH", path: "/api/v1/work-pools/local",
			body:   `{"concurrency_limit":3,"no_concurrency_limit":true}`,
			status: 400, code: "invalid-body", pointers: []string{"/no_concurrency_limit"}},
		{
			name: "a cursor that is none", method: "GET", path: "/api/v1/runs?cursor=%21%21", status: 400,
			code: "invalid-cursor",
		},
		{
			name: "a misspelt filter", method: "GET", path: "/api/v1/runs?pol=local", status: 400,
			code: "invalid-parameter",
		},
		{
			name: "a method that is not there", method: "PUT", path: "/api/v1/runs", body: `{}`,
			status: 405, code: "method-not-allowed",
		},
		{
			name: "a path that is not there", method: "GET", path: "/api/v1/flows", status: 404,
			code: "not-found",
		},
		{
			name: "a path with two slashes", method: "GET", path: "/api//v1/runs", status: 404,
			code: "not-found",
		},
		{name: "the page by another name", method: "GET", path: "/index.php", status: 404, code: "not-found"},
	}
	before := everything(r)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := r.call(test.method, test.path, test.body)
			answer.t = t
			answer.refused(test.status, test.code, test.pointers...)
			if after := everything(r); after != before {
				t.Errorf("something was stored:\nbefore %s\nafter  %s", before, after)
			}
		})
	}
}

// everything is all that people can make, as one text.
func everything(r *running) string {
	r.t.Helper()
	var b strings.Builder
	for _, path := range []string{"work-pools", "deployments", "runs", "variables",
		"work-pools/local/template/versions", "work-pools/local/queues"} {
		b.Write(r.call(http.MethodGet, "/api/v1/"+path, "").is(http.StatusOK).body)
	}
	for _, key := range read[api.APIKeyList](r.call(http.MethodGet, "/api/v1/api-keys",
		"").is(http.StatusOK)).Items {
		b.WriteString(key.Name)
	}
	return b.String()
}

func TestOtherContentTypesAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded",
		"multipart/form-data; boundary=x", "application/yaml"} {
		request := r.request(r.admin, http.MethodPost, "/api/v1/work-pools", `{"name":"p","type":"process"}`)
		request.Header.Set("Content-Type", kind)
		r.send(request).refused(http.StatusUnsupportedMediaType, "unsupported-media-type")
	}
	r.call(http.MethodGet, "/api/v1/work-pools/p", "").refused(http.StatusNotFound, "not-found")
}

func TestMethodNotAllowedListsTheAllowedMethods(t *testing.T) {
	t.Parallel()
	r := start(t)
	if got := r.call(http.MethodPatch, "/api/v1/work-pools", `{}`).header.Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow is %q", got)
	}
}

// TestForeignPageCannotStartAJob is about a developer's machine, where the server runs without keys.
func TestForeignPageCannotStartAJob(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys, func(o *server.Options) { o.AllowedHosts = []string{"berth.test"} })
	r.deploy("hello", "")
	tests := []struct {
		name    string
		host    string
		headers map[string]string
		status  int
		code    string
	}{
		{
			name: "a foreign page", headers: map[string]string{"Origin": "https://evil.example"},
			status: 403, code: "origin-refused",
		},
		{
			name:    "a foreign page without an origin",
			headers: map[string]string{"Sec-Fetch-Site": "cross-site"}, status: 403,
			code: "origin-refused",
		},
		{
			name: "a page on another port", headers: map[string]string{"Sec-Fetch-Site": "same-site"},
			status: 403, code: "origin-refused",
		},
		{
			name: "a sandboxed page", headers: map[string]string{"Origin": "null"}, status: 403,
			code: "origin-refused",
		},
		{
			name: "a rebound name", host: "evil.example:4200",
			headers: map[string]string{"Origin": "http://evil.example:4200"}, status: 403,
			code: "host-refused",
		},
		{
			name: "a simple request", headers: map[string]string{"Content-Type": "text/plain"},
			status: 415, code: "unsupported-media-type",
		},
		{
			name:    "a form",
			headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, status: 415,
			code: "unsupported-media-type",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				if test.status == http.StatusUnsupportedMediaType && method == http.MethodGet {
					continue
				}
				path, body := "/api/v1/deployments/hello/runs", `{}`
				if method == http.MethodGet {
					path, body = "/api/v1/runs", ""
				}
				request := r.request("", method, path, body)
				if test.host != "" {
					request.Host = test.host
				}
				for name, value := range test.headers {
					request.Header.Set(name, value)
				}
				answer := r.send(request)
				answer.t = t
				answer.refused(test.status, test.code)
				if allowed := answer.header.Get("Access-Control-Allow-Origin"); allowed != "" {
					t.Errorf("the answer may be read by %q", allowed)
				}
			}
		})
	}
	if runs := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs", "")); len(runs.Items) != 0 {
		t.Errorf("%d runs were started", len(runs.Items))
	}
	preflight := r.request("", http.MethodOptions, "/api/v1/deployments/hello/runs", "")
	preflight.Header.Set("Origin", "https://evil.example")
	preflight.Header.Set("Access-Control-Request-Method", "POST")
	r.send(preflight).refused(http.StatusForbidden, "origin-refused")

	named := r.request("", http.MethodPost, "/api/v1/deployments/hello/runs", `{}`)
	named.Host = "berth.test"
	named.Header.Set("Origin", "http://berth.test")
	named.Header.Set("Sec-Fetch-Site", "same-origin")
	r.send(named).is(http.StatusCreated)
}
