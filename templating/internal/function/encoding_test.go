package function_test

import (
	"strings"
	"testing"
)

func TestEncodings(t *testing.T) {
	w := world{variables: object{"o": object{"b": list(int64(1), 2.0, "x"), "a": nil}, "null": nil}}
	w.run(t, []evaluation{
		{
			name: "toJson sorts keys and keeps floats recognisable", source: `{{ toJson .o }}`,
			want: `{"a":null,"b":[1,2.0,"x"]}`,
		},
		{
			name: "toJson does not escape for HTML, where sprig does", source: `{{ toJson "<a> & b" }}`,
			want: `"<a> & b"`,
		},
		{name: "toPrettyJson", source: `{{ toPrettyJson (dict "a" 1) }}`, want: "{\n  \"a\": 1\n}"},
		{name: "toRawJson is toJson", source: `{{ toRawJson "<" }}`, want: `"<"`},
		{
			name: "fromJson", source: `{{ fromJson "{\"a\": [1, 2.5, null]}" }}`,
			want: object{"a": list(int64(1), 2.5, nil)},
		},
		{
			name: "fromJson of a duplicate key", source: `{{ fromJson "{\"a\": 1, \"a\": 2}" }}`,
			err: `fromJson: line 1, column 10: duplicate key "a"`,
		},
		{name: "fromJson of what is not JSON", source: `{{ fromJson "{" }}`, err: "fromJson: line 1"},
		{
			name: "fromJson of an integer beyond 64 bits", source: `{{ fromJson "18446744073709551616" }}`,
			err: "does not fit into 64 bits",
		},
		{
			name: "toYaml has no newline at the end", source: `{{ toYaml (dict "a" (list 1)) }}`,
			want: "a:\n  - 1",
		},
		{
			name:   "toYaml quotes what YAML 1.1 would not take for text",
			source: `{{ toYaml (list "yes" "12:30" "") }}`, want: "- \"yes\"\n- \"12:30\"\n- \"\"",
		},
		{name: "fromYaml", source: `{{ fromYaml "a: [1, b]" }}`, want: object{"a": list(int64(1), "b")}},
		{name: "fromYaml keeps dates as text", source: `{{ fromYaml "2026-01-02" }}`, want: "2026-01-02"},
		{name: "fromYaml of nothing is null", source: `{{ fromYaml "" }}`, want: nil},
		{
			name: "fromYaml of two documents", source: `{{ fromYaml "a: 1\n---\nb: 1" }}`,
			err: "fromYaml: line 2, column 1: found a second YAML document",
		},
		{
			name: "fromYaml of a tab", source: `{{ fromYaml "a:\n\tb: 1" }}`,
			err: "a tab cannot be used for indentation",
		},
		{name: "b64enc", source: `{{ b64enc "héllo" }}`, want: "aMOpbGxv"},
		{name: "b64dec", source: `{{ b64dec "aMOpbGxv" }}`, want: "héllo"},
		{name: "b64dec of bytes that are not text", source: `{{ b64dec "/w==" }}`, want: "\ufffd"},
		{
			name:   "b64dec of what is not base64 is an error, where sprig returns the error as text",
			source: `{{ b64dec "!" }}`, err: "b64dec: illegal base64 data",
		},
		{name: "b32enc", source: `{{ b32enc "ab" }}`, want: "MFRA===="},
		{name: "b32dec", source: `{{ b32dec "MFRA====" }}`, want: "ab"},
		{name: "urlquery", source: `{{ urlquery "a b&c" }}`, want: "a+b%26c"},
		{name: "urlquery of a number", source: `{{ urlquery 5 }}`, want: "5"},
		{name: "urlquery of null is empty", source: `{{ urlquery .null }}`, want: ""},
	})
}

func TestYAMLThatIsTooExpensiveIsRefused(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n" +
		"c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
	w := world{variables: object{
		"bomb": bomb, "deep": strings.Repeat("[", 150) + strings.Repeat("]", 150), "large": strings.Repeat("- a\n", 200_000),
	}}
	w.run(t, []evaluation{
		{
			name: "aliases of aliases", source: `{{ fromYaml .bomb }}`,
			err: "YAML aliases expand to more than 1000 nodes",
		},
		{name: "nesting in YAML", source: `{{ fromYaml .deep }}`, err: "nested deeper than 100 levels"},
		{name: "nesting in JSON", source: `{{ fromJson .deep }}`, err: "nested deeper than 100 levels"},
	})
	if _, err := w.evaluate(t, `{{ fromYaml .large }}`); limitOf(err) == "" {
		t.Errorf("got %v, want a limit", err)
	}
}

func TestHashesAndVersions(t *testing.T) {
	world{}.run(t, []evaluation{
		{name: "sha1sum", source: `{{ sha1sum "a" }}`, want: "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"},
		{
			name: "sha256sum", source: `{{ sha256sum "a" }}`,
			want: "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
		},
		{name: "sha512sum has 128 characters", source: `{{ sha512sum "a" | len }}`, want: int64(128)},
		{name: "adler32sum", source: `{{ adler32sum "Hello" }}`, want: "93061621"},
		{
			name: "a number is hashed as its text", source: `{{ eq (sha256sum 5) (sha256sum "5") }}`,
			want: true,
		},
		{
			name: "semverCompare of a version in range", source: `{{ semverCompare ">=1.2, <2" "1.9.3" }}`,
			want: true,
		},
		{
			name: "semverCompare of a version out of range", source: `{{ semverCompare "~1.2" "1.3.0" }}`,
			want: false,
		},
		{
			name: "semverCompare of a version with a v", source: `{{ semverCompare "^1" "v1.4.0" }}`,
			want: true,
		},
		{
			name:   "semverCompare leaves out releases to come",
			source: `{{ semverCompare ">=1.0.0" "2.0.0-rc.1" }}`, want: false,
		},
		{
			name: "semverCompare of a bad constraint", source: `{{ semverCompare "one" "1.0.0" }}`,
			err: "semverCompare: ",
		},
		{
			name: "semverCompare of a bad version", source: `{{ semverCompare "^1" "one" }}`,
			err: "semverCompare: ",
		},
		{
			name:   "semverCompare of a text that is too long",
			source: `{{ semverCompare (repeat 300 "1") "1" }}`,
			err:    "semverCompare: a version or constraint must not be longer than 256 characters",
		},
	})
}
