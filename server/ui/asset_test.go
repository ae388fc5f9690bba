package ui

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/mux"
)

func TestAScriptIsCompressedOnce(t *testing.T) {
	a := loadAssets()
	name := a.names["style"]
	for _, test := range []struct {
		accepted string
		packed   bool
	}{{"gzip, deflate, br", true}, {"br;q=1.0, gzip;q=0.8", true}, {"gzip;q=0", false}, {"gzip;q=0.0, identity", false}, {"", false}, {"br", false}} {
		r := mux.SetURLVars(httptest.NewRequest("GET", "/assets/"+name, nil), map[string]string{"name": name})
		r.Header.Set("Accept-Encoding", test.accepted)
		w := httptest.NewRecorder()
		a.serve(w, r)
		body := io.Reader(w.Body)
		if packed := w.Header().Get("Content-Encoding") == "gzip"; packed != test.packed {
			t.Errorf("%q: compressed: %t", test.accepted, packed)
		}
		if test.packed {
			unpacked, err := gzip.NewReader(body)
			if err != nil {
				t.Fatal(err)
			}
			body = unpacked
		}
		content, err := io.ReadAll(body)
		if err != nil || string(content) != string(a.files[name].content) {
			t.Errorf("%q: %d bytes, %v", test.accepted, len(content), err)
		}
	}
	if first, again := a.files[name].packed(), a.files[name].packed(); &first[0] != &again[0] {
		t.Error("it is compressed again")
	}
}
