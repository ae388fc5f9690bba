package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/problem"
)

// FuzzBody checks bodies for every operation: an accepted body has the value that encoding/json decodes, a
// refused one has a finding with its place, and nothing panics.
func FuzzBody(f *testing.F) {
	all := operationsWithBody(f)
	for i, o := range all {
		media := o.route.Operation.RequestBody.Value.Content.Get("application/json")
		example, err := json.Marshal(media.Schema.Value.Example)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), example)
	}
	for _, seed := range []string{
		``, ` `, `null`, `{}`, `[]`, `{"a":1,"a":2}`, `{"a":{"b":[1,2,{"c":1,"c":2}]}}`, `{"a":1}x`,
		"{\"a\":\xff}", `{"a":1e999}`,
		`{"\u0061":1,"a":2}`, `{"a/b~c":{"":0}}`, strings.Repeat("[", 300), `{"ids":["x"]}`,
		`{"filter":{"states":["x"],"tags":[]}}`, "\ufeff{}",
		`{"name":"p","type":"process","concurrency_limit":1.5}`, `{"name":"\ud800","type":"process"}`,
	} {
		f.Add(uint8(0), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		checkDecoded(t, body)
		o := all[int(which)%len(all)]
		r := httptest.NewRequest(o.route.Method, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		checked, err := o.checkBody(httptest.NewRecorder(), r)
		if err != nil {
			checkRefusal(t, err)
			return
		}
		read, err := io.ReadAll(checked.Body)
		if err != nil || !bytes.Equal(read, body) {
			t.Errorf("body passed on = %q, %v", read, err)
		}
		if document, _, _, err := decode(t.Context(), body, nil, boundsOf(""), false); err != nil ||
			!reflect.DeepEqual(Document(checked.Context()), document) {
			t.Errorf("document passed on = %v, %v", Document(checked.Context()), err)
		}
	})
}

// operationsWithBody returns the operations outside the worker protocol that have a body, in a stable order.
func operationsWithBody(tb testing.TB) []*Operation {
	tb.Helper()
	byName := operations(tb)
	var all []*Operation
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if o := byName[name]; o.route.Operation.RequestBody != nil && !o.Protocol {
			all = append(all, o)
		}
	}
	if len(all) < 20 {
		tb.Fatalf("only %d operations have a body", len(all))
	}
	return all
}

func checkDecoded(t *testing.T, body []byte) {
	value, _, _, err := decode(t.Context(), body, nil, boundsOf(""), false)
	if err != nil {
		refusal := checkRefusal(t, err)
		stricter := false // refused here although encoding/json accepts it
		for _, why := range []string{
			"duplicate key", "nesting exceeds", "not valid UTF-8", "U+0000", "out of range", " bytes", "JSON values",
		} {
			stricter = stricter || strings.Contains(refusal.Detail, why)
		}
		if json.Valid(body) && !stricter {
			t.Errorf("%q is valid JSON, but was refused: %v", body, err)
		}
		return
	}
	var want any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&want); err != nil || !json.Valid(body) {
		t.Fatalf("%q was accepted, but is not JSON: %v", body, err)
	}
	if !reflect.DeepEqual(value, want) {
		t.Errorf("decode(%q) = %v, want %v", body, value, want)
	}
}

func checkRefusal(t *testing.T, err error) *problem.Error {
	var refusal *problem.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("refused with %T: %v", err, err)
	}
	if refusal.Code != problem.InvalidJSON && refusal.Code != problem.InvalidBody || refusal.Detail == "" ||
		len(refusal.Findings) > maxFindings {
		t.Errorf("refused with %+v", refusal)
	}
	if problem.Document(refusal).Status != http.StatusBadRequest {
		t.Errorf("refused with status %d", problem.Document(refusal).Status)
	}
	for _, finding := range refusal.Findings {
		if finding.Message == "" || finding.Pointer != "" && !strings.HasPrefix(finding.Pointer, "/") {
			t.Errorf("finding without message or pointer: %+v", finding)
		}
		if finding.Line != nil && (*finding.Line < 1 || *finding.Column < 1) {
			t.Errorf("finding at line %d, column %d", *finding.Line, *finding.Column)
		}
	}
	return refusal
}
