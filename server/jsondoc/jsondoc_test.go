package jsondoc_test

import (
	"encoding/json"
	"testing"

	"github.com/berth-dev/berth/server/jsondoc"
)

func TestEqual(t *testing.T) {
	tests := []struct {
		name, a, b string
		want       bool
	}{
		{"white space and order do not count", `{"a":1,"b":[1,2]}`, `{ "b": [1, 2], "a": 1 }`, true},
		{"the order of a list counts", `[1,2]`, `[2,1]`, false},
		{"no document is not an empty one", ``, `{}`, false},
		{"no document equals no document", ``, ``, true},
		{"the same invalid text is equal", `{`, `{`, true},
		{"invalid texts that differ are not equal", `{`, `[`, false},
		{"escapes do not count", `"\u0061"`, `"a"`, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := jsondoc.Equal(json.RawMessage(test.a), json.RawMessage(test.b)); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestObjectRefusesOtherValues(t *testing.T) {
	if object, err := jsondoc.Object(nil); err != nil || object == nil || len(object) != 0 {
		t.Errorf("no document: got %v, %v", object, err)
	}
	for _, document := range []string{`[]`, `1`, `null`, `{"a":1`} {
		if object, err := jsondoc.Object(json.RawMessage(document)); err == nil {
			t.Errorf("%s: got %v", document, object)
		}
	}
}

func TestEncodeSortsKeysAndKeepsNumbersAndMarkup(t *testing.T) {
	members, err := jsondoc.Members(json.RawMessage(`{"b":1.50,"a":"<&>"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := jsondoc.Encode(members); err != nil || string(got) != `{"a":"<&>","b":1.50}` {
		t.Errorf("got %s, %v", got, err)
	}
}
