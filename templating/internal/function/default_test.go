package function_test

import (
	"testing"

	"github.com/berth-dev/berth/templating/internal/value"
)

func TestFunctionsThatChooseAValue(t *testing.T) {
	w := world{variables: object{
		"text": "x", "blank": "", "zero": int64(0), "zerof": 0.0, "no": false, "yes": true, "null": nil,
		"none": list(), "items": list(int64(1)), "nothing": object{}, "entries": object{"a": nil},
	}}
	w.run(t, []evaluation{
		{name: "absent is no value", source: `{{ (absent) }}`, want: value.Absent{}},
		{name: "absent counts as empty", source: `{{ empty absent }}`, want: true},

		{name: "required returns a value that is set", source: `{{ required "missing" .text }}`, want: "x"},
		{
			name: "required accepts zero, which is a value", source: `{{ required "missing" .zero }}`,
			want: int64(0),
		},
		{
			name: "required accepts false, which is a value", source: `{{ required "missing" .no }}`,
			want: false,
		},
		{
			name:   "required refuses the empty string with its message",
			source: `{{ required "say which" .blank }}`, err: "say which",
		},
		{
			name: "required refuses null with its message", source: `{{ required "say which" .null }}`,
			err: "say which",
		},
		{
			name:   "required refuses a missing variable with its message",
			source: `{{ required "say which" .missing }}`, err: "say which",
		},
		{
			name: "required needs a message that is text", source: `{{ required .items .text }}`,
			err: "required: argument 1 must be a string, number or boolean, not a list",
		},

		{name: "default keeps a value", source: `{{ default "d" .text }}`, want: "x"},
		{name: "default replaces the empty string", source: `{{ default "d" .blank }}`, want: "d"},
		{name: "default replaces zero, as in sprig", source: `{{ default 5 .zero }}`, want: int64(5)},
		{name: "default replaces a missing variable", source: `{{ default "d" .missing }}`, want: "d"},
		{name: "default replaces the empty list", source: `{{ default "d" .none }}`, want: "d"},
		{name: "default keeps a list with items", source: `{{ default "d" .items }}`, want: list(int64(1))},
		{name: "default may be no value", source: `{{ default absent .missing }}`, want: value.Absent{}},
		{name: "default without a value is the default", source: `{{ default "d" }}`, want: "d"},
		{name: "a pipeline passes the value last", source: `{{ .blank | default "d" }}`, want: "d"},

		{
			name:   "coalesce returns the first value that is not empty",
			source: `{{ coalesce .blank .zero .text .yes }}`, want: "x",
		},
		{name: "coalesce of empty values is null", source: `{{ coalesce .blank .missing }}`, want: nil},
		{name: "coalesce of nothing is null", source: `{{ (coalesce) }}`, want: nil},

		{name: "ternary with a true condition is the first", source: `{{ ternary "a" "b" .yes }}`, want: "a"},
		{
			name: "ternary with a false condition is the second", source: `{{ ternary "a" "b" .no }}`,
			want: "b",
		},
		{name: "ternary takes any value as its condition", source: `{{ ternary "a" "b" .items }}`, want: "a"},
		{
			name: "ternary takes a missing variable for false", source: `{{ ternary "a" "b" .missing }}`,
			want: "b",
		},
		{name: "ternary passes no value on", source: `{{ ternary "a" absent .no }}`, want: value.Absent{}},

		{name: "empty of an object with an entry", source: `{{ empty .entries }}`, want: false},
		{name: "empty of an object without entries", source: `{{ empty .nothing }}`, want: true},
		{name: "empty of the float zero", source: `{{ empty .zerof }}`, want: true},

		{name: "all of values that are not empty", source: `{{ all .text .yes .items }}`, want: true},
		{name: "all with one that is empty", source: `{{ all .text .blank }}`, want: false},
		{name: "all of nothing", source: `{{ (all) }}`, want: true},
		{name: "any with one that is not empty", source: `{{ any .blank .text }}`, want: true},
		{name: "any of empty values", source: `{{ any .blank .zero .missing }}`, want: false},
		{name: "any of nothing", source: `{{ (any) }}`, want: false},

		{
			name: "fail ends the render with its message", source: `{{ fail " no GPU here " }}`,
			err: "no GPU here",
		},
		{
			name: "fail without a message says who ended it", source: `{{ fail " " }}`,
			err: "the template called fail",
		},
	})
}
