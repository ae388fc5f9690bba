package request

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gorilla/mux"

	"github.com/berth-dev/berth/server/problem"
)

func TestMessagesNameTheExpectedValue(t *testing.T) {
	const pools, runs = "POST /api/v1/work-pools", "POST /api/v1/deployments/{deployment}/runs"
	all := operations(t)
	for _, test := range []struct{ operation, body, want string }{
		{pools, `{"name":"p"}`, `/type: required field "type" is missing`},
		{pools, `{"name":7,"type":"process"}`, "/name: want a string, got the number 7"},
		{pools, `{"name":"p","type":"docker"}`, `/type: want one of kubernetes, process; got "docker"`},
		{pools, `{"name":"","type":"process"}`, "/name: must not be empty"},
		{pools, "{\"name\":\"e\u0301\",\"type\":\"process\"}", "/name: must be in its composed form (Unicode NFC), which is \"é\""},
		{pools, `{"name":"a/b","type":"process"}`, "/name: want letters, digits, spaces and ._:@+- with a letter or digit first and no space at the end"},
		{pools, `{"name":null,"type":"process"}`, "/name: must not be null"},
		{pools, `{"name":"p","type":"process","concurrency_limit":-1}`, "/concurrency_limit: must be at least 0, got -1"},
		{pools, `{"name":"p","type":"process","concurrency_limit":1.5}`, "/concurrency_limit: want an integer, got the number 1.5"},
		{pools, `{"name":"p","type":"process","concurrency_limit":4294967297}`,
			"/concurrency_limit: must be at most 2147483647, got 4294967297"},
		{pools, `{"name":"p","type":"process","concurrency_limit":-4294967297}`,
			"/concurrency_limit: must be at least 0, got -4294967297"},
		{pools, `[]`, "want an object, got a list"},
		{pools, `{"name":"p","name":"q","type":"process"}`, `line 1, column 19: duplicate key "name"`},
		{pools, `{"name":"p","type":"process",}`, "line 1, column 30: invalid JSON: unexpected '}'"},
		{pools, `{"name":"p"`, "line 1, column 12: unexpected end of the document"},
		{runs, `{"scheduled_time":"tomorrow"}`,
			"/scheduled_time: want a date and time with time zone, such as 2026-01-31T06:00:00Z"},
		{runs, `{"tags":"a"}`, "/tags: want a list, got a string"},
		{"POST /api/v1/runs/cancel", `{"filter":{}}`, "/filter: must set at least 1 field"},
		{"POST /api/v1/runs/cancel", `{"ids":[]}`, "/ids: must have at least 1 item"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
		r.Header.Set("Content-Type", "application/json")
		r = mux.SetURLVars(r, map[string]string{"deployment": "d"})
		checkMessage(t, all[test.operation], r, test.want)
	}
}

func TestParameterMessagesNameTheExpectedValue(t *testing.T) {
	list := operations(t)["GET /api/v1/runs"]
	for query, want := range map[string]string{
		"limit=501":    `query parameter "limit": must be at most 500, got 501`,
		"limit=ten":    `query parameter "limit": want an integer, got "ten"`,
		"limit=":       `query parameter "limit": must not be empty`,
		"id_prefix=zz": `query parameter "id_prefix": want the first 4 to 36 characters of a run ID: hexadecimal digits and -`,
		"sate=RUNNING": `unknown query parameter "sate"`,
	} {
		checkMessage(t, list, httptest.NewRequest(http.MethodGet, "/?"+query, nil), want)
	}
}

// checkMessage checks the detail of the refusal of a request.
func checkMessage(t *testing.T, operation *Operation, r *http.Request, want string) {
	t.Helper()
	_, err := operation.Check(httptest.NewRecorder(), r)
	var refusal *problem.Error
	if !errors.As(err, &refusal) {
		t.Errorf("got %v, want the refusal %q", err, want)
	} else if refusal.Detail != want {
		t.Errorf("got  %q\nwant %q", refusal.Detail, want)
	}
}

func TestEveryPatternOfTheSpecificationIsDescribed(t *testing.T) {
	fallback := patternMessage("")
	patterns := 0
	check := func(place string, schema *openapi3.Schema) {
		if schema.Pattern == "" {
			return
		}
		patterns++
		if patternMessage(schema.Pattern) == fallback {
			t.Errorf("%s: pattern %s has no description in patternMessage", place, schema.Pattern)
		}
	}
	for name, operation := range operations(t) {
		for _, parameter := range operation.route.Operation.Parameters {
			check(name+" "+parameter.Value.Name, parameter.Value.Schema.Value)
		}
		for component, schema := range operation.route.Spec.Components.Schemas {
			check(component, schema.Value)
			for field, property := range schema.Value.Properties {
				check(component+"."+field, property.Value)
			}
		}
	}
	if patterns == 0 {
		t.Error("the specification has no patterns")
	}
}
