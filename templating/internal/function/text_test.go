package function_test

import (
	"strings"
	"testing"
)

func TestFunctionsOfOneString(t *testing.T) {
	world{}.run(t, []evaluation{
		{name: "upper", source: `{{ upper "süß é" }}`, want: "SÜß É"},
		{name: "lower", source: `{{ lower "ÀB" }}`, want: "àb"},
		{name: "title", source: `{{ title "one two" }}`, want: "One Two"},
		{name: "untitle", source: `{{ untitle "One Two" }}`, want: "one two"},
		{name: "trim removes white space at both ends", source: "{{ trim \"\t a b\\n\" }}", want: "a b"},
		{name: "nospace removes all white space", source: `{{ nospace " a b " }}`, want: "ab"},
		{name: "initials", source: `{{ initials "First Try" }}`, want: "FT"},
		{name: "swapcase", source: `{{ swapcase "aB" }}`, want: "Ab"},
		{name: "snakecase", source: `{{ snakecase "FirstName" }}`, want: "first_name"},
		{name: "camelcase", source: `{{ camelcase "first_name" }}`, want: "FirstName"},
		{name: "kebabcase", source: `{{ kebabcase "FirstName" }}`, want: "first-name"},
		{name: "base of a path", source: `{{ base "/a/b.tar.gz" }}`, want: "b.tar.gz"},
		{name: "dir of a path", source: `{{ dir "/a/b/c" }}`, want: "/a/b"},
		{name: "clean of a path", source: `{{ clean "/a/../b//c" }}`, want: "/b/c"},
		{name: "ext of a path", source: `{{ ext "a.tar.gz" }}`, want: ".gz"},
		{name: "isAbs of a path", source: `{{ isAbs "/a" }}`, want: true},
		{name: "isAbs of a relative path", source: `{{ isAbs "a" }}`, want: false},
		{
			name: "a number is not text", source: `{{ upper 5 }}`,
			err: "upper: argument 1 must be a string, not an integer",
		},
		{
			name: "a missing variable is not text", source: `{{ title .missing }}`,
			err: "title: argument 1 must be a string, not null",
		},
	})
}

func TestFunctionsOfTwoStrings(t *testing.T) {
	world{}.run(t, []evaluation{
		{name: "contains", source: `{{ contains "b" "abc" }}`, want: true},
		{name: "contains of the empty string", source: `{{ contains "" "abc" }}`, want: true},
		{name: "hasPrefix", source: `{{ hasPrefix "ab" "abc" }}`, want: true},
		{name: "hasSuffix", source: `{{ hasSuffix "ab" "abc" }}`, want: false},
		{name: "trimAll removes any of the characters", source: `{{ trimAll "-." "-.a-b.-" }}`, want: "a-b"},
		{name: "trimPrefix removes the prefix once", source: `{{ trimPrefix "a" "aab" }}`, want: "ab"},
		{name: "trimSuffix leaves another suffix", source: `{{ trimSuffix "x" "ab" }}`, want: "ab"},
		{
			name: "the second argument must be text", source: `{{ contains "1" 123 }}`,
			err: "contains: argument 2 must be a string, not an integer",
		},
	})
}

func TestLayoutOfText(t *testing.T) {
	world{}.run(t, []evaluation{
		{name: "repeat", source: `{{ repeat 3 "ab" }}`, want: "ababab"},
		{name: "repeat zero times", source: `{{ repeat 0 "ab" }}`, want: ""},
		{
			name: "repeat takes no negative count", source: `{{ repeat -1 "ab" }}`,
			err: "repeat: argument 1 must not be negative",
		},
		{name: "indent pads every line", source: `{{ indent 2 "a\nb" }}`, want: "  a\n  b"},
		{name: "nindent starts a new line", source: `{{ nindent 2 "a\nb" }}`, want: "\n  a\n  b"},
		{name: "replace replaces every occurrence", source: `{{ replace "a" "b" "a-a" }}`, want: "b-b"},
		{
			name: "replace of the empty string inserts everywhere", source: `{{ replace "" "." "ab" }}`,
			want: ".a.b.",
		},
		{name: "trunc keeps the first characters", source: `{{ trunc 2 "äöü" }}`, want: "äö"},
		{name: "trunc with a negative length keeps the last", source: `{{ trunc -2 "äöü" }}`, want: "öü"},
		{name: "trunc keeps a text that is short enough", source: `{{ trunc 9 "abc" }}`, want: "abc"},
		{name: "trunc with a negative length beyond the text", source: `{{ trunc -9 "abc" }}`, want: "abc"},
		{name: "substr is a range of characters", source: `{{ substr 1 3 "äöüß" }}`, want: "öü"},
		{name: "substr with a negative end goes to the end", source: `{{ substr 1 -1 "abcd" }}`, want: "bcd"},
		{
			name: "substr with a negative start begins at the start", source: `{{ substr -3 2 "abcd" }}`,
			want: "ab",
		},
		{name: "substr whose start is after its end is empty", source: `{{ substr 3 1 "abcd" }}`, want: ""},
		{name: "abbrev cuts with three dots", source: `{{ abbrev 6 "abcdefgh" }}`, want: "abc..."},
		{name: "abbrev keeps a text of that width", source: `{{ abbrev 8 "abcdefgh" }}`, want: "abcdefgh"},
		{
			name: "abbrev below four characters changes nothing", source: `{{ abbrev 3 "abcdefgh" }}`,
			want: "abcdefgh",
		},
		{
			name: "abbrevboth cuts at both ends", source: `{{ abbrevboth 5 10 "1234 5678 9123" }}`,
			want: "...5678...",
		},
		{name: "wrap breaks between words", source: `{{ wrap 4 "aaa bbb" }}`, want: "aaa\nbbb"},
		{
			name: "wrapWith breaks with another separator", source: `{{ wrapWith 4 "|" "aaa bbb" }}`,
			want: "aaa|bbb",
		},
		{name: "wrapWith breaks long words", source: `{{ wrapWith 2 "|" "aaaa" }}`, want: "aa|aa"},
	})
}

func TestValuesWrittenAsText(t *testing.T) {
	w := world{variables: object{"null": nil, "l": list("a"), "two": 2.0}}
	w.run(t, []evaluation{
		{name: "quote escapes as Go does", source: `{{ quote "a\"b" 1 true }}`, want: `"a\"b" "1" "true"`},
		{name: "quote leaves out null", source: `{{ quote .null "a" }}`, want: `"a"`},
		{
			name: "quote of a list is an error", source: `{{ quote .l }}`,
			err: "quote: argument 1 must be a string, number or boolean, not a list",
		},
		{name: "squote does not escape", source: `{{ squote "a'b" }}`, want: `'a'b'`},
		{name: "cat puts spaces between", source: `{{ cat "a" 1 .null true }}`, want: "a 1 true"},
		{name: "plural of one", source: `{{ plural "pod" "pods" 1 }}`, want: "pod"},
		{name: "plural of none", source: `{{ plural "pod" "pods" 0 }}`, want: "pods"},
		{name: "toString of a float is recognisable as one", source: `{{ toString .two }}`, want: "2.0"},
		{
			name: "toString of an object is an error", source: `{{ toString (dict) }}`,
			err: "toString: argument 1 must be a string, number or boolean, not an object",
		},
		{name: "print puts a space between numbers only", source: `{{ print 1 2 "a" 3 4 }}`, want: "1 2a3 4"},
		{name: "println puts spaces between all", source: `{{ println "a" 1 }}`, want: "a 1\n"},
	})
}

func TestTextIsPaidForBeforeItIsBuilt(t *testing.T) {
	large := strings.Repeat("a b ", 200_000)
	w := world{variables: object{"large": large}}
	for name, source := range map[string]string{
		"repeat of a huge count":           `{{ repeat 1000000000 "ab" }}`,
		"repeat beyond any count":          `{{ repeat 4611686018427387904 "" }}`,
		"indent of many lines":             `{{ indent 1000000 (repeat 1000 "\n") }}`,
		"nindent of a huge width":          `{{ nindent 1073741824 "" }}`,
		"replace that multiplies":          `{{ replace " " (repeat 1000 "x") .large }}`,
		"replace of the empty string":      `{{ replace "" (repeat 1000 "x") .large }}`,
		"wrapWith of a long separator":     `{{ wrapWith 1 (repeat 1000 "x") .large }}`,
		"repeated doubling":                `{{ $x := .large }}{{ range until 20 }}{{ $x = print $x $x }}{{ end }}`,
		"quotes of a text full of control": `{{ quote (repeat 4000000 "\x01") }}`,
		"join with a long separator":       `{{ join (repeat 10000 "x") (until 10000) }}`,
		"a width of printf":                `{{ printf "%1001d" 1 }}`,
		"a precision of printf":            `{{ printf "%.999999999f" 1.5 }}`,
		"a width of printf beyond an int":  `{{ printf "%99999999999999999999d" 1 }}`,
		"many numbers":                     `{{ until 1000000000 }}`,
		"numbers over the whole range":     `{{ untilStep -9223372036854775807 9223372036854775807 1 }}`,
		"a sequence as text":               `{{ seq 1 1000000000 }}`,
		"base64 of base64":                 `{{ b64enc (repeat 10000000 "a") }}`,
		"a text that is escaped for a URL": `{{ urlquery (repeat 6000000 "/") }}`,
		"camelcase of a large text":        `{{ camelcase (repeat 5000000 "a") }}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.text(t, source)
			if limit := limitOf(err); limit != "alloc" && limit != "fuel" {
				t.Errorf("got %v, want a limit", err)
			}
		})
	}
}

func TestPrintf(t *testing.T) {
	w := world{variables: object{"null": nil, "l": list("a")}}
	w.run(t, []evaluation{
		{name: "text between verbs", source: `{{ printf "a%sb" "-" }}`, want: "a-b"},
		{name: "a format without verbs", source: `{{ printf "plain" }}`, want: "plain"},
		{name: "a percent sign", source: `{{ printf "100%%" }}`, want: "100%"},
		{name: "%s of a number", source: `{{ printf "%s" 5 }}`, want: "5"},
		{name: "%s of null is empty", source: `{{ printf "[%s]" .null }}`, want: "[]"},
		{name: "%v of a boolean", source: `{{ printf "%v" true }}`, want: "true"},
		{name: "%v of an integer takes a width", source: `{{ printf "%04v" 7 }}`, want: "0007"},
		{name: "%q quotes", source: `{{ printf "%q" "a\"b" }}`, want: `"a\"b"`},
		{
			name: "%d of an integer", source: `{{ printf "%5d|%-5d|%05d|%+d" 1 2 3 4 }}`,
			want: "    1|2    |00003|+4",
		},
		{name: "%d of an integral float", source: `{{ printf "%d" 3.0 }}`, want: "3"},
		{name: "%d of a number in a string", source: `{{ printf "%d" "42" }}`, want: "42"},
		{
			name: "%d of a fraction is an error", source: `{{ printf "%d" 1.5 }}`,
			err: "printf: argument 2 must be an integer, not a number",
		},
		{name: "%x of an integer", source: `{{ printf "%x %X" 255 255 }}`, want: "ff FF"},
		{name: "%x of text", source: `{{ printf "%x" "az" }}`, want: "617a"},
		{
			name: "%o, %b, %c and %U of an integer", source: `{{ printf "%o %b %c %U" 8 5 65 65 }}`,
			want: "10 101 A U+0041",
		},
		{name: "%f with a precision", source: `{{ printf "%.2f|%8.3f" 1.235 1.5 }}`, want: "1.24|   1.500"},
		{name: "%f of an integer", source: `{{ printf "%.1f" 2 }}`, want: "2.0"},
		{name: "%e and %g", source: `{{ printf "%e %g" 1500.0 0.5 }}`, want: "1.500000e+03 0.5"},
		{name: "%t of a boolean", source: `{{ printf "%t" false }}`, want: "false"},
		{
			name: "%t of text is an error", source: `{{ printf "%t" "true" }}`,
			err: "printf: argument 2 must be a boolean, not a string",
		},
		{
			name: "%s of a list is an error", source: `{{ printf "%s" .l }}`,
			err: "printf: argument 2 must be a string, number or boolean, not a list",
		},
		{
			name: "a verb without an argument is an error", source: `{{ printf "%s %s" "a" }}`,
			err: "printf: %s has no argument",
		},
		{
			name: "an argument without a verb is an error", source: `{{ printf "a" 1 2 }}`,
			err: "printf: 2 arguments more than the format uses",
		},
		{
			name: "a verb that Go does not have for values is an error", source: `{{ printf "%p" 1 }}`,
			err: "printf: unknown verb %p",
		},
		{
			name: "a width from an argument is an error", source: `{{ printf "%*d" 5 1 }}`,
			err: "printf: unknown verb %*",
		},
		{
			name: "an argument index is an error", source: `{{ printf "%[1]d" 1 }}`,
			err: "printf: unknown verb %[",
		},
		{
			name: "a format that ends in a verb is an error", source: `{{ printf "100%" }}`,
			err: "printf: the format ends in the middle of a % verb",
		},
		{
			name: "a width of a thousand is allowed", source: `{{ printf "%1000d" 1 | len }}`,
			want: int64(1000),
		},
	})
}
