package templating_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
)

func TestDiffNamesWhatChangedByItsPlace(t *testing.T) {
	for _, test := range []struct{ name, before, after, want string }{
		{"nothing", `{"a":[1,{"b":null}]}`, `{"a":[1,{"b":null}]}`, ""},
		{"a scalar", `{"a":1}`, `{"a":2}`, "replaced /a 1 2"},
		{"an integer is not the float", `{"a":1}`, `{"a":1.5}`, "replaced /a 1 1.5"},
		{"a type", `{"a":[1]}`, `{"a":{"b":1}}`, `replaced /a [1] {"b":1}`},
		{"a new key", `{}`, `{"a":null}`, "added /a null null"},
		{"a key that is gone, with a slash in it", `{"a/b":1}`, `{}`, "removed /a~1b 1 null"},
		{"a key in the middle keeps the order", `{"a":1,"c":1}`, `{"a":2,"b":3,"c":2}`, "replaced /a 1 2; added /b null 3; replaced /c 1 2"},
		{"an item at the end", `[1,2]`, `[1,2,3]`, "added /2 null 3"},
		{"an item at the front", `[1,2]`, `[0,1,2]`, "added /0 null 0"},
		{"an item in the middle is gone", `[1,2,3]`, `[1,3]`, "removed /1 2 null"},
		{"an item inside", `[1,[2],3]`, `[1,[4],3]`, "replaced /1/0 2 4"},
		{"an entry with a name, in the middle", `[{"name":"a"},{"name":"c","v":1}]`, `[{"name":"a"},{"name":"b"},{"name":"c","v":2}]`,
			`added /1 null {"name":"b"}; replaced /2/v 1 2`},
		{"an entry with a name is gone", `[{"name":"a"},{"name":"b"}]`, `[{"name":"b"}]`, `removed /0 {"name":"a"} null`},
		{"entries that changed their order", `[{"name":"a"},{"name":"b"}]`, `[{"name":"b"},{"name":"a"}]`, `replaced  ["a","b"] ["b","a"]`},
		{"a name that is there twice is no name", `[{"name":"a"},{"name":"a"}]`, `[{"name":"a"},{"name":"b"}]`, `replaced /1/name "a" "b"`},
		{"the whole", `1`, `"1"`, `replaced  1 "1"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, after := decodeJSON(t, test.before), decodeJSON(t, test.after)
			var lines []string
			for _, c := range templating.Diff(before, after) {
				lines = append(
					lines,
					strings.Join(
						[]string{string(c.Kind), c.Pointer, encodeJSON(t, c.Before), encodeJSON(t, c.After)},
						" "),
				)
			}
			if got := strings.Join(lines, "; "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func decodeJSON(t *testing.T, s string) any {
	t.Helper()
	v, err := templating.DecodeJSON([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func encodeJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := templating.EncodeJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
