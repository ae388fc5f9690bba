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

// FuzzBody reads bodies for every operation: what is taken is what encoding/json reads in it, what is not is
// refused with its place, and nothing panics.
func FuzzBody(f *testing.F) {
	all := withBodies(f)
	for i, o := range all {
		media := o.route.Operation.RequestBody.Value.Content.Get("application/json")
		example, err := json.Marshal(media.Schema.Value.Example)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), example)
	}
	for _, seed := range []string{
		``, ` `, `null`, `{}`, `[]`, `{"a":1,"a":2}`, `{"a":{"b":[1,2,{"c":1,"c":2}]}}`, `{"a":1}x`, "{\"a\":\xff}", `{"a":1e999}`,
		`{"\u0061":1,"a":2}`, `{"a/b~c":{"":0}}`, strings.Repeat("[", 300), `{"ids":["x"]}`, `{"filter":{"states":["x"],"tags":[]}}`, "\ufeff{}",
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
			t.Errorf("the handler reads %q, %v", read, err)
		}
		if document, err := decode(body); err != nil || !reflect.DeepEqual(Document(checked.Context()), document) {
			t.Errorf("the handler is given %v, %v", Document(checked.Context()), err)
		}
	})
}

// withBodies are the operations that people send bodies to, in an order that stays.
func withBodies(tb testing.TB) []*Operation {
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
	value, err := decode(body)
	if err != nil {
		refusal := checkRefusal(t, err)
		ours := false // what encoding/json takes and this decoder does not
		for _, why := range []string{"is there twice", "nested deeper", "not UTF-8"} {
			ours = ours || strings.Contains(refusal.Detail, why)
		}
		if json.Valid(body) && !ours {
			t.Errorf("%q is valid JSON, and was refused: %v", body, err)
		}
		return
	}
	var want any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&want); err != nil || !json.Valid(body) {
		t.Fatalf("%q was read, which is not JSON: %v", body, err)
	}
	if !reflect.DeepEqual(value, want) {
		t.Errorf("%q was read as %v, want %v", body, value, want)
	}
}

func checkRefusal(t *testing.T, err error) *problem.Error {
	var refusal *problem.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("refused with %T: %v", err, err)
	}
	if refusal.Code != problem.InvalidJSON && refusal.Code != problem.InvalidBody || refusal.Detail == "" || len(refusal.Findings) > maxFindings {
		t.Errorf("refused with %+v", refusal)
	}
	if problem.Document(refusal).Status != http.StatusBadRequest {
		t.Errorf("refused with status %d", problem.Document(refusal).Status)
	}
	for _, finding := range refusal.Findings {
		if finding.Message == "" || finding.Pointer != "" && !strings.HasPrefix(finding.Pointer, "/") {
			t.Errorf("a finding without words or place: %+v", finding)
		}
		if finding.Line != nil && (*finding.Line < 1 || *finding.Column < 1) {
			t.Errorf("a finding at line %d, column %d", *finding.Line, *finding.Column)
		}
	}
	return refusal
}
