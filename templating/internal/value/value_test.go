package value_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating/internal/value"
)

func TestDecodeJSONKeepsIntegersAndFloatsApart(t *testing.T) {
	got, err := value.DecodeJSON([]byte(`{"i": 2, "f": 2.0, "e": 1e2, "n": null, "l": [true, "x", -0.5]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"i": int64(2), "f": 2.0, "e": 100.0, "n": nil, "l": []any{true, "x", -0.5}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotStrictIsRefusedWithItsPlace(t *testing.T) {
	deep := strings.Repeat("[", 101) + strings.Repeat("]", 101)
	for _, c := range []struct {
		name, yaml, json string
		line, column     int
		pointer, message string
	}{
		{name: "a key twice in JSON", json: `{"a": {"b": 1, "b": 2}}`, line: 1, column: 16, pointer: "/a", message: `duplicate key "b"`},
		{name: "data after JSON", json: `{} {}`, line: 1, column: 4, message: "not valid JSON: invalid character '{' after top-level value"},
		{name: "an integer beyond 64 bits", json: `[18446744073709551615]`, line: 1, column: 2, pointer: "/0", message: "integer 18446744073709551615 does not fit into 64 bits; write it as a string"},
		{name: "a float beyond range", json: `1e999`, line: 1, column: 1, message: "number 1e999 is out of range"},
		{name: "JSON nested too deep", json: deep, line: 1, column: 101, pointer: strings.Repeat("/0", 100), message: "nested deeper than 100 levels"},
		{name: "an unfinished JSON", json: "{\n\"a\": ", line: 2, column: 5, message: "not valid JSON: unexpected end of JSON input"},
		{name: "a list that is not closed", yaml: "a: 1\nb: [1\n", line: 2, column: 1, message: "not valid YAML: did not find expected ',' or ']'"},
		{name: "a list that is not closed in the first line", yaml: "a: [1", line: 1, column: 1, message: "not valid YAML: did not find expected ',' or ']'"},
		{name: "a colon too many", yaml: "a: 1\nb: c: d\n", line: 2, column: 1, message: "not valid YAML: a value with a colon and a space in it must be quoted: \"c: d\""},
		{name: "a key twice in YAML", yaml: "a:\n  b: 1\n  b: 2\n", line: 3, column: 3, pointer: "/a", message: `duplicate key "b"`},
		{name: "a key that is no string", yaml: "? [a]\n: b\n", line: 1, column: 3, message: "a key must be a string"},
		{name: "a tag", yaml: "a: !!set {x}\n", line: 1, column: 4, pointer: "/a", message: "YAML tag !!set is not allowed"},
		{name: "infinity", yaml: "a: .inf\n", line: 1, column: 4, pointer: "/a", message: "number .inf is out of range"},
		{name: "a second document", yaml: "a: 1\n---\nb: 1\n", line: 2, column: 1, message: "found a second YAML document; only one is allowed"},
		{name: "a tab", yaml: "a:\n\tb: 1\n", line: 2, column: 1, message: "not valid YAML: a tab cannot be used for indentation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			decode, source := value.DecodeYAML, c.yaml
			if c.json != "" {
				decode, source = value.DecodeJSON, c.json
			}
			_, err := decode([]byte(source))
			var syntax *value.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got %v, want a syntax error", err)
			}
			want := value.SyntaxError{Line: c.line, Column: c.column, Pointer: c.pointer, Message: c.message}
			if diff := cmp.Diff(want, *syntax); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestYAMLReadsWhatPeopleWrite(t *testing.T) {
	got, err := value.DecodeYAML(
		[]byte(
			"base: &b {cpu: 1, mem: 2}\nuse: {<<: *b, mem: 3}\ndate: 2026-01-01\nmode: 0644\nyes: yes\nt: true\nf: 2.0\ntext: |\n  a\n  b\n"),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"base": map[string]any{
			"cpu": int64(1), "mem": int64(2),
		}, "use": map[string]any{"cpu": int64(1), "mem": int64(3)},
		"date": "2026-01-01", "mode": int64(420), "yes": "yes", "t": true, "f": 2.0, "text": "a\nb\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}
}

func TestWhatIsWrittenIsReadBackTheSame(t *testing.T) {
	v := map[string]any{
		"i": int64(
			-5), "f": 2.0, "small": 1e-9, "large": 1e300, "t": true, "n": nil, "l": []any{}, "o": map[string]any{},
		"strings": []any{
			"", "yes", "no", "12:30:45", "1", "1.0", "true", "null", "~", "- a", "# x", "a: b", " lead",
			"trail ", "a\nb\n", "\n", "é\t\u2028", "{{ x }}", "0x10", "2026-01-01", "=", "<<", "!a", "&a",
			"*a", "%", "@", "`",
		},
		"odd/~key": int64(1), "": "empty key",
	}
	for name, round := range map[string]func(any) (any, error){
		"JSON": func(v any) (any, error) {
			data, err := value.AppendJSON(nil, v)
			if err != nil {
				return nil, err
			}
			return value.DecodeJSON(data)
		},
		"YAML": func(v any) (any, error) {
			data, err := value.EncodeYAML(v)
			if err != nil {
				return nil, err
			}
			return value.DecodeYAML(data)
		},
	} {
		got, err := round(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(any(v), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTextOfScalars(t *testing.T) {
	for want, v := range map[string]any{
		"": nil, "x": "x", "true": true, "7": int64(7), "2.0": 2.0, "1.5": 1.5, "1e+21": 1e21, "100000000000000000000.0": 1e20, "1e-07": 1e-7, "-0.25": -0.25,
	} {
		if got, ok := value.Text(v); !ok || got != want {
			t.Errorf("Text(%v) = %q, %v, want %q", v, got, ok, want)
		}
	}
	if _, ok := value.Text([]any{}); ok {
		t.Error("a list has a text")
	}
}

func TestNormalizeTakesWhatGoCodeMakes(t *testing.T) {
	type name string
	got, err := value.Normalize(
		map[string]any{
			"a": 1, "b": []string{"x"}, "c": map[name]uint8{"k": 2}, "d": name("n"), "e": float32(0.5),
			"f": map[string]any(nil),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"a": int64(1), "b": []any{"x"}, "c": map[string]any{"k": int64(2)}, "d": "n", "e": 0.5,
		"f": map[string]any{},
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}
	for _, bad := range []any{math.NaN(), math.Inf(1), struct{}{}, make(chan int), uint64(math.MaxUint64), map[int]string{1: "x"}} {
		if v, err := value.Normalize(bad); err == nil {
			t.Errorf("Normalize(%v) = %v, want an error", bad, v)
		}
	}
}
