package request

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/berth-dev/berth/server/api/apispec"
	"github.com/berth-dev/berth/server/problem"
)

// operations returns the operations of openapi.yaml by "METHOD /path".
func operations(t testing.TB) map[string]*Operation {
	t.Helper()
	spec, err := apispec.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	return Operations(spec)
}

func TestBodiesAreCheckedAgainstTheSpecification(t *testing.T) {
	const pools, runs, variable = "POST /api/v1/work-pools", "POST /api/v1/deployments/{deployment}/runs", "PUT /api/v1/variables/{variable}"
	const apply, keys, patch = "POST /api/v1/apply", "POST /api/v1/api-keys", "PATCH /api/v1/work-pools/{pool}"
	tests := []struct {
		name, operation, body string
		want                  problem.Code
		pointer               string
	}{
		{
			name: "valid work pool", operation: pools,
			body: `{"name":"Ångström 2","type":"process","concurrency_limit":null}`,
		},
		{
			name: "unknown field", operation: pools,
			body: `{"name":"p","type":"process","concurency_limit":3}`, want: problem.InvalidBody,
			pointer: "/concurency_limit",
		},
		{
			name: "field in other case", operation: pools,
			body: `{"Name":"p","name":"p","type":"process"}`, want: problem.InvalidBody,
			pointer: "/Name",
		},
		{
			name: "missing field", operation: pools, body: `{"name":"p"}`,
			want: problem.InvalidBody, pointer: "/type",
		},
		{
			name: "wrong type", operation: pools, body: `{"name":7,"type":"process"}`,
			want: problem.InvalidBody, pointer: "/name",
		},
		{
			name: "unknown enum value", operation: pools, body: `{"name":"p","type":"docker"}`,
			want: problem.InvalidBody, pointer: "/type",
		},
		{
			name: "empty name", operation: pools, body: `{"name":"","type":"process"}`,
			want: problem.InvalidBody, pointer: "/name",
		},
		{
			name: "name with a slash", operation: pools, body: `{"name":"a/b","type":"process"}`,
			want: problem.InvalidBody, pointer: "/name",
		},
		{
			name: "name with a line break", operation: pools,
			body: `{"name":"a\nb","type":"process"}`, want: problem.InvalidBody, pointer: "/name",
		},
		{
			name: "negative limit", operation: pools,
			body: `{"name":"p","type":"process","concurrency_limit":-1}`, want: problem.InvalidBody,
			pointer: "/concurrency_limit",
		},
		{
			name: "limit with a fraction", operation: pools,
			body: `{"name":"p","type":"process","concurrency_limit":1.5}`,
			want: problem.InvalidBody, pointer: "/concurrency_limit",
		},
		{
			name: "limit beyond 32 bits", operation: pools,
			body: `{"name":"p","type":"process","concurrency_limit":4294967297}`,
			want: problem.InvalidBody, pointer: "/concurrency_limit",
		},
		{
			name: "limit as a string", operation: pools,
			body: `{"name":"p","type":"process","concurrency_limit":"3"}`,
			want: problem.InvalidBody, pointer: "/concurrency_limit",
		},
		{
			name: "null for a field that is not nullable", operation: pools,
			body: `{"name":null,"type":"process"}`, want: problem.InvalidBody, pointer: "/name",
		},
		{name: "list instead of an object", operation: pools, body: `[]`, want: problem.InvalidBody},
		{name: "null instead of an object", operation: pools, body: `null`, want: problem.InvalidBody},
		{name: "empty body", operation: pools, body: ``, want: problem.InvalidJSON},
		{name: "body of white space", operation: pools, body: " \n", want: problem.InvalidJSON},
		{name: "not JSON", operation: pools, body: `name: p`, want: problem.InvalidJSON},
		{name: "truncated document", operation: pools, body: `{"name":"p"`, want: problem.InvalidJSON},
		{
			name: "trailing comma", operation: pools, body: `{"name":"p","type":"process",}`,
			want: problem.InvalidJSON,
		},
		{
			name: "two documents", operation: pools, body: `{"name":"p","type":"process"}{}`,
			want: problem.InvalidJSON,
		},
		{
			name: "duplicate key", operation: pools,
			body: `{"name":"p","type":"process","name":"q"}`, want: problem.InvalidJSON,
			pointer: "/name",
		},
		{name: "duplicate key inside a template", operation: pools,
			body:    `{"name":"p","type":"process","base_job_template":{"a/b":[{"x":1,"x":2}]}}`,
			want:    problem.InvalidJSON,
			pointer: "/base_job_template/a~1b/0/x"},
		{
			name: "invalid UTF-8", operation: pools,
			body: "{\"name\":\"\xff\",\"type\":\"process\"}", want: problem.InvalidJSON,
		},
		{
			name:      "nesting too deep",
			operation: runs,
			body: `{"parameters":{"a":` + strings.Repeat("[", 100_000) +
				strings.Repeat("]", 100_000) + `}}`,
			want: problem.InvalidJSON,
		},
		{name: "update without a field", operation: patch, body: `{}`, want: problem.InvalidBody},
		{name: "run without fields", operation: runs, body: `{}`},
		{
			name: "parameters of any JSON type", operation: runs,
			body: `{"parameters":{"a":[1,2.50,null,{"b":1e300}]}}`, want: "",
		},
		{name: "parameters as a list", operation: runs, body: `{"parameters":[1]}`, want: problem.InvalidBody,
			pointer: "/parameters"},
		{
			name: "parameters as null", operation: runs, body: `{"parameters":null}`,
			want: problem.InvalidBody, pointer: "/parameters",
		},
		{
			name: "invalid time", operation: runs, body: `{"scheduled_time":"tomorrow"}`,
			want: problem.InvalidBody, pointer: "/scheduled_time",
		},
		{
			name: "empty tag", operation: runs, body: `{"tags":["a",""]}`,
			want: problem.InvalidBody, pointer: "/tags/1",
		},
		{name: "variable with value null", operation: variable, body: `{"value":null}`},
		{
			name: "variable without a value", operation: variable, body: `{}`,
			want: problem.InvalidBody, pointer: "/value",
		},
		{name: "unknown field inside a list", operation: apply,
			body:    `{"deployments":[{"name":"a","pool":"p"},{"name":"b","pool":"p","retries":{"mx":1}}]}`,
			want:    problem.InvalidBody,
			pointer: "/deployments/1/retries/mx"},
		{name: "unknown role", operation: keys, body: `{"name":"k","role":"root"}`, want: problem.InvalidBody,
			pointer: "/role"},
	}
	all := operations(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			r.Header.Set("Content-Type", "application/json")
			r = mux.SetURLVars(r, map[string]string{"pool": "p", "deployment": "d", "variable": "v"})
			_, err := all[test.operation].Check(httptest.NewRecorder(), r)
			expect(t, err, test.want, test.pointer)
		})
	}
}

// expect checks that err is a refusal with this code and a finding at pointer; no code means success.
func expect(t *testing.T, err error, want problem.Code, pointer string) {
	t.Helper()
	var refusal *problem.Error
	if err != nil && !errors.As(err, &refusal) {
		t.Fatalf("not a refusal: %v", err)
	}
	if want == "" {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	if refusal == nil || refusal.Code != want {
		t.Fatalf("got %v, want code %q", err, want)
	}
	for _, finding := range refusal.Findings {
		if finding.Pointer == pointer {
			return
		}
	}
	if pointer != "" {
		t.Errorf("no finding at %q in %+v", pointer, refusal.Findings)
	}
}

func TestContentTypes(t *testing.T) {
	create, cancel := operations(t)["POST /api/v1/apply"], operations(t)["POST /api/v1/runs/{run}/cancel"]
	tests := []struct {
		name      string
		operation *Operation
		header    http.Header
		body      string
		want      problem.Code
	}{
		{
			name: "JSON", operation: create,
			header: http.Header{"Content-Type": {"application/json"}}, body: "{}",
		},
		{
			name: "JSON in UTF-8", operation: create,
			header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body: "{}",
		},
		{
			name: "form", operation: create,
			header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, body: "{}",
			want: problem.UnsupportedMedia,
		},
		{
			name: "text, which a page may send without a preflight", operation: create,
			header: http.Header{"Content-Type": {"text/plain"}}, body: "{}",
			want: problem.UnsupportedMedia,
		},
		{name: "no content type", operation: create, body: "{}", want: problem.UnsupportedMedia},
		{
			name: "charset other than UTF-8", operation: create,
			header: http.Header{"Content-Type": {"application/json; charset=latin1"}}, body: "{}",
			want: problem.UnsupportedMedia,
		},
		{name: "compressed body", operation: create,
			header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}},
			body:   "{}", want: problem.UnsupportedMedia},
		{name: "operation without a body, none sent", operation: cancel},
		{name: "operation without a body, form sent", operation: cancel,
			header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, body: "a=b",
			want: problem.UnsupportedMedia},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			if test.header != nil {
				r.Header = test.header
			}
			r = mux.SetURLVars(r, map[string]string{"run": "0198c9f4-7a3c-7000-8000-000000000000"})
			_, err := test.operation.Check(httptest.NewRecorder(), r)
			expect(t, err, test.want, "")
		})
	}
}

func TestBodiesAreBounded(t *testing.T) {
	all := operations(t)
	tests := []struct {
		name, operation string
		size            int
		declared        bool
		want            problem.Code
	}{
		{
			name: "ordinary request, Content-Length too large", operation: "POST /api/v1/runs/cancel",
			size: MaxBody + 1, declared: true, want: problem.BodyTooLarge,
		},
		{
			name: "ordinary request, body too large", operation: "POST /api/v1/runs/cancel",
			size: MaxBody + 1, want: problem.BodyTooLarge,
		},
		{
			name: "deployment file, body too large", operation: "POST /api/v1/apply",
			size: MaxDocumentBody + 1, want: problem.BodyTooLarge,
		},
		{
			name: "output, Content-Length too large", operation: "POST /api/v1/worker/logs",
			size: MaxOutputBody + 1, declared: true, want: problem.BodyTooLarge,
		},
		{
			name: "output, body too large", operation: "POST /api/v1/worker/logs",
			size: MaxOutputBody + 1, want: problem.BodyTooLarge,
		},
		{
			name:      "output may be larger than other bodies",
			operation: "POST /api/v1/worker/logs", size: MaxBody + 1, declared: true,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body := `{"chunks":[]}` + strings.Repeat(" ", test.size-len(`{"chunks":[]}`))
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			if !test.declared {
				r.ContentLength = -1
			}
			r.Header.Set("Content-Type", "application/json")
			_, err := all[test.operation].Check(httptest.NewRecorder(), r)
			expect(t, err, test.want, "")
		})
	}
}

func TestParameters(t *testing.T) {
	all := operations(t)
	tests := []struct {
		name, operation, url string
		vars                 map[string]string
		want                 problem.Code
	}{
		{name: "valid filter", operation: "GET /api/v1/runs", url: "/?state=RUNNING&state=PENDING&limit=500"},
		{
			name: "misspelled filter", operation: "GET /api/v1/runs", url: "/?sate=RUNNING",
			want: problem.InvalidParameter,
		},
		{
			name: "unknown state", operation: "GET /api/v1/runs", url: "/?state=DONE",
			want: problem.InvalidParameter,
		},
		{name: "limit of 0", operation: "GET /api/v1/runs", url: "/?limit=0", want: problem.InvalidParameter},
		{
			name: "limit above the maximum", operation: "GET /api/v1/runs", url: "/?limit=501",
			want: problem.InvalidParameter,
		},
		{
			name: "limit that is not a number", operation: "GET /api/v1/runs", url: "/?limit=ten",
			want: problem.InvalidParameter,
		},
		{name: "invalid variable name", operation: "GET /api/v1/variables/{variable}", url: "/",
			vars: map[string]string{"variable": "a b"}, want: problem.InvalidParameter},
		{name: "invalid boolean", operation: "DELETE /api/v1/work-pools/{pool}", url: "/?force=maybe",
			vars: map[string]string{"pool": "p"}, want: problem.InvalidParameter},
		{name: "attempt 0", operation: "GET /api/v1/runs/{run}/logs", url: "/?attempt=0",
			vars: map[string]string{"run": "0198c9f4-7a3c-7000-8000-000000000000"},
			want: problem.InvalidParameter},
		{
			name:      "parameter that a newer worker adds",
			operation: "GET /api/v1/worker/templates/{version}", url: "/?new=1",
			vars: map[string]string{"version": "0198c9f4-7a3c-7000-8000-000000000000"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := mux.SetURLVars(httptest.NewRequest(http.MethodGet, test.url, nil), test.vars)
			_, err := all[test.operation].Check(httptest.NewRecorder(), r)
			expect(t, err, test.want, "")
		})
	}
}
