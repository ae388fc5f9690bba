package function_test

import "testing"

func TestLists(t *testing.T) {
	w := world{
		variables: object{
			"l": list("b", "a", "c", "a"), "n": list(int64(1), int64(2), int64(3)), "none": list(),
			"null": nil, "s": "héllo", "o": object{"k": "v", "in": object{"x": int64(1)}},
		},
	}
	w.run(t, []evaluation{
		{
			name: "list leaves out what has no value", source: `{{ list 1 absent .missing nil "a" }}`,
			want: list(int64(1), nil, "a"),
		},
		{name: "list of nothing", source: `{{ (list) }}`, want: list()},
		{name: "tuple is another name of list", source: `{{ tuple 1 }}`, want: list(int64(1))},
		{name: "first", source: `{{ first .l }}`, want: "b"},
		{name: "last", source: `{{ last .l }}`, want: "a"},
		{name: "first of an empty list is null", source: `{{ first .none }}`, want: nil},
		{
			name: "first of text is an error", source: `{{ first "abc" }}`,
			err: "first: argument 1 must be a list, not a string",
		},
		{name: "rest", source: `{{ rest .n }}`, want: list(int64(2), int64(3))},
		{name: "rest of an empty list", source: `{{ rest .none }}`, want: list()},
		{name: "initial", source: `{{ initial .n }}`, want: list(int64(1), int64(2))},
		{name: "initial of an empty list", source: `{{ initial .none }}`, want: list()},
		{name: "append", source: `{{ append .n 4 }}`, want: list(int64(1), int64(2), int64(3), int64(4))},
		{
			name: "append of no value adds nothing", source: `{{ append .n absent }}`,
			want: list(int64(1), int64(2), int64(3)),
		},
		{
			name: "append of a list adds one item", source: `{{ append .none .n }}`,
			want: list(list(int64(1), int64(2), int64(3))),
		},
		{name: "prepend", source: `{{ prepend .n 0 }}`, want: list(int64(0), int64(1), int64(2), int64(3))},
		{
			name: "append to what is not a list", source: `{{ append "a" "b" }}`,
			err: "append: argument 1 must be a list, not a string",
		},
		{
			name: "concat", source: `{{ concat .n (list "a") .none }}`,
			want: list(int64(1), int64(2), int64(3), "a"),
		},
		{name: "concat of nothing", source: `{{ (concat) }}`, want: list()},
		{name: "reverse", source: `{{ reverse .n }}`, want: list(int64(3), int64(2), int64(1))},
		{name: "slice of a list", source: `{{ slice .l 1 3 }}`, want: list("a", "c")},
		{name: "slice without an end", source: `{{ slice .l 3 }}`, want: list("a")},
		{
			name: "slice of text counts bytes and repairs cut characters", source: `{{ slice .s 0 2 }}`,
			want: "h\ufffd",
		},
		{
			name: "slice beyond the end", source: `{{ slice .n 1 4 }}`,
			err: "slice: range 1 to 4 is out of bounds: the length is 3",
		},
		{
			name: "slice whose start is after its end", source: `{{ slice .n 2 1 }}`,
			err: "slice: range 2 to 1 is out of bounds",
		},
		{
			name: "slice with a negative start", source: `{{ slice .n -1 }}`,
			err: "slice: argument 2 must not be negative",
		},
		{
			name: "slice of an object", source: `{{ slice .o }}`,
			err: "slice: argument 1 must be a list or a string, not an object",
		},
		{name: "chunk", source: `{{ chunk 2 .n }}`, want: list(list(int64(1), int64(2)), list(int64(3)))},
		{name: "chunk of size zero", source: `{{ chunk 0 .n }}`, err: "chunk: the size must be at least 1"},

		{name: "uniq keeps the first of equal items", source: `{{ uniq .l }}`, want: list("b", "a", "c")},
		{
			name:   "uniq compares objects by their parts",
			source: `{{ uniq (list (dict "a" 1) (dict "a" 1)) }}`, want: list(object{"a": int64(1)}),
		},
		{name: "without", source: `{{ without .l "a" "b" }}`, want: list("c")},
		{name: "has", source: `{{ has "a" .l }}`, want: true},
		{
			name: "has compares an integer with a float by value", source: `{{ has 2 (list 1.5 2) }}`,
			want: true,
		},
		{name: "has in null is false", source: `{{ has "a" .null }}`, want: false},
		{
			name: "has in text is an error", source: `{{ has "a" "abc" }}`,
			err: "has: argument 2 must be a list, not a string",
		},
		{name: "compact", source: `{{ compact (list "a" "" 0 nil false "b") }}`, want: list("a", "b")},
		{
			name: "sortAlpha sorts as text", source: `{{ sortAlpha (list 10 9 "a") }}`,
			want: list("10", "9", "a"),
		},
		{name: "toStrings", source: `{{ toStrings (list 1 true "a") }}`, want: list("1", "true", "a")},
		{
			name: "toStrings of a list in a list", source: `{{ toStrings (list .n) }}`,
			err: "toStrings: argument 1 must be a string, number or boolean, not a list",
		},
		{name: "len of a list", source: `{{ len .l }}`, want: int64(4)},
		{name: "len of an object", source: `{{ len .o }}`, want: int64(2)},
		{name: "len of text counts bytes", source: `{{ len .s }}`, want: int64(6)},
		{name: "len of null is zero", source: `{{ len .missing }}`, want: int64(0)},
		{
			name: "len of a number", source: `{{ len 5 }}`,
			err: "len: argument 1 must be a list, an object or a string, not an integer",
		},
		{name: "index of a list", source: `{{ index .n 1 }}`, want: int64(2)},
		{name: "index goes step by step", source: `{{ index .o "in" "x" }}`, want: int64(1)},
		{
			name:   "index of a key that is missing is no value",
			source: `{{ index .o "none" "x" | default "d" }}`, want: "d",
		},
		{
			name: "index beyond the list", source: `{{ index .n 3 }}`,
			err: "index: index 3 is out of range: the list has 3 items",
		},
		{
			name: "index with a negative number", source: `{{ index .n -1 }}`,
			err: "index: argument 2 must not be negative",
		},
		{
			name: "index of a list with a key", source: `{{ index .n "x" }}`,
			err: "index: argument 2 must be an integer, not a string",
		},
		{name: "index of a number", source: `{{ index 5 0 }}`, err: "index: an integer cannot be indexed"},
		{
			name: "index without keys is the value", source: `{{ index .n }}`,
			want: list(int64(1), int64(2), int64(3)),
		},
	})
}

func TestListsOfNumbersAndText(t *testing.T) {
	w := world{variables: object{"max": int64(9223372036854775807), "l": list("a", nil, int64(1))}}
	w.run(t, []evaluation{
		{name: "until", source: `{{ until 3 }}`, want: list(int64(0), int64(1), int64(2))},
		{
			name: "until a negative number counts down", source: `{{ until -2 }}`,
			want: list(int64(0), int64(-1)),
		},
		{name: "untilStep", source: `{{ untilStep 0 10 4 }}`, want: list(int64(0), int64(4), int64(8))},
		{name: "untilStep downwards", source: `{{ untilStep 3 0 -2 }}`, want: list(int64(3), int64(1))},
		{name: "untilStep that leads away is empty", source: `{{ untilStep 0 3 -1 }}`, want: list()},
		{name: "untilStep of zero is empty", source: `{{ untilStep 0 3 0 }}`, want: list()},
		{name: "seq includes the last", source: `{{ seq 1 3 }}`, want: "1 2 3"},
		{name: "seq with a step", source: `{{ seq 0 5 11 }}`, want: "0 5 10"},
		{name: "seq counts down by itself", source: `{{ seq 3 1 }}`, want: "3 2 1"},
		{name: "seq of nothing", source: `{{ (seq) }}`, want: ""},
		{
			name: "seq to the largest integer", source: `{{ seq .max .max }}`,
			err: "seq: the result is out of range",
		},
		{name: "join leaves out null", source: `{{ join "," .l }}`, want: "a,1"},
		{name: "join of one value is the value as text", source: `{{ join "," 5 }}`, want: "5"},
		{name: "splitList", source: `{{ splitList "," "a,,b" }}`, want: list("a", "", "b")},
		{name: "splitList at the empty string", source: `{{ splitList "" "äb" }}`, want: list("ä", "b")},
		{name: "split names its parts", source: `{{ split "," "a,b" }}`, want: object{"_0": "a", "_1": "b"}},
		{
			name: "splitn keeps the rest together", source: `{{ splitn "," 2 "a,b,c" }}`,
			want: object{"_0": "a", "_1": "b,c"},
		},
		{name: "splitn into no parts", source: `{{ splitn "," 0 "a" }}`, want: object{}},
	})
}
