package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// freeText are the texts of requests that may hold any character: documents of users, whose texts are values of
// their jobs, and output of workloads and clusters. The command line escapes them.
var freeText = regexp.MustCompile(`(^|/)(job_variables|parameters|parameter_schema|document|source|base_job_template_source|template|value|` +
	`scenario|values|diagnosis|last_lines|message|manifest|text|job_configuration|variables/properties)(/|$)`)

// textPlace is a place in a body that holds a text, with a way to change it.
type textPlace struct {
	pointer string
	set     func(string)
}

func textPlaces(at string, body any) []textPlace {
	var places []textPlace
	switch v := body.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if _, ok := v[key].(string); ok {
				places = append(places, textPlace{at + "/" + key, func(to string) { v[key] = to }})
			}
			places = append(places, textPlaces(at+"/"+key, v[key])...)
		}
	case []any:
		for i := range v {
			pointer := fmt.Sprint(at, "/", i)
			if _, ok := v[i].(string); ok {
				places = append(places, textPlace{pointer, func(to string) { v[i] = to }})
			}
			places = append(places, textPlaces(pointer, v[i])...)
		}
	}
	return places
}

// TestControlCharactersAreRefusedInEveryTextThatPeopleSet walks all operations. What is printed on terminals and
// pages must not change how the rest looks.
func TestControlCharactersAreRefusedInEveryTextThatPeopleSet(t *testing.T) {
	t.Parallel()
	w := newContractWorld(t, func(*server.Options) {})
	places := 0
	for _, o := range operations(t) {
		// The body is a document of a user, and messages quote what is in it.
		document := o.OperationID == "LintTemplate"
		if o.RequestBody == nil || document {
			continue
		}
		for i, place := range textPlaces("", w.validCall(o).body) {
			if freeText.MatchString(place.pointer) {
				continue
			}
			for what, control := range map[string]string{
				"a terminal escape": "\x1b[31m", "a bell": "\a", "a C1 control character": "\u009b",
				"a bidirectional override": "\u202e", "an isolate": "\u2066", "a return": "\r", "a NUL": "\x00",
			} {
				c := w.validCall(o)
				textPlaces("", c.body)[i].set("a" + control + "b")
				a := w.send(c)
				places++
				if a.status == http.StatusUnauthorized {
					continue // the key of a job whose attempt another operation has ended
				}
				if a.status != http.StatusBadRequest {
					t.Errorf("%s: %s at %s: status %d: %s", o.OperationID, what, place.pointer, a.status, a.body)
					continue
				}
				if document := read[api.Problem](a); !points(document, place.pointer) {
					t.Errorf("%s: %s at %s: no finding there: %s", o.OperationID, what, place.pointer, a.body)
				}
			}
		}
	}
	if places < 500 {
		t.Errorf("only %d texts were tried", places)
	}
}

func TestControlCharactersAreRefusedInNamesOfPaths(t *testing.T) {
	t.Parallel()
	w := newContractWorld(t, func(*server.Options) {})
	for _, o := range operations(t) {
		for _, p := range o.parameters {
			if p.Value.In != "path" || o.streams() {
				continue
			}
			c := w.validCall(o)
			c.path = o.at(w.t, w.with(p.Value.Name, "a%1b%5b31mb"))
			a := w.send(c)
			refused := a.status == http.StatusBadRequest || a.status == http.StatusForbidden // by the key of a job
			if !refused || strings.Contains(string(a.body), "\x1b") {
				t.Errorf("%s: %s: status %d: %q", o.OperationID, p.Value.Name, a.status, a.body)
			}
		}
	}
}

// TestControlCharactersAreRefusedInTheNamesOfValues: messages and lists print them. Below them, keys are data.
func TestControlCharactersAreRefusedInTheNamesOfValues(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("d", "")
	post := func(body string) answer { return r.call(http.MethodPost, "/api/v1/deployments/d/runs", body) }
	post(`{"parameters":{"a\u001b[31m":1}}`).
		refused(http.StatusBadRequest, "invalid-body", "/parameters/a\x1b[31m")
	post(`{"job_variables":{"a\u202e":1}}`).
		refused(http.StatusBadRequest, "invalid-body", "/job_variables/a\u202e")
	post(`{"parameters":{"columns":{"a\tb":"\u001b"}}}`).is(http.StatusCreated)
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"e","pool":"local","description":"a\rb"}]}`).
		refused(http.StatusBadRequest, "invalid-body", "/deployments/0/description")
	r.deploy("e", `,"description":"two\r\nlines\tand a tab"`)
}
