package function_test

import "testing"

func TestComparisons(t *testing.T) {
	w := world{variables: object{
		"i": int64(
			2), "f": 2.0, "half": 2.5, "s": "2", "t": true, "l": list(int64(1)), "o": object{"a": int64(1)}, "null": nil,
	}}
	w.run(t, []evaluation{
		{name: "equal integers", source: `{{ eq .i 2 }}`, want: true},
		{name: "an integer and the same float are equal", source: `{{ eq .i .f }}`, want: true},
		{name: "eq compares the first with any other", source: `{{ eq "b" "a" "b" }}`, want: true},
		{name: "eq with none that is equal", source: `{{ eq "c" "a" "b" }}`, want: false},
		{name: "booleans are equal", source: `{{ eq .t true }}`, want: true},
		{name: "null equals null only", source: `{{ eq .null nil }}`, want: true},
		{name: "null does not equal zero", source: `{{ eq .null 0 }}`, want: false},
		{name: "a missing variable equals null", source: `{{ eq .missing nil }}`, want: true},
		{
			name: "comparing a number with its text is a mistake", source: `{{ eq .i .s }}`,
			err: "eq: cannot compare an integer with a string",
		},
		{
			name: "lists are compared with deepEqual", source: `{{ eq .l .l }}`,
			err: "eq: argument 1 is a list; compare it with deepEqual",
		},
		{
			name: "objects are compared with deepEqual", source: `{{ ne 1 .o }}`,
			err: "ne: argument 2 is an object; compare it with deepEqual",
		},
		{name: "ne of different strings", source: `{{ ne "a" "b" }}`, want: true},
		{name: "ne of equal numbers", source: `{{ ne .i .f }}`, want: false},

		{name: "lt of integers", source: `{{ lt 1 2 }}`, want: true},
		{name: "lt of equal ones", source: `{{ lt 2 2 }}`, want: false},
		{name: "le of equal ones", source: `{{ le 2 2 }}`, want: true},
		{name: "gt of an integer and a float", source: `{{ gt .half .i }}`, want: true},
		{name: "gt of a float and an integer", source: `{{ gt .i .half }}`, want: false},
		{name: "ge of floats", source: `{{ ge .half .f }}`, want: true},
		{name: "strings are ordered by their bytes", source: `{{ lt "Z" "a" }}`, want: true},
		{
			name: "a string and a number have no order", source: `{{ lt .s .i }}`,
			err: "lt: cannot compare a string with an integer",
		},
		{
			name: "booleans have no order", source: `{{ lt true false }}`,
			err: "lt: cannot compare a boolean with a boolean",
		},
		{
			name: "a missing variable has no order", source: `{{ gt .missing 1 }}`,
			err: "gt: cannot compare null with an integer",
		},

		{
			name:   "deepEqual goes into lists and objects",
			source: `{{ deepEqual (dict "a" (list 1 2)) (dict "a" (list 1 2.0)) }}`, want: true,
		},
		{
			name: "deepEqual sees a different item", source: `{{ deepEqual (list 1 2) (list 2 1) }}`,
			want: false,
		},
		{name: "deepEqual sees a missing key", source: `{{ deepEqual .o (dict) }}`, want: false},

		{name: "and returns the first empty value", source: `{{ and 1 "" 2 }}`, want: ""},
		{name: "and returns the last value", source: `{{ and 1 2 }}`, want: int64(2)},
		{
			name:   "and does not evaluate what follows an empty value",
			source: `{{ and false (fail "evaluated") }}`, want: false,
		},
		{name: "or returns the first value that is not empty", source: `{{ or "" 0 "x" "y" }}`, want: "x"},
		{name: "or returns the last value", source: `{{ or "" 0 }}`, want: int64(0)},
		{
			name: "or does not evaluate what follows a value", source: `{{ or true (fail "evaluated") }}`,
			want: true,
		},
		{name: "not of an empty string", source: `{{ not "" }}`, want: true},
		{name: "not of a number", source: `{{ not 5 }}`, want: false},

		{
			name:   "kindOf names kinds as sprig does",
			source: `{{ list (kindOf "") (kindOf 1) (kindOf 1.5) (kindOf true) (kindOf .l) (kindOf .o) (kindOf nil) }}`,
			want:   list("string", "int64", "float64", "bool", "slice", "map", "invalid"),
		},
		{name: "kindIs compares with a name", source: `{{ kindIs "map" .o }}`, want: true},
		{name: "kindIs with another name", source: `{{ kindIs "slice" .o }}`, want: false},
		{name: "typeOf is another name of kindOf", source: `{{ typeOf .l }}`, want: "slice"},
	})
}
