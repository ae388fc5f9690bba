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

func operations(t testing.TB) map[string]*Operation {
	t.Helper()
	spec, err := apispec.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	return Operations(spec)
}

func TestBodiesOfPeopleAreReadStrictly(t *testing.T) {
	const pools, runs, variable = "POST /api/v1/work-pools", "POST /api/v1/deployments/{deployment}/runs", "PUT /api/v1/variables/{variable}"
	const apply, keys, patch = "POST /api/v1/apply", "POST /api/v1/api-keys", "PATCH /api/v1/work-pools/{pool}"
	tests := []struct {
		name, operation, body string
		want                  problem.Code
		pointer               string
	}{
		{name: "a pool", operation: pools, body: `{"name":"Ångström 2","type":"process","concurrency_limit":null}`},
		{name: "an unknown field", operation: pools, body: `{"name":"p","type":"process","concurency_limit":3}`, want: problem.InvalidBody, pointer: "/concurency_limit"},
		{name: "a field in other letters", operation: pools, body: `{"Name":"p","name":"p","type":"process"}`, want: problem.InvalidBody, pointer: "/Name"},
		{name: "a missing field", operation: pools, body: `{"name":"p"}`, want: problem.InvalidBody, pointer: "/type"},
		{name: "a wrong type", operation: pools, body: `{"name":7,"type":"process"}`, want: problem.InvalidBody, pointer: "/name"},
		{name: "a type that does not exist", operation: pools, body: `{"name":"p","type":"docker"}`, want: problem.InvalidBody, pointer: "/type"},
		{name: "an empty name", operation: pools, body: `{"name":"","type":"process"}`, want: problem.InvalidBody, pointer: "/name"},
		{name: "a name with a slash", operation: pools, body: `{"name":"a/b","type":"process"}`, want: problem.InvalidBody, pointer: "/name"},
		{name: "a name with a line break", operation: pools, body: `{"name":"a\nb","type":"process"}`, want: problem.InvalidBody, pointer: "/name"},
		{name: "a negative limit", operation: pools, body: `{"name":"p","type":"process","concurrency_limit":-1}`, want: problem.InvalidBody, pointer: "/concurrency_limit"},
		{name: "a limit with a fraction", operation: pools, body: `{"name":"p","type":"process","concurrency_limit":1.5}`, want: problem.InvalidBody, pointer: "/concurrency_limit"},
		{name: "a limit beyond 32 bits", operation: pools, body: `{"name":"p","type":"process","concurrency_limit":4294967297}`, want: problem.InvalidBody, pointer: "/concurrency_limit"},
		{name: "a limit in quotes", operation: pools, body: `{"name":"p","type":"process","concurrency_limit":"3"}`, want: problem.InvalidBody, pointer: "/concurrency_limit"},
		{name: "null for what can not be null", operation: pools, body: `{"name":null,"type":"process"}`, want: problem.InvalidBody, pointer: "/name"},
		{name: "a list for an object", operation: pools, body: `[]`, want: problem.InvalidBody},
		{name: "null for an object", operation: pools, body: `null`, want: problem.InvalidBody},
		{name: "nothing", operation: pools, body: ``, want: problem.InvalidJSON},
		{name: "white space", operation: pools, body: " \n", want: problem.InvalidJSON},
		{name: "not JSON", operation: pools, body: `name: p`, want: problem.InvalidJSON},
		{name: "half a document", operation: pools, body: `{"name":"p"`, want: problem.InvalidJSON},
		{name: "a comma too many", operation: pools, body: `{"name":"p","type":"process",}`, want: problem.InvalidJSON},
		{name: "two documents", operation: pools, body: `{"name":"p","type":"process"}{}`, want: problem.InvalidJSON},
		{name: "a key twice", operation: pools, body: `{"name":"p","type":"process","name":"q"}`, want: problem.InvalidJSON, pointer: "/name"},
		{name: "a key twice in a template", operation: pools, body: `{"name":"p","type":"process","base_job_template":{"a/b":[{"x":1,"x":2}]}}`, want: problem.InvalidJSON, pointer: "/base_job_template/a~1b/0/x"},
		{name: "bytes that are not UTF-8", operation: pools, body: "{\"name\":\"\xff\",\"type\":\"process\"}", want: problem.InvalidJSON},
		{name: "nesting without end", operation: runs, body: `{"parameters":{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}}`, want: problem.InvalidJSON},
		{name: "nothing to change", operation: patch, body: `{}`, want: problem.InvalidBody},
		{name: "a run without anything", operation: runs, body: `{}`},
		{name: "parameters of any form", operation: runs, body: `{"parameters":{"a":[1,2.50,null,{"b":1e400}]}}`, want: ""},
		{name: "parameters that are no object", operation: runs, body: `{"parameters":[1]}`, want: problem.InvalidBody, pointer: "/parameters"},
		{name: "parameters that are null", operation: runs, body: `{"parameters":null}`, want: problem.InvalidBody, pointer: "/parameters"},
		{name: "a time that is none", operation: runs, body: `{"scheduled_time":"tomorrow"}`, want: problem.InvalidBody, pointer: "/scheduled_time"},
		{name: "an empty tag", operation: runs, body: `{"tags":["a",""]}`, want: problem.InvalidBody, pointer: "/tags/1"},
		{name: "a variable that is null", operation: variable, body: `{"value":null}`},
		{name: "a variable without a value", operation: variable, body: `{}`, want: problem.InvalidBody, pointer: "/value"},
		{name: "deep inside a list", operation: apply, body: `{"deployments":[{"name":"a","pool":"p"},{"name":"b","pool":"p","retries":{"mx":1}}]}`, want: problem.InvalidBody, pointer: "/deployments/1/retries/mx"},
		{name: "a role that does not exist", operation: keys, body: `{"name":"k","role":"root"}`, want: problem.InvalidBody, pointer: "/role"},
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
		{name: "JSON", operation: create, header: http.Header{"Content-Type": {"application/json"}}, body: "{}"},
		{name: "JSON in UTF-8", operation: create, header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body: "{}"},
		{name: "a form", operation: create, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, body: "{}", want: problem.UnsupportedMedia},
		{name: "text, which a page may send without asking", operation: create, header: http.Header{"Content-Type": {"text/plain"}}, body: "{}", want: problem.UnsupportedMedia},
		{name: "no type", operation: create, body: "{}", want: problem.UnsupportedMedia},
		{name: "another charset", operation: create, header: http.Header{"Content-Type": {"application/json; charset=latin1"}}, body: "{}", want: problem.UnsupportedMedia},
		{name: "compressed", operation: create, header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, body: "{}", want: problem.UnsupportedMedia},
		{name: "no body where none is wanted", operation: cancel},
		{name: "a form where no body is wanted", operation: cancel, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, body: "a=b", want: problem.UnsupportedMedia},
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
		announced       bool
		want            problem.Code
	}{
		{name: "people, announced", operation: "POST /api/v1/apply", size: MaxBody + 1, announced: true, want: problem.BodyTooLarge},
		{name: "people, not announced", operation: "POST /api/v1/apply", size: MaxBody + 1, want: problem.BodyTooLarge},
		{name: "workers, announced", operation: "POST /api/v1/worker/logs", size: MaxProtocolBody + 1, announced: true, want: problem.BodyTooLarge},
		{name: "workers, not announced", operation: "POST /api/v1/worker/logs", size: MaxProtocolBody + 1, want: problem.BodyTooLarge},
		{name: "workers may send more than people", operation: "POST /api/v1/worker/logs", size: MaxBody + 1, announced: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body := `{"chunks":[]}` + strings.Repeat(" ", test.size-len(`{"chunks":[]}`))
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			if !test.announced {
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
		{name: "a filter", operation: "GET /api/v1/runs", url: "/?state=RUNNING&state=PENDING&limit=500"},
		{name: "a misspelt filter", operation: "GET /api/v1/runs", url: "/?sate=RUNNING", want: problem.InvalidParameter},
		{name: "a state that does not exist", operation: "GET /api/v1/runs", url: "/?state=DONE", want: problem.InvalidParameter},
		{name: "a limit of nothing", operation: "GET /api/v1/runs", url: "/?limit=0", want: problem.InvalidParameter},
		{name: "a limit beyond all bounds", operation: "GET /api/v1/runs", url: "/?limit=501", want: problem.InvalidParameter},
		{name: "a limit that is no number", operation: "GET /api/v1/runs", url: "/?limit=ten", want: problem.InvalidParameter},
		{name: "a name that a variable can not have", operation: "GET /api/v1/variables/{variable}", url: "/", vars: map[string]string{"variable": "a b"}, want: problem.InvalidParameter},
		{name: "a boolean that is none", operation: "DELETE /api/v1/work-pools/{pool}", url: "/?force=maybe", vars: map[string]string{"pool": "p"}, want: problem.InvalidParameter},
		{name: "an attempt of nothing", operation: "GET /api/v1/runs/{run}/logs", url: "/?attempt=0", vars: map[string]string{"run": "0198c9f4-7a3c-7000-8000-000000000000"}, want: problem.InvalidParameter},
		{name: "what a newer worker adds", operation: "GET /api/v1/worker/templates/{version}", url: "/?new=1", vars: map[string]string{"version": "0198c9f4-7a3c-7000-8000-000000000000"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := mux.SetURLVars(httptest.NewRequest(http.MethodGet, test.url, nil), test.vars)
			_, err := all[test.operation].Check(httptest.NewRecorder(), r)
			expect(t, err, test.want, "")
		})
	}
}
