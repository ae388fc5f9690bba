package function_test

import "testing"

func TestIntegerArithmetic(t *testing.T) {
	w := world{
		variables: object{
			"max": int64(9223372036854775807), "min": int64(-9223372036854775808), "f": 2.0, "half": 1.5,
			"huge": 1e19,
		},
	}
	const overflow = "the result is out of range"
	w.run(t, []evaluation{
		{name: "add of several", source: `{{ add 1 2 3 }}`, want: int64(6)},
		{name: "add of nothing is zero", source: `{{ (add) }}`, want: int64(0)},
		{name: "add takes integral floats and strings", source: `{{ add .f "3" }}`, want: int64(5)},
		{
			name: "add refuses a fraction, which sprig would cut off", source: `{{ add 1 .half }}`,
			err: "add: argument 2 must be an integer, not a number",
		},
		{
			name:   "add refuses a text that is not a number, which sprig would take for zero",
			source: `{{ add 1 "x" }}`, err: "add: argument 2 must be an integer, not a string",
		},
		{
			name: "a float beyond 64 bits is not an integer", source: `{{ add 1 .huge }}`,
			err: "add: argument 2 must be an integer",
		},
		{name: "add beyond the largest integer", source: `{{ add .max 1 }}`, err: "add: " + overflow},
		{name: "add below the smallest integer", source: `{{ add .min -1 }}`, err: "add: " + overflow},
		{name: "add1", source: `{{ add1 41 }}`, want: int64(42)},
		{name: "add1 of the largest integer", source: `{{ add1 .max }}`, err: overflow},
		{name: "sub", source: `{{ sub 5 7 }}`, want: int64(-2)},
		{
			name: "sub of zero keeps the smallest integer", source: `{{ sub .min 0 }}`,
			want: int64(-9223372036854775808),
		},
		{name: "sub beyond the range", source: `{{ sub 0 .min }}`, err: overflow},
		{name: "mul of several", source: `{{ mul 2 -3 4 }}`, want: int64(-24)},
		{
			name: "mul may give the smallest integer", source: `{{ mul 4611686018427387904 -2 }}`,
			want: int64(-9223372036854775808),
		},
		{name: "mul beyond the range", source: `{{ mul .max 2 }}`, err: overflow},
		{name: "mul of the smallest integer with -1", source: `{{ mul .min -1 }}`, err: overflow},
		{name: "div truncates towards zero", source: `{{ div -7 2 }}`, want: int64(-3)},
		{name: "div by zero", source: `{{ div 1 0 }}`, err: "div: division by zero"},
		{name: "div beyond the range", source: `{{ div .min -1 }}`, err: "div: " + overflow},
		{name: "mod has the sign of the first", source: `{{ mod -7 3 }}`, want: int64(-1)},
		{name: "mod by zero", source: `{{ mod 1 0 }}`, err: "mod: division by zero"},
		{name: "mod of the smallest integer by -1", source: `{{ mod .min -1 }}`, want: int64(0)},
		{name: "max", source: `{{ max 1 9 3 }}`, want: int64(9)},
		{name: "min", source: `{{ min 4 -2 3 }}`, want: int64(-2)},
		{name: "biggest is another name of max", source: `{{ biggest 1 2 }}`, want: int64(2)},
	})
}

func TestDecimalArithmetic(t *testing.T) {
	w := world{variables: object{"large": 1e300, "tiny": 1e-300, "exact": int64(9007199254740993)}}
	w.run(t, []evaluation{
		{name: "addf is exact, where floats are not", source: `{{ addf 0.1 0.2 }}`, want: 0.3},
		{name: "an integral result is an integer", source: `{{ addf 1.5 2.5 }}`, want: int64(4)},
		{name: "add1f", source: `{{ add1f 1.5 }}`, want: 2.5},
		{name: "subf takes the others from the first", source: `{{ subf 5.5 1.25 0.25 }}`, want: int64(4)},
		{name: "mulf", source: `{{ mulf 1.1 1.1 }}`, want: 1.21},
		{name: "divf", source: `{{ divf 1 4 }}`, want: 0.25},
		{name: "divf by zero", source: `{{ divf 1 0 }}`, err: "divf: division by zero"},
		{name: "divf by the text zero", source: `{{ divf 1 "0.0" }}`, err: "divf: division by zero"},
		{
			name: "mulf beyond a float", source: `{{ mulf .large .large }}`,
			err: "mulf: the result is out of range",
		},
		{name: "mulf below a float is zero", source: `{{ mulf .tiny .tiny }}`, want: int64(0)},
		{
			name: "a text that is not a number", source: `{{ addf "x" 1 }}`,
			err: "addf: argument 1 must be a number, not a string",
		},
		{
			name: "infinity is not a number", source: `{{ addf "Inf" 1 }}`,
			err: "addf: argument 1 must be a number",
		},
		{name: "maxf", source: `{{ maxf 1.5 2.5 -1 }}`, want: 2.5},
		{name: "maxf of infinity", source: `{{ maxf "Inf" 1 }}`, err: "maxf: the result is out of range"},
		{name: "minf of an integral number is an integer", source: `{{ minf 3.5 2 }}`, want: int64(2)},
		{name: "floor", source: `{{ floor -1.5 }}`, want: int64(-2)},
		{name: "ceil", source: `{{ ceil "1.2" }}`, want: int64(2)},
		{
			name: "floor keeps large integers exact enough", source: `{{ floor 9007199254740992 }}`,
			want: int64(9007199254740992),
		},
		{name: "round to places", source: `{{ round 2.345 2 }}`, want: 2.35},
		{name: "round half away from zero", source: `{{ round -2.5 0 }}`, want: int64(-3)},
		{
			name: "round to negative places", source: `{{ round 25 -1 }}`,
			err: "round: places must be between 0 and 15",
		},
		{name: "round of a number without fraction", source: `{{ round .large 2 }}`, want: 1e300},
	})
}

func TestConversionsOfNumbers(t *testing.T) {
	w := world{variables: object{"l": list(), "huge": 1e19, "null": nil}}
	w.run(t, []evaluation{
		{name: "int of text", source: `{{ int "12" }}`, want: int64(12)},
		{name: "int cuts a fraction off", source: `{{ int 3.9 }}`, want: int64(3)},
		{name: "int of a text with a fraction", source: `{{ int "3.9" }}`, want: int64(3)},
		{name: "int of true", source: `{{ int true }}`, want: int64(1)},
		{name: "int of a text that is not a number is zero", source: `{{ int "x" }}`, want: int64(0)},
		{name: "int of null is zero", source: `{{ int .null }}`, want: int64(0)},
		{name: "int beyond 64 bits is zero", source: `{{ int .huge }}`, want: int64(0)},
		{
			name: "int of a list is an error", source: `{{ int .l }}`,
			err: "int: argument 1 must be a number or text, not a list",
		},
		{
			name: "int64 and atoi are int", source: `{{ list (int64 "5") (atoi "6") }}`,
			want: list(int64(5), int64(6)),
		},
		{name: "float64 of text", source: `{{ float64 "1.5" }}`, want: 1.5},
		{name: "float64 of an integer stays a float", source: `{{ float64 2 }}`, want: 2.0},
		{name: "float64 of a text that is not a number is zero", source: `{{ float64 "x" }}`, want: 0.0},
		{name: "float64 of infinity is zero", source: `{{ float64 "Inf" }}`, want: 0.0},
		{name: "toDecimal reads an octal number", source: `{{ toDecimal "0644" }}`, want: int64(420)},
		{name: "toDecimal of an integer reads its digits", source: `{{ toDecimal 644 }}`, want: int64(420)},
		{
			name: "toDecimal of a digit above seven", source: `{{ toDecimal "8" }}`,
			err: `toDecimal: "8" is not an octal number`,
		},
	})
}
