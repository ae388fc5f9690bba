package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
)

// TestUnusualTextCausesNoServerError puts what databases and decoders stumble over into every parameter and
// every place of every body: an answer may refuse it, but it must not be an error of the server's own.
func TestUnusualTextCausesNoServerError(t *testing.T) {
	t.Parallel()
	databases := map[string]func(*server.Options){
		"SQLite":     func(*server.Options) {},
		"PostgreSQL": on(pgtest.Database(t)),
	}
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newContractWorld(t, database)
			all := operations(t)
			slices.SortFunc(all, func(a, b operation) int { // what deletes comes last
				return strings.Compare(deletesLast(a), deletesLast(b))
			})
			for _, o := range all {
				if !o.streams() {
					w.oddParameters(o)
					w.oddBodies(o)
				}
			}
		})
	}
}

func deletesLast(o operation) string {
	return fmt.Sprint(o.method == http.MethodDelete, o.OperationID)
}

func (w *contractWorld) oddParameters(o operation) {
	w.t.Helper()
	for _, p := range o.parameters {
		for _, odd := range []string{"%00", "a%00b", "%ff", "%F0%9F%98%80", "%2e%2e", "%EF%BF%BF",
			"-9223372036854775808", "1e999"} {
			c := w.validCall(o)
			switch p.Value.In {
			case openapi3.ParameterInPath:
				c.path = o.at(w.t, w.with(p.Value.Name, odd))
			case openapi3.ParameterInQuery:
				c.query = p.Value.Name + "=" + odd
			case openapi3.ParameterInHeader:
				c.header = map[string]string{p.Value.Name: strings.NewReplacer("%ff", "\xff", "%00",
					"").Replace(odd)}
			}
			w.notOurs(w.send(c))
		}
	}
}

func (w *contractWorld) oddBodies(o operation) {
	w.t.Helper()
	if o.RequestBody == nil {
		return
	}
	odd := []any{"\x00", "a\x00b", "😀\uffff", strings.Repeat("x", 100_000), json.Number("1e308"),
		json.Number("-9223372036854775808"),
		json.Number(
			"9223372036854775807"), "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", nil, map[string]any{"\x00": "\x00"}, []any{}}
	places := len(leaves(w.validCall(o).body))
	for place := range places {
		for _, text := range odd {
			c := w.validCall(o)
			leaves(c.body)[place](text)
			w.notOurs(w.send(c))
		}
		c := w.validCall(o)
		leaves(c.body)[place]("LONE")
		text, err := json.Marshal(c.body)
		if err != nil {
			w.t.Fatal(err)
		}
		w.notOurs(w.sendText(c, strings.ReplaceAll(string(text), "LONE", `\ud800`)))
	}
}

// leaves are setters of all values in a body that are neither objects nor lists, and of the empty ones.
func leaves(body any) []func(any) {
	var found []func(any)
	switch v := body.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			if key == "wait_seconds" {
				continue // it would
			}
			if below := leaves(v[key]); len(below) > 0 {
				found = append(found, below...)
			} else {
				found = append(found, func(to any) { v[key] = to })
			}
		}
	case []any:
		for i := range v {
			if below := leaves(v[i]); len(below) > 0 {
				found = append(found, below...)
			} else {
				found = append(found, func(to any) { v[i] = to })
			}
		}
	}
	return found
}

func (w *contractWorld) notOurs(a answer) {
	w.t.Helper()
	if a.status >= 500 {
		w.t.Errorf("%s: %d %s", a.what, a.status, a.body)
	}
}
